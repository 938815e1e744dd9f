"""The words for resources on the command line."""

from collections.abc import Iterable

from ..engine.naming import Request, Stored
from ..errors import RepositoryError, UsageError
from ..model.backups import Catalog
from ..model.documents import Json
from ..model.refs import CONFIG, ResourceRef
from ..ports import ALL_PROJECTS
from .session import Session

_KINDS: dict[str, tuple[str, ...]] = {
    "all": ("config", "image", "volume", "instance"),
    "instance": ("instance",),
    "instances": ("instance",),
    "volume": ("volume",),
    "volumes": ("volume",),
    "image": ("image",),
    "images": ("image",),
    "config": ("config",),
}
PLURALS = ("all", "instances", "volumes", "images", "config")
_SINGULARS = ("instance", "volume", "image")


def read_request(word: str, names: tuple[str, ...], project: str, *, known: Iterable[str]) -> Request:
    """Turn ``instances web`` and the like into what is asked for.

    Args:
        project: as given; by default it is all projects for ``all``, else ``default``.

    Raises:
        UsageError: a word that means nothing, ``all`` with names, or a singular without exactly one.
    """
    words = list(known)
    if word not in words:
        raise UsageError(f"{word!r} is not a kind of resource", hint=f"use one of {', '.join(words)}")
    if word == "all" and names:
        raise UsageError("`all` takes no names", hint="name them after `instances`, `volumes` or `images`")
    if word in _SINGULARS and len(names) != 1:
        raise UsageError(f"`{word}` takes exactly one name", hint=f"use `{word}s` for several, or all")
    if word.startswith("volume"):
        for name in names:
            if len([part for part in name.split("/") if part]) != 2:
                raise UsageError(f"{name!r} is not a volume", hint="volumes are named POOL/NAME")
    everywhere = word in ("all", CONFIG.kind)
    return Request(_KINDS[word], names, project or (ALL_PROJECTS if everywhere else "default"))


def with_singulars() -> tuple[str, ...]:
    """The words of commands that also take exactly one."""
    return (*PLURALS, *_SINGULARS)


def read_stored(session: Session, request: Request, catalog: Catalog) -> Stored:
    """Read of what projects and under what names images were stored, where that matters."""
    needs = "image" in request.kinds and (request.names or request.project != ALL_PROJECTS)
    documents = {}
    for ref in catalog.backups if needs else ():
        if ref.kind == "image" and (document := _document(session, catalog, ref)):
            documents[ref] = document
    return Stored(catalog, documents)


def _document(session: Session, catalog: Catalog, ref: ResourceRef) -> Json:
    """What the newest backup that can be read says, the good ones first."""
    for backup in sorted(catalog.of(ref), key=lambda b: (catalog.repute(b).damaged, -b.created.timestamp())):
        try:
            return session.repository.manifest(backup).manifest.captured.resource
        except RepositoryError as error:
            session.warn(f"{backup}: {error.message}")
    return {}
