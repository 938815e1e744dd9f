"""The words for resources on the command line."""

from collections.abc import Iterable

from ..engine.selection.patterns import is_pattern
from ..engine.selection.requests import Request, StoredResources
from ..errors import RepositoryError, UsageError
from ..model.backups import Catalog
from ..model.documents import Json
from ..model.refs import CONFIG, ResourceRef
from ..ports import ALL_PROJECTS
from .complaints import about
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
WORDS = ("all", "instance[s]", "volume[s]", "image[s]", "config")
"""How help names them; a singular goes with exactly one name, which is no pattern."""
_PLURALS = ("all", "instances", "volumes", "images", "config")
_SINGULARS = ("instance", "volume", "image")


def read_request(
    word: str, names: tuple[str, ...], project: str, *, known: Iterable[str] = (*_PLURALS, *_SINGULARS)
) -> Request:
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
            if not is_pattern(name) and len([part for part in name.split("/") if part]) != 2:
                raise UsageError(f"{name!r} is not a volume", hint="volumes are named POOL/NAME")
    project = project or (ALL_PROJECTS if word in ("all", CONFIG.kind) else "default")
    return Request(_KINDS[word], names, project, takes_patterns=word not in _SINGULARS)


def read_kinds(words: tuple[str, ...], project: str) -> Request:
    """Turn ``instances volume`` into everything of these kinds; no words mean all."""
    requests = [read_request(plural(word), (), project) for word in words or ("all",)]
    kinds = dict.fromkeys(kind for request in requests for kind in request.kinds)
    return Request(tuple(kinds), (), requests[0].project)


def plural(word: str) -> str:
    """The word for all of a kind; what means nothing is left as it is."""
    return f"{word}s" if word in _SINGULARS else word


def read_stored(session: Session, request: Request, catalog: Catalog) -> StoredResources:
    """Read of what projects and under what names images were stored, where that matters."""
    needs = "image" in request.kinds and (request.names or request.project != ALL_PROJECTS)
    documents = {}
    for ref in catalog.backups if needs else ():
        if ref.kind == "image" and (document := _document(session, catalog, ref)):
            documents[ref] = document
    return StoredResources(catalog, documents)


def _document(session: Session, catalog: Catalog, ref: ResourceRef) -> Json:
    """What the newest backup that can be read says, the good ones first."""
    for backup in sorted(catalog.of(ref), key=lambda b: (catalog.health(b).damaged, -b.created.timestamp())):
        try:
            return session.repository.manifest(backup).manifest.captured.resource
        except RepositoryError as error:
            session.warn(about(backup, error.message))
    return {}
