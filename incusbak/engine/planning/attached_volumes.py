"""The custom volumes that restored instances are attached to: what comes back with them, what stays. Pure.

A volume is taken from its newest good backup that is not newer than the instance's. Under another name an
instance is attached to the same volumes: what its original uses is replaced under it only by a step of its
own, with the hazards that this has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from attrs import evolve, field, frozen

from ...errors import Unplannable
from ...model.actions import Replace
from ...model.backups import Catalog, Manifest
from ...model.goals import Goal, Restored, RestoreOptions
from ...model.inventory import Inventory
from ...model.plans import Stay, Step, Unchanged
from ...model.policies import Destination, IfPresent, Latest, Volumes
from ...model.refs import BackupId, ResourceRef
from ...ports import Kind
from ..ownership import owner
from ..selection.companions import VOLUME
from ..selection.versions import (
    clashes,
    find_source,
    health_warnings,
    passed_over,
    reading_again,
    trying,
    why_none,
)
from .ordering import after_these
from .restore import is_done
from .world import World


@frozen
class Need:
    """A volume that a restored instance is attached to.

    ``ref``: where it is, or shall be. ``stored``: what it was called. ``source``: the backup that fits;
    ``newer_damaged``: those passed over for it. ``now``: not only in a snapshot of the instance.
    """

    ref: ResourceRef
    stored: ResourceRef
    source: BackupId | None
    newer_damaged: tuple[BackupId, ...]
    is_there: bool
    now: bool


def needs_of(
    goal: Restored,
    manifest: Manifest,
    inventory: Inventory,
    catalog: Catalog,
    kinds: Mapping[str, Kind],
) -> Iterator[Need]:
    """Find the volumes of an instance that is to be restored, if anything is to be done about them."""
    if goal.volumes is Volumes.NONE:
        return
    version = _version(goal)
    for named, now in sorted(kinds[goal.ref.kind].attached(manifest, goal.options).items()):
        was, is_now = _owners(named.project, goal.ref.project, inventory, catalog)
        stored = evolve(named, project=was)
        ref = kinds[VOLUME].relocated(stored, goal.options.maps, Destination(project=is_now))
        source = find_source(stored, version, catalog)
        damaged = passed_over(source, version, catalog) if source else ()
        is_there = any(ref in each for each in (inventory.resources, inventory.surroundings, inventory.parts))
        yield Need(ref, stored, source, damaged, is_there, now)


def _version(goal: Restored) -> Latest:
    return Latest(goal.source.created)


def _owners(was: str, to: str, inventory: Inventory, catalog: Catalog) -> tuple[str, str]:
    """The projects that had, and will have, the volumes of an instance that comes from one to another.

    A project that is not there is taken for one that has its own, unless the other one has not; and certainly
    if there are backups of some: those of another project are not to take their place.
    """
    look = inventory.surroundings.get
    known = {name: owner(name, VOLUME, look) for name in (was, to) if look(_project(name)) is not None}
    shares = {name for name, keeper in known.items() if keeper != name}
    had_none = to in shares and not any(ref.kind == VOLUME and ref.project == was for ref in catalog.backups)
    return known.get(was, "default" if had_none else was), known.get(to, "default" if was in shares else to)


def _project(name: str) -> ResourceRef:
    return ResourceRef("project", name=name)


def goal_for(need: Need, goal: Restored) -> Restored | None:
    """What is asked for of a volume by asking for an instance; None: that nothing is done."""
    replaced = need.now and goal.volumes is Volumes.ALL and goal.if_present is not IfPresent.SKIP
    if need.source is None or (need.is_there and not replaced):
        return None
    return Restored(
        need.ref,
        need.source,
        IfPresent.REPLACE if need.is_there else IfPresent.SKIP,
        RestoreOptions(maps=goal.options.maps),
        insist=goal.insist,
        version=_version(goal),
        passed_over=need.newer_damaged,
    )


@frozen
class Attached:
    """The goals of a plan with those of volumes; the instances that lack one are left out (``problems``).

    ``stays``: what restored instances find as it is.
    """

    goals: list[Goal]
    warnings: list[str] = field(factory=list)
    problems: list[Unplannable] = field(factory=list)
    stays: dict[ResourceRef, tuple[Stay, ...]] = field(factory=dict)

    def noted(self, steps: Iterable[Step]) -> list[Step]:
        """Have the steps say what they leave as it is."""
        return [
            evolve(step, stays=self.stays[ref]) if (ref := _target(step)) in self.stays else step
            for step in steps
        ]


def _target(step: Step) -> ResourceRef | None:
    return getattr(step.action, "to", None)


def attach(goals: Sequence[Goal], world: World, *, without: Set[ResourceRef] = frozenset()) -> Attached:
    """Add the volumes that come back with instances, where no goal is about them by itself.

    Args:
        without: volumes that can't be brought back.
    """
    restored = [goal for goal in goals if isinstance(goal, Restored)]
    asked = {at for goal in restored for at in (goal.ref, world.owned(goal.ref))}
    found = Attached(list(goals))
    added: dict[ResourceRef, Restored] = {}
    for goal in restored:
        needs = [need for need in needs_now(goal, world) if need.ref not in asked | without]
        if problem := next(_lacking(goal, needs, world, found.warnings), None):
            found.problems.append(problem)
            found.goals.remove(goal)
            continue
        if stays := tuple(Stay(n.ref, n.source) for n in needs if n.now and _stays(n, goal)):
            found.stays[goal.ref] = stays
        wanted = [each for need in needs if (each := goal_for(need, goal))]
        found.problems.extend(_add(wanted, goal, added, found.warnings))
    found.goals.extend(added.values())
    found.warnings.extend(health_warnings(added.values(), world.catalog))
    return found


def needs_now(goal: Restored, world: World) -> Iterator[Need]:
    """The needs of what is going to be brought back; or was, if its volumes are to be so as well."""
    target, stored = world.inventory.resources.get(goal.ref), world.evidence.manifests.get(goal.source)
    replaces = goal.if_present is IfPresent.REPLACE
    if stored is None or goal.ref in world.inventory.unsettled:
        return
    if target is None or (replaces and (goal.volumes is Volumes.ALL or not is_done(goal, world, target))):
        yield from needs_of(goal, stored.manifest, world.inventory, world.catalog, world.kinds)


def _stays(need: Need, goal: Restored) -> bool:
    return need.is_there and goal_for(need, goal) is None


def _lacking(
    goal: Restored, needs: Iterable[Need], world: World, warnings: list[str]
) -> Iterator[Unplannable]:
    """Say what there is no backup of: an instance can't be without it, or a reviewer should know."""
    manifest, kind = world.evidence.manifests.get(goal.source), world.kinds[goal.ref.kind]
    required = kind.requires(manifest.manifest, goal.ref, goal.options) if manifest else ()
    unsettled = world.inventory.unsettled
    for need in needs:
        wanted = not need.is_there or (goal.volumes is Volumes.ALL and need.now)
        if need.source or not wanted or need.ref in unsettled:
            continue
        why = why_none(need.stored, _version(goal), world.catalog)
        if not need.is_there and need.ref in map(world.owned, required):
            yield Unplannable(
                f"{goal.ref} needs {need.ref}: not on the server; {need.stored}: {why}",
                hint=_how_to_get(need, world.catalog),
                of=goal.ref.address,
            )
        state = "stays as it is" if need.is_there else "is not on the server"
        warnings.append(f"{need.ref}, which {goal.ref} is attached to, {state}; {need.stored}: {why}")


