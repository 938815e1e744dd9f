"""What makes a restic repository ours as well: an id, and the key for hashes of sensitive values."""

import secrets
import threading
import uuid
from datetime import UTC, datetime

from ...codec import dump
from ...errors import RepositoryMissing
from ..metadata import FORMAT_VERSION, Metadata, parse_metadata
from .content import Content
from .passwords import Passwords
from .reading import Reader
from .snapshots import METADATA
from .store import Store, Tags

_SECRET_BYTES = 32
_NAME = "metadata.json"


class Identity:
    """The ``metadata.json`` of one repository; its id is at first what restic itself calls the repository."""

    def __init__(self, store: Store, content: Content, reader: Reader, passwords: Passwords) -> None:
        self._store, self._content, self._reader, self._passwords = store, content, reader, passwords
        self._new_secret = secrets.token_bytes(_SECRET_BYTES)
        self._known_secret = b""
        self._making = threading.Lock()

    def secret(self) -> bytes:
        metadata = self._content.known().metadata or self._content.now().metadata
        if metadata is None:
            return self._new_secret
        if not self._known_secret:
            text = self._reader.read(metadata, _NAME)
            self._known_secret = bytes.fromhex(parse_metadata(f"{self._uri}: {_NAME}", text).secret)
        return self._known_secret

    def make(self) -> None:
        """Make the repository, or take one that others made with restic for ours as well."""
        with self._making:
            if self._content.now().metadata is not None:
                return
            found = self._store.config_id()
            if not found:
                self._passwords.confirm(self._store.place.name)
                self._store.init()
                found = self._store.config_id()
            self._add(found, self._new_secret)

    def renew(self) -> None:
        """Give it another id; what restic itself calls it stays, as all in it belongs to that.

        Raises:
            RepositoryMissing: there is no repository.
        """
        secret, metadata = self.secret(), self._content.now().metadata
        if metadata is None:
            raise RepositoryMissing(f"there is no repository at {self._uri} yet")
        self._add(uuid.uuid4().hex, secret, (("supersedes", metadata.value("repository")),))

    @property
    def _uri(self) -> str:
        return self._store.place.uri

    def _add(self, id_: str, secret: bytes, more: Tags = ()) -> None:
        made = Metadata(id_, datetime.now(UTC), secret.hex())
        tags = (("type", METADATA), ("repository", made.id), ("format", str(FORMAT_VERSION)), *more)
        self._store.add(_NAME, dump(made).encode(), tags)
        self._content.forget_id()
