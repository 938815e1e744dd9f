"""What projects with limits or restrictions allow: backups, what may come in, and how much of it. Pure."""

from collections.abc import Iterable, Mapping

from ..errors import Unplannable
from ..model.actions import Replace, Restore
from ..model.admissions import Admission, Room
from ..model.backups import ExportWishes, Manifest
from ..model.documents import Json
from ..model.goals import RestoreOptions
from ..model.inventory import Inventory, Resource
from ..model.plans import Step
from ..model.refs import ResourceRef
from ..ports import Kind
from .backing_up import EXPORTED
from .sizes import mebibytes
from .world import World

_IN_BYTES = ("memory", "disk")


def obstacle(
    resource: Resource, options: ExportWishes, inventory: Inventory, kinds: Mapping[str, Kind]
) -> str:
    """Say why something can't be backed up so, on this server and in its project; empty when it can."""
    ref, kind = resource.ref, kinds[resource.ref.kind]
    config = _config(inventory.surroundings.get(ResourceRef("project", name=ref.project)))
    if ref.kind in EXPORTED and is_restricted(config) and config.get("restricted.backups") != "allow":
        return (
            f"project {ref.project} allows no backups; "
            f"`incus project set {ref.project} restricted.backups=allow` does"
        )
    return kind.obstacle(resource, options, inventory.server, driver_of=inventory.driver_of)


def is_restricted(config: Mapping[str, str]) -> bool:
    return config.get("restricted", "").lower() in ("true", "1", "yes", "on")


def has_limits(project: Json | None) -> bool:
    """Whether how much there is in a project matters."""
    return any(key.startswith("limits.") for key in _config(project))


def _config(project: Json | None) -> Mapping[str, str]:
    return (project or {}).get("config") or {}


def check_admission(to: ResourceRef, manifest: Manifest, options: RestoreOptions, world: World) -> None:
    """See that the project takes what is to come.

    Raises:
        Unplannable: it does not, whatever there is room for.
    """
    problems = _admission(to, manifest, options, world).problems
    if problems:
        raise Unplannable(
            "\n".join(f"{to}: project {to.project} does not take it: {each}" for each in problems),
            hint=f"look at `incus project show {to.project}`, or restore into another with --project-map",
        )


def warn_of_losses(steps: Iterable[Step], world: World) -> list[str]:
    """Say what will not be as it was because a project does not let it."""
    return [
        f"{step.action.to}: {'; '.join(losses)}"
        for step in steps
        if isinstance(step.action, Restore | Replace)
        if (losses := _of_step(step.action, world).losses)
    ]


def check_limits(steps: Iterable[Step], world: World) -> list[Unplannable]:
    """Find what does not fit into its project, in the order of the steps, which are done one by one there.

    What is replaced stays until its successor runs.
    """
    taken: dict[tuple[str, str], int] = {}
    problems = []
    for step in steps:
        if not isinstance(step.action, Restore | Replace):
            continue
        project, is_replaced = step.action.to.project, isinstance(step.action, Replace)
        admission = _of_step(step.action, world)
        passing = admission.passing if is_replaced else {}
        for name, needed in sorted(admission.needs.items()):
            more = needed + passing.get(name, 0)
            room = world.evidence.rooms.get(project, {}).get(name)
            if room is None or room.limit < 0:
                continue
            there = taken.setdefault((project, name), room.taken)
            if there + more > room.limit:
                problems.append(_full(step.action.to, name, Room(room.limit, there), more, is_replaced))
            elif not is_replaced:
                taken[project, name] = there + more
    return problems


def _of_step(action: Restore | Replace, world: World) -> Admission:
    manifest = world.evidence.manifests[action.source].manifest
    return _admission(action.to, manifest, action.options, world)


def _admission(to: ResourceRef, manifest: Manifest, options: RestoreOptions, world: World) -> Admission:
    project = world.document(ResourceRef("project", name=to.project))
    if project is None:
        return Admission()

    def profile_of(name: str) -> Json | None:
        return world.document(world.owned(ResourceRef("profile", project=to.project, name=name)))

    kind = world.kinds[to.kind]
    return kind.admission(
        manifest,
        options,
        world.inventory.server,
        project={**project, "name": to.project},
        profile_of=profile_of,
    )


def _full(to: ResourceRef, name: str, room: Room, more: int, is_replaced: bool) -> Unplannable:
    key = f"limits.{name}"
    limit, there, wanted = (_said(name, amount) for amount in (room.limit, room.taken, more))
    beside = ", since the one to be replaced stays until its successor runs" if is_replaced else ""
    least = _said(name, room.taken + more).replace(" ", "")
    return Unplannable(
        f"{to}: project {to.project} has no room for it: {key} is {limit}, {there} are taken, "
        f"it takes {wanted} more{beside}",
        hint=f"raise it{' for the while' if is_replaced else ''} with "
        f"`incus project set {to.project} {key}={least}`",
    )


def _said(name: str, amount: int) -> str:
    return mebibytes(amount) if name in _IN_BYTES else str(amount)
