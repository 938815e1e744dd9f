"""How much is asked to make a plan: the same of a server with few things as of one with many."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from incusbak.cli.planning import choose_by, make_plan_file
from incusbak.cli.session import now
from incusbak.model.backups import StoredManifest
from incusbak.model.refs import BackupId, instance_ref
from incusbak.policyfile import parse_policy
from tests.fake_incus import World, images
from tests.fakes import MemoryJournal, MemoryRepository
from tests.image_samples import unified_of
from tests.world.aging import date_back
from tests.world.session import Estate, MemorySession

FEW, MANY = 2, 12
DAY = timedelta(days=1)
_KINDS = "kind: [instance, volume, image, config]"
PROTECT = f"""
version: 1
protect:
  - name: everything
    select: {{{_KINDS}, projects: ["*"]}}
    backup: {{every: 1d, images: all}}
    keep: {{last: 2}}
    verify: {{every: 1d}}
"""
RESTORE = f"""
version: 1
restore:
  - name: everything
    select: {{{_KINDS}, projects: ["*"]}}
"""


def add_instance(world: World, number: int) -> None:
    world.add_instance(f"web-{number}")


def add_volume(world: World, number: int) -> None:
    world.add_volume(f"data-{number}")


def add_image(world: World, number: int) -> None:
    images.add(world, unified_of(f"os-{number}"))


def add_profile(world: World, number: int) -> None:
    world.add_profile(f"tier-{number}")


def estate_with(add: Callable[[World, int], None], count: int) -> Estate:
    """A server with one thing of each kind, and so many of one of them."""
    estate = Estate()
    for add_one in (add_instance, add_volume, add_image, add_profile):
        add_one(estate.server.world, 0)
    for number in range(1, count):
        add(estate.server.world, number)
    return estate


def backed_up(estate: Estate) -> Estate:
    assert estate.apply(estate.plan(PROTECT)) == 0
    return estate


def grown_old(estate: Estate) -> Estate:
    """The same two days later: all backups are overdue."""
    backed_up(estate).clock = lambda: now() + 2 * DAY
    return estate


def moved(estate: Estate) -> Estate:
    """The same repository, and a server that has nothing."""
    return Estate(disk=backed_up(estate).disk)


def requests(estate: Estate, policy: str) -> list[tuple[str, str]]:
    """What the server is asked for while a plan is made."""
    before = len(estate.server.requests)
    estate.plan(policy)
    return estate.server.requests[before:]


@pytest.mark.parametrize("add", [add_instance, add_volume, add_image, add_profile])
@pytest.mark.parametrize(
    ("prepared", "policy"),
    [
        (lambda estate: estate, PROTECT),
        (backed_up, PROTECT),
        (grown_old, PROTECT),
        (moved, RESTORE),
    ],
    ids=["nothing stored", "nothing due", "all due", "all to be restored"],
)
def test_a_plan_takes_as_many_requests_for_many_things_as_for_few(
    add: Callable[[World, int], None], prepared: Callable[[Estate], Estate], policy: str
) -> None:
    few, many = prepared(estate_with(add, FEW)), prepared(estate_with(add, MANY))
    assert len(requests(many, policy)) == len(requests(few, policy))


class ReadingRepository(MemoryRepository):
    """A repository that remembers which manifests it was asked for."""

    def __init__(self, estate: Estate) -> None:
        super().__init__(estate.disk)
        self.read: list[BackupId] = []

    def manifest(self, backup: BackupId) -> StoredManifest:
        self.read.append(backup)
        return super().manifest(backup)


def manifests_read(estate: Estate, text: str) -> list[BackupId]:
    """The manifests that are read while a plan is made."""
    repository, policy = ReadingRepository(estate), parse_policy(text, "policy.yaml")
    session = MemorySession(estate.server, repository, MemoryJournal(estate.shelf))
    make_plan_file(session, choose_by(policy, session), policies=policy.files)
    return repository.read


def estate_with_backups(count: int) -> Estate:
    """Two instances with so many backups each, a day apart."""
    estate = Estate()
    for name in ("web", "db"):
        estate.server.world.add_instance(name)
        for number in range(count):
            assert estate.back_up(name) == 0
            made = max(b for b in estate.disk.backups if b.ref == instance_ref("default", name))
            date_back(estate.disk, made, (count - number) * DAY)
    return estate


INSTANCES = "{kind: instance}"
GOLD = "{kind: instance, where: {user.tier: gold}}"


@pytest.mark.parametrize("select", [INSTANCES, GOLD])
@pytest.mark.parametrize(
    "rule",
    [
        "protect: [{name: all, select: SELECT, backup: {every: 1h}}]",
        "protect: [{name: all, select: SELECT, backup: {every: 1h}, keep: {last: 2}, verify: {every: 1h}}]",
        "protect: [{name: all, select: SELECT, backup: {every: 300d}, rehearse: {every: 1h}}]",
        "restore: [{name: all, select: SELECT, if_present: skip}]",
    ],
    ids=["backup", "care", "rehearsal", "restore"],
)
def test_no_more_manifests_are_read_for_many_backups_than_for_few(rule: str, select: str) -> None:
    policy = f"version: 1\n{rule.replace('SELECT', select)}\n"
    few, many = (manifests_read(estate_with_backups(count), policy) for count in (FEW, MANY))
    assert len(many) == len(few)


def test_only_the_newest_manifest_of_what_is_due_is_read() -> None:
    estate = estate_with_backups(3)
    newest = sorted(max(b for b in estate.disk.backups if b.ref.name == name) for name in ("db", "web"))
    assert sorted(manifests_read(estate, rule_with("backup: {every: 1h}"))) == newest


def test_no_manifest_is_read_for_what_is_not_due() -> None:
    estate = estate_with_backups(3)
    policy = rule_with("backup: {every: 300d}, keep: {last: 3}, verify: {every: 300d}")
    assert manifests_read(estate, policy) == []


def rule_with(settings: str) -> str:
    return f"version: 1\nprotect: [{{name: all, select: {{kind: instance}}, {settings}}}]\n"