def _how_to_get(need: Need, catalog: Catalog) -> str:
    leave_out = "leave its device out with --without-device NAME (in a policy: without_devices)"
    stored = catalog.of(need.stored)
    good = [backup for backup in stored if not catalog.health(backup).damaged]
    if good:
        return f"bring back a newer one first, {trying(good[0], 'restore')}; or {leave_out}"
    tried = f"{reading_again(stored[-1], 'restore')}; " if stored else ""
    return f"{tried}create {need.ref}, or {leave_out}"


def _add(
    wanted: Iterable[Restored], goal: Restored, added: dict[ResourceRef, Restored], warnings: list[str]
) -> Iterator[Unplannable]:
    """Add goals; of a volume that several instances share, the newest of the backups that fit is taken."""
    for each in wanted:
        other = added.setdefault(each.ref, each)
        if other.source == each.source:
            continue
        if other.source.ref != each.source.ref:
            told = clashes([("another instance", other), (str(goal.ref), each)])
            yield from (Unplannable(text, of=goal.ref.address) for text in told)
            continue
        added[each.ref] = max(other, each, key=lambda one: one.source)
        taken = added[each.ref].source
        warnings.append(f"{each.ref} is shared by instances of several times; {taken.timestamp} is taken")


def users_first(steps: Sequence[Step]) -> list[Step]:
    """Have running instances replaced before the volumes they use: what is about to go may be written to.

    The other way round the instance as it is now would be started on the volume as it was, and write there.
    """
    users = _replaced_users(steps)

    def waits(step: Step) -> Step:
        after = {id for id in step.after if step.id not in users.get(id, ())}
        return after_these(step, sorted(after.union(users.get(step.id, ()))))

    return [waits(step) for step in steps]


def _replaced_users(steps: Iterable[Step]) -> dict[str, set[str]]:
    """By the step that replaces a volume: the steps that replace instances which run on it."""
    replaces = [step for step in steps if isinstance(step.action, Replace)]
    by_address = {step.address: step.id for step in replaces}
    return {
        step.id: {by_address[ref.address] for ref in stopped_by(step) if ref.address in by_address}
        for step in replaces
    }


def stopped_by(step: Step) -> tuple[ResourceRef, ...]:
    """The others that run and are stopped for a step."""
    return tuple(ref for each in step.expects if isinstance(each, Unchanged) for ref in each.stops)
