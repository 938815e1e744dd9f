"""What a policy expects of its own words: that a rule which names something means something. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from attrs import evolve, frozen

from ...errors import Unplannable
from ...model.backups import StoredManifest
from ...model.documents import Json
from ...model.goals import Configured, Goal, Restored
from ...model.inventory import Resource
from ...model.policies import Destination, Expect, Maps, Policy, Select, Severity
from ...model.refs import BackupId, ResourceRef
from ...policyfile.problems import did_you_mean
from ...ports import Entity, Kind
from ..ownership import projects_of

_WILD = frozenset("*?[")
_UNUSED = "\0"
"""A name that nothing has."""
_UNSEEN = "it is not there, or this client may not see it: a certificate can be restricted to some projects"
MAPS = {"pools": "pool", "networks": "network", "projects": "project", "profiles": "profile"}


@frozen
class Judged:
    """What has to be said of a policy's words: as warnings, or as what keeps a plan from being in order."""

    warnings: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()


def judge(texts: Iterable[str], severity: Severity) -> Judged:
    """Say what does not match as a policy wants it to be taken."""
    found = tuple(texts)
    match severity:
        case Severity.OK:
            return Judged()
        case Severity.WARN:
            return Judged(warnings=found)
        case Severity.FAIL:
            return Judged(unmet=found)


def severity_of(select: Select, expect: Expect, projects: Iterable[str]) -> Severity:
    """How bad it is that a rule matches nothing: one that names nothing is at most warned of.

    Args:
        projects: those there are.
    """
    if expect.unmatched is Severity.FAIL and not _names_something(select, list(projects)):
        return Severity.WARN
    return expect.unmatched


def _names_something(select: Select, projects: Sequence[str]) -> bool:
    """Whether a selector is more than ``*`` with what it leaves out, in projects that are there."""
    asked = set(_wanted(select.projects)) - {"*", *Select().projects}
    unknown = [glob for glob in asked if not any(fnmatchcase(name, glob) for name in projects)]
    return bool(unknown or select.where or set(_wanted(select.names)) - {"*"})


def unprotected(count: int, expect: Expect) -> tuple[str, ...]:
    """Say that something is covered by no rule, where a policy does not want that."""
    if not count or expect.unprotected is not Severity.FAIL:
        return ()
    are = "resource is" if count == 1 else "resources are"
    return (f"{count} {are} covered by no rule, and the policy wants none (expect: unprotected)",)


def nearest(select: Select, there: Iterable[Resource], kinds: Mapping[str, Kind]) -> str:
    """Suggest what a selector that matches nothing may have meant, as the end of a message."""
    known = [resource for resource in there if resource.ref.kind in select.kinds]
    here = [r for r in known if _is_in(select.projects, projects_of(r))]
    labels = {label for r in here for label in kinds[r.ref.kind].labels(r)}
    suggestions = [did_you_mean(name.strip("*?"), labels) for name in _wanted(select.names)]
    projects = sorted({project for r in known for project in projects_of(r)})
    suggestions += [did_you_mean(name, projects) for name in _wanted(select.projects) if name not in projects]
    return next(filter(None, suggestions), "")


def idle_names(
    select: Select, expect: Expect, labels: Collection[str], *, where: str
) -> Iterator[tuple[str, Severity]]:
    """Say which names of a selector mean nothing, though others do; of a pattern, that is at most warned of.

    Args:
        labels: the names of all there is of these kinds, in these projects.
        where: where that is, in words.
    """
    for name in dict.fromkeys(_wanted(select.names)):
        is_pattern = bool(_WILD & set(name))
        if name in labels or (is_pattern and any(fnmatchcase(label, name) for label in labels)):
            continue
        is_mild = is_pattern and expect.unmatched is Severity.FAIL
        near = did_you_mean(name.strip("*?"), labels)
        yield f"nothing {where} is called {name}{near}", Severity.WARN if is_mild else expect.unmatched


def unseen_projects(select: Select, projects: Iterable[str]) -> list[str]:
    """Say which projects are named and can't be seen on the server."""
    known = sorted(projects)
    asked = [name for name in _wanted(select.projects) if not _WILD & set(name) and name not in known]
    return [unseen(name, known) for name in asked if select.kinds != ("config",)]


def unseen(project: str, known: Sequence[str]) -> str:
    """Say that a project can't be seen, and why that may be."""
    return f"project {project} can't be seen on the server: {_UNSEEN}{did_you_mean(project, known)}"


def _wanted(globs: Iterable[str]) -> list[str]:
    return [glob for glob in globs if not glob.startswith("!")]


def _is_in(globs: Sequence[str], projects: Iterable[str]) -> bool:
    there = list(projects)
    return not there or any(fnmatchcase(name, glob) for name in there for glob in _wanted(globs) or ["*"])


