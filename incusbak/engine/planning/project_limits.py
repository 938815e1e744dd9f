"""What projects with limits or restrictions allow: backups, what may come in, and how much of it. Pure."""

from collections import Counter
from collections.abc import Iterable

from ...errors import Unplannable
from ...model.actions import Replace, Restore
from ...model.admissions import Admission, Room
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.facts import Foreseen
from ...model.goals import RestoreOptions
from ...model.plans import Step
from ...model.refs import ResourceRef
from ...model.sizes import humanize_bytes, in_mebibytes
from ..selection.obstacles import config_of
from .world import World

_IN_BYTES = ("memory", "disk")
_STAYS = "the one to be replaced stays until its successor runs"
_GROWS = "a full root disk gets a larger limit for the while"


def has_limits(project: Json | None) -> bool:
    """Whether how much there is in a project matters."""
    return any(key.startswith("limits.") for key in config_of(project))


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

    What is replaced stays until its successor runs, full root disks may get larger for the while.
    """
    taken: dict[tuple[str, str], int] = {}
    problems = []
    for step in steps:
        if not isinstance(step.action, Restore | Replace):
            continue
        is_replaced = isinstance(step.action, Replace)
        for (project, name), (more, grows) in sorted(_demands(step.action, world).items()):
            room = world.evidence.rooms.get(project, {}).get(name)
            if room is None or room.limit < 0:
                continue
            there = taken.setdefault((project, name), room.taken)
            if there + more > room.limit:
                why = [_STAYS] * (is_replaced and more > grows) + [_GROWS] * bool(grows)
                problems.append(
                    _full(step.action.to, project, name, Room(room.limit, there), more, " and ".join(why))
                )
            elif not is_replaced:
                taken[project, name] = there + more
    return problems


def _demands(action: Restore | Replace, world: World) -> dict[tuple[str, str], tuple[int, int]]:
    """Tell how much a restore takes of which limits for the while, and how much of that is for full disks."""
    admission, project = _of_step(action, world), action.to.project
    found = Counter({(project, name): size for name, size in admission.needs.items()})
    grows: Counter[tuple[str, str]] = Counter()
    if isinstance(action, Replace):
        found.update({(project, name): size for name, size in admission.passing.items()})
        foreseen = world.evidence.foreseen.get(action.to, Foreseen())
        for each in foreseen.grows:
            for name in ("disk", f"disk.{each.pool}"):
                grows[each.ref.project, name] += each.more_bytes
    return {key: (found[key] + grows[key], grows[key]) for key in found + grows}


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
        to,
        options,
        world.inventory.server,
        project={**project, "name": to.project},
        profile_of=profile_of,
    )


def _full(to: ResourceRef, project: str, name: str, room: Room, more: int, why: str) -> Unplannable:
    key, is_of_bytes = f"limits.{name.replace('disk.', 'disk.pool.', 1)}", name.split(".")[0] in _IN_BYTES
    said = humanize_bytes if is_of_bytes else str
    limit, there, wanted = (said(amount) for amount in (room.limit, room.taken, more))
    least = in_mebibytes(room.taken + more) if is_of_bytes else str(room.taken + more)
    return Unplannable(
        f"{to}: project {project} has no room for it: {key} is {limit}, {there} are taken, "
        f"it takes {wanted} more{why and f', since {why}'}",
        hint=f"raise it{' for the while' if why else ''} with `incus project set {project} {key}={least}`",
        of=to.address,
    )
