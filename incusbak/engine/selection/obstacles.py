"""Why something can't be backed up as it is asked for. Pure."""

from collections.abc import Callable, Iterable, Mapping

from ...errors import Unplannable
from ...model.backups import ExportWishes
from ...model.documents import Json
from ...model.inventory import Inventory, Resource
from ...model.refs import ResourceRef
from ...ports import Kind

EXPORTED = ("instance", "volume")
"""The kinds that are exported, and stored as the export settings say; others are stored as they are."""


def obstacle(
    resource: Resource, options: ExportWishes, inventory: Inventory, kinds: Mapping[str, Kind]
) -> str:
    """Say why something can't be backed up so, on this server and in its project; empty when it can."""
    ref, kind = resource.ref, kinds[resource.ref.kind]
    config = config_of(inventory.surroundings.get(ResourceRef("project", name=ref.project)))
    if ref.kind in EXPORTED and is_restricted(config) and config.get("restricted.backups") != "allow":
        return (
            f"project {ref.project} allows no backups; "
            f"`incus project set {ref.project} restricted.backups=allow` does"
        )
    return kind.obstacle(resource, options, inventory.server, driver_of=inventory.driver_of)


def is_restricted(config: Mapping[str, str]) -> bool:
    return config.get("restricted", "").lower() in ("true", "1", "yes", "on")


def config_of(project: Json | None) -> Mapping[str, str]:
    """Return what a project sets by itself."""
    return (project or {}).get("config") or {}


def check_names(
    inventory: Inventory, names: Iterable[str], kinds: Iterable[str], is_meant: Callable[[str], bool]
) -> None:
    """See that none of these names is only of a part of another resource.

    Args:
        is_meant: whether a project is.

    Raises:
        Unplannable: some are.
    """
    wanted, of_kinds = set(names), set(kinds)
    found = [
        f"{ref} is part of {whole}, and is backed up with it"
        for ref, whole in sorted(inventory.parts.items())
        if ref.kind in of_kinds and f"{ref.pool}/{ref.name}" in wanted and is_meant(ref.project)
    ]
    if found:
        raise Unplannable("\n".join(found), hint="back up that instance")
