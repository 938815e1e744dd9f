"""From a command line to goals: resources named one by one, or all of a project. Pure."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve

from ..errors import Unplannable
from ..model.backups import Catalog, ExportOptions
from ..model.goals import BackedUp, Restored, RestoreOptions
from ..model.inventory import Inventory
from ..model.policies import IfPresent, Version
from ..model.refs import BackupId, ResourceRef
from ..ports import ALL_PROJECTS, Kind
from .choosing import choose_sources, clashes


def backup_goals(
    names: Sequence[str], project: str, inventory: Inventory, options: ExportOptions
) -> tuple[BackedUp, ...]:
    """Ask for a backup now, of the named instances or of all in the project.

    Raises:
        Unplannable: a name is not on the server.
    """
    there = inventory.unsettled | set(inventory.resources)
    refs = _named(names, project, there, where="on the server")
    return tuple(BackedUp(ref, None, options) for ref in refs)


def restore_goals(
    names: Sequence[str],
    project: str,
    *,
    version: Version,
    target_name: str,
    if_present: IfPresent,
    options: RestoreOptions,
    catalog: Catalog,
    kinds: Mapping[str, Kind],
) -> tuple[Restored, ...]:
    """Ask for instances of the repository to be brought back now.

    With no names, instances that did not exist yet at the wanted time are left out.

    Args:
        target_name: the new name of the one that is restored; empty keeps the original's.

    Raises:
        Unplannable: a name or version is not in the repository, nothing is, or two would get one name.
    """
    refs = _named(names, project, _stored(catalog), where="in the repository")
    if not refs:
        raise Unplannable(f"the repository holds no backup of an instance{_in(project)}")
    if target_name and len(refs) > 1:
        raise Unplannable(
            f"one new name ({target_name}) for {len(refs)} instances",
            hint="restore them one by one, or without a new name",
        )
    sources, missing = choose_sources(refs, version, catalog)
    if missing and names:
        raise Unplannable("\n".join(missing))
    goals = []
    for source in sources:
        target = kinds[source.ref.kind].relocated(source.ref, options.maps)
        target = evolve(target, name=target_name) if target_name else target
        goals.append(Restored(target, source, if_present, options, insist=True))
    if problems := clashes((str(goal.source.ref), goal) for goal in goals):
        raise Unplannable("\n".join(problems))
    return tuple(sorted(goals, key=lambda goal: goal.ref))


def stored_backups(names: Sequence[str], project: str, catalog: Catalog) -> tuple[BackupId, ...]:
    """List the backups of the named instances, or of all in the project, oldest first.

    Raises:
        Unplannable: a name is not in the repository.
    """
    refs = _named(names, project, _stored(catalog), where="in the repository")
    return tuple(backup for ref in refs for backup in catalog.of(ref))


def _stored(catalog: Catalog) -> list[ResourceRef]:
    return [ref for ref, backups in catalog.backups.items() if backups]


def _named(
    names: Sequence[str], project: str, there: Iterable[ResourceRef], *, where: str
) -> tuple[ResourceRef, ...]:
    everywhere = sorted(ref for ref in there if ref.kind == "instance")
    here = [ref for ref in everywhere if project in (ALL_PROJECTS, ref.project)]
    known = {ref.name for ref in here}
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        missing = ", ".join(repr(name) for name in unknown)
        raise Unplannable(
            f"no such instance {where}{_in(project)}: {missing}",
            hint=_suggestion(unknown[0], known, everywhere),
        )
    return tuple(ref for ref in here if not names or ref.name in names)


def _suggestion(name: str, known: Iterable[str], everywhere: Iterable[ResourceRef]) -> str:
    elsewhere = [ref.project for ref in everywhere if ref.name == name]
    if elsewhere:
        return f"{name} is in project {elsewhere[0]}: add --project {elsewhere[0]}"
    near = difflib.get_close_matches(name, sorted(known), n=3)
    return f"did you mean {' or '.join(near)}?" if near else ""


def _in(project: str) -> str:
    return "" if project == ALL_PROJECTS else f" in project {project}"
