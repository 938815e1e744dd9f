"""From a command line to goals: resources named one by one, or all of a project. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import evolve, field, frozen

from ...errors import Unplannable
from ...model.backups import Catalog, ExportWishes
from ...model.documents import Json
from ...model.goals import BackedUp, Configured, Goal, Restored, RestoreOptions
from ...model.inventory import Inventory, Resource
from ...model.plans import Missed
from ...model.policies import Destination, Exactly, IfPresent, Images, Latest, Version, Volumes
from ...model.refs import CONFIG, BackupId, ResourceRef, parse_timestamp
from ...ports import ALL_PROJECTS, Kind
from ..ownership import owner, projects_of
from .companions import IMAGE, images_with
from .expectations import unseen
from .obstacles import check_names, obstacle
from .patterns import as_globs, is_pattern, is_selective, means, nearest, unmatched
from .versions import Choice, choose_sources, clashes, passed_over


@frozen
class Request:
    """Resources as they were asked for: of which kinds, by which names (none: all), in which project.

    ``takes_patterns``: names may be globs, and exclude with ``!``.
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...] = ()
    project: str = "default"
    takes_patterns: bool = True

    @property
    def is_mixed(self) -> bool:
        return len(self.kinds) > 1


@frozen
class StoredResources:
    """What the repository holds; ``documents``: last ones of resources whose address does not say all."""

    catalog: Catalog
    documents: Mapping[ResourceRef, Json] = field(factory=dict)

    def resources(self) -> list[Resource]:
        refs = (ref for ref, backups in self.catalog.backups.items() if backups)
        return [Resource(ref, self.documents.get(ref, {})) for ref in sorted(refs)]


def backup_goals(
    request: Request,
    inventory: Inventory,
    options: ExportWishes,
    *,
    images: Images = Images.NONE,
    kinds: Mapping[str, Kind],
) -> tuple[tuple[BackedUp, ...], tuple[Missed, ...]]:
    """Ask for a backup now, of the named resources or of all in the project, and of their images.

    Returns:
        The goals, and what this server can't export.

    Raises:
        Unplannable: a name or pattern matches nothing on the server, or what is named can't be exported.
    """
    if request.project not in (ALL_PROJECTS, *inventory.projects):
        raise Unplannable(unseen(request.project, inventory.projects))
    here = evolve(request, project=_owner(request, inventory))
    check_names(inventory, request.names, request.kinds, lambda project: covers(here, {project}))
    unsettled = [Resource(ref, {}) for ref in inventory.unsettled - inventory.resources.keys()]
    living = [*inventory.resources.values(), *unsettled]
    found = named(here, living, kinds, where="on the server")
    if not is_selective(request.names):
        found = [r for r in found if not (r.document.get("cached") or _is_optional(r, request))]
    insisted = _by_name(request, found, kinds)
    found += images_with(found, images, inventory, kinds, in_projects=lambda name: covers(request, {name}))
    wanted = sorted({resource.ref for resource in found})
    obstacles = {ref: why for ref in wanted if (why := _obstacle(ref, options, inventory, kinds))}
    if lost := [f"{ref}: {why}" for ref, why in obstacles.items() if ref in insisted]:
        raise Unplannable("\n".join(lost))
    goals = tuple(BackedUp(ref, None, options) for ref in wanted if ref not in obstacles)
    return goals, tuple(Missed(ref.address, f"can't be backed up: {why}") for ref, why in obstacles.items())


def _is_optional(resource: Resource, request: Request) -> bool:
    """Whether something is only backed up where it is needed: images, when everything is asked for."""
    return request.is_mixed and resource.ref.kind == IMAGE


def _owner(request: Request, inventory: Inventory) -> str:
    """A project without volumes of its own uses the default project's."""
    if request.project == ALL_PROJECTS or request.is_mixed:
        return request.project
    return owner(request.project, request.kinds[0], inventory.surroundings.get)


def _obstacle(
    ref: ResourceRef, options: ExportWishes, inventory: Inventory, kinds: Mapping[str, Kind]
) -> str:
    resource = inventory.resources.get(ref)
    return obstacle(resource, options, inventory, kinds) if resource else ""


def restore_goals(
    request: Request,
    stored: StoredResources,
    *,
    version: Version,
    target_name: str,
    if_present: IfPresent,
    options: RestoreOptions,
    volumes: Volumes = Volumes.MISSING,
    prune: bool = False,
    kinds: Mapping[str, Kind],
) -> tuple[tuple[Goal, ...], Choice]:
    """Ask for what the repository holds to be brought back now.

    Resources that are not named in full and did not exist yet at the wanted time are left out. A version
    that names one backup means, of several resources, the newest good one of each that is not after it.

    Returns:
        The goals, and what was chosen and what could not be.

    Args:
        target_name: the new name of the one that is restored; empty keeps the original's.
        volumes: which of those that instances are attached to come back with them.
        prune: entities of the configuration that the backup does not know are deleted.

    Raises:
        Unplannable: a name or version is not in the repository, nothing is, or two would get one name.
    """
    only = request.names or ("*",)
    request = evolve(request, names=()) if request.kinds == (CONFIG.kind,) else request
    choice, version = choose_stored(request, stored, version, kinds, target_name=target_name)
    missing = {source: passed_over(source, version, stored.catalog) for source in choice.sources}
    goals = [
        evolve(
            _restored(s, if_present, options, request, kinds, target_name),
            version=version,
            passed_over=missing[s],
            volumes=volumes,
        )
        for s in choice.sources
        if s.ref != CONFIG
    ]
    if problems := clashes((str(goal.source.ref), goal) for goal in goals):
        raise Unplannable("\n".join(problems))
    there = _of_project(options, request)
    config = [
        Configured(s, if_present, there, only, prune, passed_over=missing[s], insist=True)
        for s in choice.sources
        if s.ref == CONFIG
    ]
    return (*config, *sorted(goals, key=lambda goal: goal.ref)), choice


