"""Why a resource is protected as it is: what the rules themselves say, with their reasons. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from attrs import evolve

from ...errors import Unplannable
from ...model.explanations import (
    AttachedTo,
    Coverage,
    Due,
    DueAt,
    DueNow,
    ExcludedName,
    Explanation,
    ImageOf,
    ImageOfProject,
    NotBroughtAlong,
    NotDue,
    OnlyCached,
    OptedIn,
    OptedOut,
    OtherConfig,
    OtherKind,
    OtherName,
    OtherProject,
    Return,
    Ruling,
    Selected,
    Stored,
    Verdict,
)
from ...model.inventory import Inventory, Resource
from ...model.policies import Policy, ProtectRule, RestoreRule
from ...model.refs import ResourceRef
from ...ports import Kind
from ..planning.backup import backup_steps
from ..planning.world import World
from ..selection.companions import IMAGE, VOLUME, companions
from ..selection.instance_keys import PROTECT, wishes_of
from ..selection.policy import sources_of, unprotected_resources
from ..selection.protection import INSTANCE, Covered, Protection, consider, is_meant, opts_out, protect
from ..selection.stored import Documents, remembered
from ..selection.versions import choose_sources
from .settings import expectations_of, settings_of


def explain(ref: ResourceRef, policy: Policy, world: World, documents: Documents) -> Explanation:
    """Say which rule covers a resource and why, with what settings, what is stored and what restores mean it.

    Args:
        policy: of several targets, that for one of them.
        world: with the manifest of its newest backup, where there is one.
        documents: of the backups that ``documents_to_read`` names.
    """
    is_present = ref in world.inventory.resources
    resource = world.inventory.resources.get(ref) or _as_stored(ref, world)
    inventory = evolve(world.inventory, resources={**world.inventory.resources, ref: resource})
    protection = protect(policy, inventory, world.kinds)
    covered = protection.covered.get(ref)
    return Explanation(
        address=ref,
        is_present=is_present,
        coverage=_coverage(ref, protection, inventory),
        rulings=tuple(_rulings(policy, covered, resource, inventory, world)),
        settings=(
            *(settings_of(covered.rule, resource, world) if covered else ()),
            *expectations_of(policy.expect),
        ),
        stored=Stored(
            len(world.catalog.of(ref)),
            world.catalog.newest(ref),
            _due(resource, covered, world),
            world.catalog.ahead(ref),
        ),
        returns=tuple(_returns(ref, policy, world, documents)),
        obstacle=covered.obstacle if covered else "",
        problems=_problems(covered.rule, resource, world) if covered else (),
        target=policy.targets[0].name if policy.targets else "",
    )


def _as_stored(ref: ResourceRef, world: World) -> Resource:
    """The resource as its newest backup has it, for the rules to look at."""
    newest = world.catalog.newest(ref)
    stored = world.evidence.manifests.get(newest) if newest else None
    return Resource(ref, stored.manifest.captured.resource if stored else {})


def _problems(rule: ProtectRule, resource: Resource, world: World) -> tuple[str, ...]:
    """What an instance asks for in words nobody understands, where it may ask for something."""
    if not rule.instances_may or resource.ref.kind != INSTANCE:
        return ()
    return wishes_of(world.kinds[INSTANCE].effective_config(resource.document)).problems


def _coverage(ref: ResourceRef, protection: Protection, inventory: Inventory) -> Coverage:
    if ref in protection.covered:
        return Coverage.PROTECTED
    if ref in protection.opted_out:
        return Coverage.OPTED_OUT
    if ref in protection.elsewhere:
        return Coverage.ELSEWHERE
    is_expected = ref in unprotected_resources(inventory, protection.accounted_for)
    return Coverage.UNPROTECTED if is_expected else Coverage.NOT_EXPECTED


# -- rules --------------------------------------------------------------------------------------------


def _rulings(
    policy: Policy, covered: Covered | None, resource: Resource, inventory: Inventory, world: World
) -> Iterator[Ruling]:
    """Ask the rules in their order, until the one that covers it."""
    for rule in policy.protect:
        is_last = covered is not None and covered.rule is rule
        verdict = _verdict(rule, resource, inventory, world, is_covering=is_last)
        yield Ruling(rule.name, rule.place, verdict, rule.places.get(_key_of(verdict)))
        if is_last:
            return


def _verdict(
    rule: ProtectRule, resource: Resource, inventory: Inventory, world: World, *, is_covering: bool
) -> Verdict:
    answer = consider(rule, resource, world.kinds)
    if isinstance(answer, Selected | OptedIn):
        return answer if is_covering else OptedOut(PROTECT)
    owners = _owners(rule, resource, inventory, world.kinds)
    if not is_covering:
        setting = "attached_volumes" if resource.ref.kind == VOLUME else "images"
        return NotBroughtAlong(owners, setting) if owners else _veiled(answer, world)
    if resource.ref.kind == VOLUME:
        return AttachedTo(owners)
    return ImageOf(owners) if owners else ImageOfProject()


def _owners(
    rule: ProtectRule, resource: Resource, inventory: Inventory, kinds: Mapping[str, Kind]
) -> tuple[ResourceRef, ...]:
    """The instances a rule covers that a volume is attached to, or that were made from an image."""
    if resource.ref.kind not in (VOLUME, IMAGE):
        return ()
    owners = (
        each.ref
        for each in inventory.resources.values()
        if is_meant(rule, each, kinds)
        and not opts_out(rule, each, kinds)
        and resource in companions([each], resource.ref.kind, inventory, kinds)
    )
    return tuple(sorted(owners))


def _key_of(verdict: Verdict) -> str:
    """The path below a rule of what a verdict comes from."""
    match verdict:
        case OtherKind():
            return "select.kind"
        case OtherProject():
            return "select.projects"
        case OtherName() | ExcludedName() | OnlyCached():
            return "select.names"
        case OtherConfig():
            return "select.where"
        case OptedIn() | OptedOut():
            return "instances_may"
        case AttachedTo() | NotBroughtAlong(setting="attached_volumes"):
            return "backup.attached_volumes"
        case ImageOf() | ImageOfProject() | NotBroughtAlong():
            return "backup.images"
        case Selected():
            return ""


def _veiled(answer: Verdict, world: World) -> Verdict:
    if isinstance(answer, OtherConfig) and answer.value and world.redactor.hides(answer.key):
        return evolve(answer, value="(sensitive value)")
    return answer


# -- backups and restores -----------------------------------------------------------------------------


def _due(resource: Resource, covered: Covered | None, world: World) -> Due:
    """Tell when the next plan backs it up; the plan's own reasons decide."""
    ref = resource.ref
    if covered is None:
        return NotDue("no rule covers it")
    if ref in world.inventory.unsettled:
        return NotDue("an interrupted restore of it is cleaned up first")
    if ref not in world.inventory.resources:
        return NotDue("it is not on the server")
    if covered.obstacle:
        return NotDue("it can't be backed up")
    newest, every = world.catalog.newest(ref), covered.rule.every
    step = next(backup_steps(covered.goal, world), None)
    if step or newest is None:
        return DueNow(step.reason if step else "")
    if every is None:
        return NotDue("there is a backup, and the rule gives no `every`")
    due = newest.created + every
    if next(backup_steps(covered.goal, evolve(world, now=due + timedelta(seconds=1))), None) is None:
        return NotDue("its newest backup holds all of it, and its content can't change")
    return DueAt(due)


def _returns(ref: ResourceRef, policy: Policy, world: World, documents: Documents) -> Iterator[Return]:
    """Say what restore rules that mean it would do."""
    for rule in policy.restore:
        meant = remembered(rule.select, rule.version, world.catalog, documents, world.kinds)
        if ref in {resource.ref for resource in meant}:
            yield _return(ref, rule, policy, world, documents)


def _return(
    ref: ResourceRef, rule: RestoreRule, policy: Policy, world: World, documents: Documents
) -> Return:
    source, problems = None, []
    try:
        sources_of(rule, world.catalog, documents, world.kinds)
    except Unplannable as error:
        problems = error.message.splitlines()
    try:
        choice = choose_sources([ref], rule.version, world.catalog)
        source = next(iter(choice.sources), None)
        problems += [missed.reason for missed in choice.missed]
    except Unplannable as error:
        problems = list(dict.fromkeys([*problems, *error.message.splitlines()]))
    to = world.kinds[ref.kind].relocated(ref, policy.maps, rule.to)
    is_present = to in world.inventory.resources
    problem = "; ".join(problems)
    return Return(
        rule.name,
        rule.place,
        source,
        to,
        is_present,
        rule.if_present,
        rule.identity,
        problem,
        rule.volumes,
    )