# -- what needs no server -----------------------------------------------------------------------------


def impossible(policy: Policy) -> Iterator[str]:
    """Say which rules can't match anything, whatever there is, and that maps are for nobody."""
    for word, rules in (("protect", policy.protect), ("restore", policy.restore)):
        for rule in rules:
            if reason := _why_impossible(rule.select):
                yield f"{word} rule {rule.name} ({rule.place}) can't match anything: {reason}"
    yield from unused_maps(policy)


def unused_maps(policy: Policy) -> Iterator[str]:
    """Say that there are maps where nothing is restored."""
    if policy.maps != Maps() and not policy.restore and not policy.restores_elsewhere:
        yield "`maps` are for what is restored, and there is no restore rule"


def _why_impossible(select: Select) -> str:
    for what, globs in (("names", select.names), ("projects", select.projects)):
        excluded = {glob[1:] for glob in globs if glob.startswith("!")}
        if "*" in excluded or (_wanted(globs) and excluded.issuperset(_wanted(globs))):
            return f"its `{what}` exclude all that they name"
    names = _wanted(select.names)
    if names and select.kinds == ("volume",) and not any("/" in n or _WILD & set(n) for n in names):
        return f"volumes are named POOL/NAME, not {names[0]}"
    if names and select.kinds == ("instance",) and all("/" in n for n in names):
        return f"no instance has a name with a slash, as {names[0]} has"
    return ""


# -- --only and maps ----------------------------------------------------------------------------------


def unmatched_only(
    only: str,
    addresses: Iterable[str],
    goals: Iterable[Goal],
    manifests: Mapping[BackupId, StoredManifest],
    entities: Mapping[str, Entity],
) -> tuple[str, ...]:
    """Say that a glob over addresses means nothing that a policy is about.

    Args:
        addresses: of what the policy is about.
        goals: those that are left; of the configuration, it may mean entities.
    """
    known = {*addresses, *(a for goal in goals for a in _entities_of(goal, manifests, entities))}
    if only == "*" or any(fnmatchcase(address, only) for address in known):
        return ()
    return (f"--only {only} matches nothing that the policy is about{did_you_mean(only, known)}",)


def _entities_of(
    goal: Goal, manifests: Mapping[BackupId, StoredManifest], entities: Mapping[str, Entity]
) -> Iterator[str]:
    if not isinstance(goal, Configured) or goal.source not in manifests:
        return
    stored = manifests[goal.source].manifest.captured.resource
    for entity in entities.values():
        for resource in entity.listed(stored):
            moved = entity.relocated(resource.ref, goal.options.maps)
            yield from {resource.ref.address, *([moved.address] if moved else [])}


def unmatched_maps(
    goals: Iterable[Goal],
    manifests: Mapping[BackupId, StoredManifest],
    kinds: Mapping[str, Kind],
    entities: Mapping[str, Entity],
) -> Iterator[str]:
    """Say which maps change nothing of what is restored."""
    restored = [goal for goal in goals if isinstance(goal, Restored | Configured)]
    if not all(goal.source in manifests for goal in restored):
        return  # what can't be read may be what they are for
    pairs = sorted({pair for goal in restored for pair in _pairs(goal.options.maps)})
    for what, old, new in pairs:
        probe = evolve(Maps(), **{what: {old: _UNUSED}})
        if not any(_heeds(goal, probe, manifests[goal.source], kinds, entities) for goal in restored):
            yield f"the {MAPS[what]} map {old}={new} changes nothing of what is restored"


def _pairs(maps: Maps) -> Iterator[tuple[str, str, str]]:
    for what in MAPS:
        yield from ((what, old, new) for old, new in getattr(maps, what).items())


def _heeds(
    goal: Restored | Configured,
    maps: Maps,
    stored: StoredManifest,
    kinds: Mapping[str, Kind],
    entities: Mapping[str, Entity],
) -> bool:
    """Whether what comes back is another one by these maps than by none."""
    document = stored.manifest.captured.resource
    if isinstance(goal, Configured):
        return any(
            _entity_as(e, document, maps) != _entity_as(e, document, Maps()) for e in entities.values()
        )
    kind, source = kinds[goal.source.ref.kind], goal.source.ref

    def outcome(by: Maps) -> object:
        options = evolve(goal.options, maps=by, pool="")
        to = kind.relocated(source, by, Destination())
        return to, kind.wanted(stored.manifest, options), kind.requires(stored.manifest, to, options)

    try:
        return outcome(maps) != outcome(Maps())
    except Unplannable:  # which the planner says
        return True


def _entity_as(entity: Entity, document: Json, maps: Maps) -> list[tuple[ResourceRef | None, Json]]:
    return [(entity.relocated(r.ref, maps), entity.wanted(r.document, maps)) for r in entity.listed(document)]