def choose_stored(
    request: Request,
    stored: StoredResources,
    version: Version,
    kinds: Mapping[str, Kind],
    *,
    target_name: str = "",
) -> tuple[Choice, Version]:
    """Choose a backup of each resource that is asked for.

    Returns:
        The choice, and what the version means: of several resources, a moment.

    Raises:
        Unplannable: a name or version is not in the repository, or nothing is.
    """
    found = _to_restore(request, stored, kinds, target_name=target_name)
    insisted = _by_name(request, found, kinds)
    version = _of_several(version) if len(found) > 1 or not insisted else version
    choice = choose_sources((resource.ref for resource in found), version, stored.catalog)
    if choice.misses(insisted):
        raise Unplannable("\n".join(choice.absent))
    return choice, version


def _to_restore(
    request: Request, stored: StoredResources, kinds: Mapping[str, Kind], *, target_name: str
) -> list[Resource]:
    found = named(request, stored.resources(), kinds, where="in the repository")
    if not found:
        raise Unplannable(f"the repository holds no backup of {_what(request)}{_in(request)}")
    if target_name and len(found) > 1:
        raise Unplannable(
            f"one new name ({target_name}) for {len(found)} resources",
            hint="restore them one by one, or without a new name",
        )
    return found


def _by_name(request: Request, found: Iterable[Resource], kinds: Mapping[str, Kind]) -> set[ResourceRef]:
    """What is asked for by its full name, so that it must not be left out; the configuration has none."""
    if request.kinds == (CONFIG.kind,):
        return {resource.ref for resource in found}
    return {each.ref for each in found if kinds[each.ref.kind].labels(each) & set(request.names)}


def _of_several(version: Version) -> Version:
    return Latest(parse_timestamp(version.timestamp)) if isinstance(version, Exactly) else version


def _restored(
    source: BackupId,
    if_present: IfPresent,
    options: RestoreOptions,
    request: Request,
    kinds: Mapping[str, Kind],
    name: str,
) -> Restored:
    to = kinds[source.ref.kind].relocated(source.ref, options.maps, Destination(name=name))
    options = options if source.ref.project else _of_project(options, request)
    return Restored(to, source, if_present, options, insist=True)


def _of_project(options: RestoreOptions, request: Request) -> RestoreOptions:
    """What was in several projects is brought back in the one that was asked for."""
    return options if request.project == ALL_PROJECTS else evolve(options, project=request.project)


def stored_backups(
    request: Request, stored: StoredResources, kinds: Mapping[str, Kind]
) -> tuple[BackupId, ...]:
    """List the backups of the named resources, or of all in the project, oldest first.

    Raises:
        Unplannable: a name is not in the repository.
    """
    found = named(request, stored.resources(), kinds, where="in the repository")
    return tuple(backup for resource in found for backup in stored.catalog.of(resource.ref))


def named(
    request: Request, there: Iterable[Resource], kinds: Mapping[str, Kind], *, where: str
) -> list[Resource]:
    """Find the resources that are asked for.

    Raises:
        Unplannable: a name or pattern matches none of them, with what may be meant; or all are excluded.
    """
    labels = {r.ref: kinds[r.ref.kind].labels(r) for r in there if r.ref.kind in request.kinds}
    everywhere = [resource for resource in there if resource.ref in labels]
    here = [resource for resource in everywhere if covers(request, projects_of(resource))]
    known = {label for resource in here for label in labels[resource.ref]}
    names, takes_patterns = tuple(dict.fromkeys(request.names)), request.takes_patterns
    if unknown := unmatched(names, known, takes_patterns=takes_patterns):
        elsewhere = [r for r in everywhere if unknown[0] in labels[r.ref]]
        raise Unplannable(
            f"no such {request.kinds[0]} {where}{_in(request)}: {', '.join(map(repr, unknown))}",
            hint=_suggestion(unknown[0], known, elsewhere, takes_patterns=takes_patterns),
        )
    globs = as_globs(names, known, takes_patterns=takes_patterns)
    found = [r for r in here if not names or means(globs, labels[r.ref])]
    if here and not found:
        raise Unplannable(f"{' '.join(names)} excludes every {request.kinds[0]} {where}{_in(request)}")
    return found


def covers(request: Request, projects: Iterable[str]) -> bool:
    """Whether something in these projects is meant; what is in none (the configuration) always is."""
    there = set(projects)
    return request.project == ALL_PROJECTS or not there or request.project in there


def _suggestion(
    name: str, known: Collection[str], elsewhere: Sequence[Resource], *, takes_patterns: bool
) -> str:
    projects = sorted(project for resource in elsewhere for project in projects_of(resource))
    if projects:
        return f"{name} is in project {projects[0]}: add --project {projects[0]}"
    if is_pattern(name) and not takes_patterns:
        return "patterns go with the plural, such as `instances`"
    last = name.rpartition("/")[2]  # of an address, where a name is asked for
    return f"did you mean {last}?" if last in known else nearest(name, known)


def _what(request: Request) -> str:
    if request.is_mixed:
        return "anything"
    kind = request.kinds[0]
    return kind if kind == CONFIG.kind else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _in(request: Request) -> str:
    nowhere = request.project == ALL_PROJECTS or request.kinds == (CONFIG.kind,)
    return "" if nowhere else f" in project {request.project}"
