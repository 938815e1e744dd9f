"""Copies of small manifests in one snapshot: to show many backups costs one call of restic, not one for each.

They are for what is listed and planned. Who holds the repository reads the manifests themselves. It is a file
of lines, each a JSON list of a SHA-256 and the manifest's text, so that it is never in memory twice.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from ...errors import RepositoryError, RepositoryLocked
from ..layout import MANIFEST as MANIFEST_NAME
from .content import Content
from .snapshots import INDEX, MANIFEST, Shelf, Snapshot
from .store import Store

_NAME = "index.jsonl"
_LARGEST_BYTES, _ALL_BYTES = 64 << 10, 16 << 20
_LAG = 16
"""How many manifests may lack before the index is written anew."""


class Index:
    """The index of one repository; a text is found by the SHA-256 that its manifest's snapshot tells."""

    def __init__(self, store: Store, content: Content) -> None:
        self._store, self._content = store, content
        self._loaded: tuple[str, Mapping[str, str]] = ("", {})
        self._written: dict[str, str] = {}

    def keep(self, digest: str, data: bytes) -> None:
        """Remember a manifest that was just written, for the next index."""
        if len(data) <= _LARGEST_BYTES:
            self._written[digest] = data.decode("utf-8", "surrogatepass")

    def find(self, digest: str, shelf: Shelf) -> bytes | None:
        """Look a manifest up; None if it is not in the index."""
        text = self._load(_newest(shelf)).get(digest)
        return None if text is None else text.encode("utf-8", "surrogatepass")

    def renew(self) -> None:
        """Write it anew if it lacks many."""
        shelf = self._content.known()
        present = _newest(shelf)
        manifests = [m for m in reversed(shelf.of_type(MANIFEST)) if shelf.removal(m.token) is None]
        if sum(present is None or m.taken > present.taken for m in manifests) < _LAG:
            return
        texts = dict(self._texts(manifests, {**self._load(present), **self._written}))
        made = self._store.add_pieces(_NAME, lambda: lines_of(texts), (("type", INDEX),))
        self._content.add(made)
        old = [index.id for index in shelf.of_type(INDEX)]
        with suppress(RepositoryLocked):  # the newest counts
            self._store.forget(old, waits=False)
            self._content.drop(old)

    def _texts(self, manifests: list[Snapshot], known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """The newest first, as many as may be; of those that are not known, a few are read."""
        total, unread = 0, _LAG
        for manifest in manifests:
            digest = manifest.value("sha256")
            text = known.get(digest)
            if text is None and unread:
                unread -= 1
                text = self._read(manifest)
            if text is None or len(text) > _LARGEST_BYTES:
                continue
            total += len(text)
            if total > _ALL_BYTES:
                return
            yield digest, text

    def _read(self, manifest: Snapshot) -> str | None:
        try:
            data = self._store.read(manifest, MANIFEST_NAME, MANIFEST_NAME)
        except RepositoryError:  # a copy of it would help nobody
            return None
        return data.decode("utf-8", "surrogatepass")

    def _load(self, index: Snapshot | None) -> Mapping[str, str]:
        """Read an index once; one that can't be read holds nothing."""
        if index is None:
            return {}
        if self._loaded[0] != index.id:
            self._loaded = (index.id, {})
            with (
                suppress(RepositoryError, ValueError),
                self._store.reading(index, _NAME, _NAME, locked=False) as chunks,
            ):
                self._loaded = (index.id, dict(entries_in(chunks)))
        return self._loaded[1]


def _newest(shelf: Shelf) -> Snapshot | None:
    return next(reversed(shelf.of_type(INDEX)), None)


def lines_of(texts: Mapping[str, str]) -> Iterator[bytes]:
    """Write texts by digest, a line each."""
    for entry in texts.items():
        yield json.dumps(entry).encode() + b"\n"


def entries_in(chunks: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Read what ``lines_of`` wrote, wherever its chunks begin.

    Raises:
        ValueError: it did not write that.
    """
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            match json.loads(line):
                case [str(digest), str(text)]:
                    yield digest, text
                case _:
                    raise ValueError("a line is no entry")
    if rest:
        raise ValueError("the last line is cut")
