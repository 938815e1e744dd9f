"""What comes with instances: the images they were made from, the volumes attached to them. Pure."""

from collections.abc import Callable, Iterable, Mapping

from ...model.documents import Json
from ...model.inventory import Inventory, Resource
from ...model.policies import Images
from ...model.refs import ResourceRef
from ...ports import Kind
from ..ownership import owned, projects_of

IMAGE, VOLUME = "image", "volume"


def images_with(
    resources: Iterable[Resource],
    images: Images,
    inventory: Inventory,
    kinds: Mapping[str, Kind],
    *,
    in_projects: Callable[[str], bool],
) -> list[Resource]:
    """The images to back up together with these resources.

    Args:
        in_projects: whether all images of a project are meant by ``Images.ALL``.
    """
    match images:
        case Images.NONE:
            return []
        case Images.REFERENCED:
            return companions(resources, IMAGE, inventory, kinds)
        case Images.ALL:
            every = [r for ref, r in inventory.resources.items() if ref.kind == IMAGE]
            meant = [
                r for r in every if not r.document.get("cached") and any(map(in_projects, projects_of(r)))
            ]
            return [*meant, *companions(resources, IMAGE, inventory, kinds)]


def volumes_of(
    resources: Iterable[Resource], inventory: Inventory, kinds: Mapping[str, Kind]
) -> list[Resource]:
    """The custom volumes attached to these resources."""
    return companions(resources, VOLUME, inventory, kinds)


def companions(
    resources: Iterable[Resource], kind: str, inventory: Inventory, kinds: Mapping[str, Kind]
) -> list[Resource]:
    """What there is of one kind that comes with these: an image may be gone, a volume another server's."""

    def look(ref: ResourceRef) -> Json | None:
        return inventory.surroundings.get(ref)

    found = {
        owned(ref, look)
        for resource in resources
        if resource.document
        for ref in kinds[resource.ref.kind].companions(resource.document)
        if ref.kind == kind
    }
    return [inventory.resources[ref] for ref in sorted(found) if ref in inventory.resources]
