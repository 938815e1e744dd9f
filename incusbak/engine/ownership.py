"""Which project things are in: what a project does not have of its own is the default project's. Pure."""

from collections.abc import Callable

from attrs import evolve

from ..model.documents import Json
from ..model.inventory import Resource
from ..model.refs import ResourceRef

_FEATURES = {
    "profile": "features.profiles",
    "network": "features.networks",
    "acl": "features.networks",
    "address-set": "features.networks",
    "zone": "features.networks.zones",
    "volume": "features.storage.volumes",
    "image": "features.images",
}
"""The project feature that gives a project things of its own."""

Look = Callable[[ResourceRef], Json | None]
"""Find a document by address."""


def owner(project: str, kind: str, look: Look) -> str:
    """The project in which a project keeps its things of one kind."""
    feature = _FEATURES.get(kind)
    document = look(ResourceRef("project", name=project)) or {}
    own = feature is None or project == "default" or (document.get("config") or {}).get(feature) == "true"
    return project if own else "default"


def owned(ref: ResourceRef, look: Look) -> ResourceRef:
    """Where something that a project refers to really is."""
    return evolve(ref, project=owner(ref.project, ref.kind, look)) if ref.project else ref


def projects_of(resource: Resource) -> frozenset[str]:
    """The projects a resource is in; one that can be in several (an image) tells so in its document."""
    if resource.ref.kind == "image":
        return frozenset(resource.document.get("projects", ()))
    return frozenset({resource.ref.project} if resource.ref.project else ())
