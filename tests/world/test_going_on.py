"""A run of everything that dies half-way: the same command goes on there, and nothing is done twice."""

from collections import Counter
from datetime import timedelta
from functools import cache

import pytest
from attrs import define, field

from incusbak import codec
from incusbak.cli.going_on import Intent
from incusbak.cli.planning import load_plan
from incusbak.cli.workflow import carry_out, run_now
from incusbak.engine.execution.approval import Agreed, approve
from incusbak.engine.selection.policy import Selection, selection_of
from incusbak.engine.selection.requests import Request, StoredResources, backup_goals, restore_goals
from incusbak.errors import ServerError, Unplannable
from incusbak.kinds import KINDS
from incusbak.model.backups import Catalog
from incusbak.model.courses import RestoreMade
from incusbak.model.goals import RestoreOptions
from incusbak.model.inventory import Inventory
from incusbak.model.policies import IfPresent, Latest
from incusbak.model.refs import ResourceRef, instance_ref
from tests.fake_incus.world import Content
from tests.world.estates import Clock
from tests.world.mortal import PLAIN, MortalEstate
from tests.world.session import MemorySession
from tests.world.twins import twin

_MOST = 900
_ALL = Request(("config", "image", "volume", "instance"), project="*")
_HOUR = timedelta(hours=1)
NAMES = ("app", "db", "web")
CONTENTS = {name.encode() for name in NAMES}
_BRIDGE = {"ipv4.address": "none"}  # its IPv6 address, which it gets from the server, has to be taken back
_PROFILE = {"description": "ours", "config": {"user.note": "kept"}, "devices": {}}


@define
class Shop(MortalEstate):
    """A few instances and a volume, and commands that are about all of them."""

    clock: Clock = field(factory=Clock)
    heard: list[str] = field(factory=list)

    def session(self) -> MemorySession:
        session = super().session()
        session.__dict__["warn"] = self.heard.append
        return session

    def back_up_all(self, *, again: bool = False, key: str = "all") -> int:
        def choose(inventory: Inventory, _: Catalog) -> Selection:
            goals, missed = backup_goals(_ALL, inventory, PLAIN, kinds=KINDS)
            return Selection(goals, missed=missed)

        intent = Intent("backup all", key, again=again)
        return run_now(self.session(), choose, kinds=_ALL.kinds, intent=intent)

    def restore_all(self, if_present: IfPresent = IfPresent.FAIL, *, again: bool = False) -> int:
        def choose(_: Inventory, catalog: Catalog) -> Selection:
            goals, choice = restore_goals(
                _ALL,
                StoredResources(catalog),
                version=Latest(),
                target_name="",
                if_present=if_present,
                options=RestoreOptions(),
                kinds=KINDS,
            )
            return selection_of(goals, choice, catalog)

        intent = Intent("restore all", f"all {if_present}", is_lasting=True, again=again)
        return run_now(self.session(), choose, kinds=_ALL.kinds, intent=intent)

    def apply_policy(self, policy: str) -> int:
        """As ``plan`` and ``apply`` do it."""
        plan_file = load_plan(codec.dump(self.plan(policy)).encode(), "plan.json")
        return carry_out(self.session(), approve(plan_file, Agreed()), intent=Intent("apply"))

    def lose(self) -> None:
        """All is gone but the server, which has what it makes by itself."""
        world = self.server.world
        world.instances.clear()
        world.networks.clear()
        world.volumes.clear()
        world.contents.clear()
        for _, name in [key for key in world.profiles if key[0] == "shop"]:
            del world.profiles["shop", name]
        world.remove_project("shop")

    def brought(self) -> set[ResourceRef]:
        """What an unfinished run has brought back."""
        entries = [entry for course in self.shelf.courses.values() for entry in course.entries]
        return {entry.ref for entry in entries if isinstance(entry, RestoreMade)}

    def imports(self) -> int:
        """How many instances the server was given since the log was cleared."""
        return self.server.requests.count(("POST", "instances"))

    def there(self) -> tuple[list[str], list[str]]:
        world = self.server.world
        return sorted(name for _, name in world.instances), sorted(name for *_, name in world.volumes)

    def stored(self) -> Counter[ResourceRef]:
        return Counter(backup.ref for backup in self.disk.backups)


def shop() -> Shop:
    return twin(_shop())


@cache
def _shop() -> Shop:
    estate = Shop()
    world = estate.server.world
    world.add_project("shop", {"features.images": "false"})
    world.profiles["shop", "default"] |= _PROFILE
    world.add_network("br0", config=dict(_BRIDGE))
    for name in NAMES:
        world.add_instance(name, status="Running", files={"rootfs/data": name.encode()})
    world.add_volume("data", config={"user.note": "kept"})
    world.contents["default", "default", "data"] = Content({"file": b"data"})
    return estate


def lost() -> Shop:
    """Everything was backed up, then lost."""
    return twin(_lost())


@cache
def _lost() -> Shop:
    estate = shop()
    assert estate.back_up_all() == 0
    assert sum(estate.stored().values()) == 5
    estate.lose()
    estate.clock.now += _HOUR
    return estate


def test_a_killed_restore_of_everything_is_gone_on_with() -> None:
    """Wherever it dies: nothing that it brought back is brought back again, and nothing is left out."""
    for moment in range(1, _MOST, 7):
        estate = lost()
        if not estate.dies(moment, estate.restore_all):
            assert moment > 200
            return
        brought = estate.brought()
        estate.server.requests.clear()
        assert estate.restore_all() == 0, moment
        assert estate.there() == ([*NAMES], ["data"]), moment
        assert estate.imports() <= len({instance_ref("default", name) for name in NAMES} - brought), moment
        assert estate.server.world.profiles["shop", "default"] == {
            **{"name": "default", "project": "shop"},
            **_PROFILE,
        }
        assert estate.server.world.networks["default", "br0"]["config"] == _BRIDGE, moment
        assert (estate.left(), estate.shelf.courses) == ([], {}), moment
    raise AssertionError("it never got through")


_POLICY = """
version: 1
restore: [{name: all, select: {kind: [config, image, instance, volume], projects: ["*"]}}]
"""


def test_a_killed_apply_of_a_policy_leads_to_a_plan_for_the_rest() -> None:
    """Also by a rule that is not to touch what is there: what was brought back is not in its way."""
    for moment in range(1, _MOST, 9):
        estate = lost()
        died = estate.dies(moment, lambda: estate.apply_policy(_POLICY))  # noqa: B023  # called at once
        brought = estate.brought()
        estate.server.requests.clear()
        is_left = bool(estate.plan(_POLICY).plan.steps)
        assert [estate.apply_policy(_POLICY) for _ in range(2)] == [0, 0], moment
        assert estate.there() == ([*NAMES], ["data"]), moment
        assert estate.imports() <= len(NAMES) - sum(ref.kind == "instance" for ref in brought), moment
        estate.clock.now += 30 * _HOUR * is_left  # what the next run told of is not forgotten
        assert (estate.plan(_POLICY).plan.steps, estate.left()) == ((), []), moment
        if not died:
            return
    raise AssertionError("it never got through")


def test_what_a_killed_apply_replaced_is_not_replaced_again() -> None:
    """Though an earlier run has reported that it replaced the same from an older backup."""
    policy, seen = _POLICY.replace("{name: all,", "{name: all, if_present: replace,"), set[bytes]()
    for moment in range(5, _MOST, 19):
        estate = twice_backed_up(policy)
        instances = estate.server.world.instances
        died = estate.dies(moment, lambda: estate.apply_policy(policy))  # noqa: B023  # called at once
        brought = {ref.name for ref in estate.brought() if ref.kind == "instance"}
        for name in brought:
            instances["default", name].files["rootfs/data"] = b"since"
        assert [estate.apply_policy(policy) for _ in range(2)] == [0, 0], moment
        left = {name for name in NAMES if instances["default", name].files["rootfs/data"] == b"since"}
        assert left == brought, moment
        seen |= {b"since"} if brought else set()
        if not died:
            break
    assert seen


def twice_backed_up(policy: str) -> Shop:
    """All was replaced by a policy, backed up once more, and damaged since."""
    return twin(_twice_backed_up(policy))


@cache
def _twice_backed_up(policy: str) -> Shop:
    estate = backed_up()
    assert estate.apply_policy(policy) == 0
    estate.clock.now += _HOUR
    assert estate.back_up_all(key="again") == 0
    estate.clock.now += _HOUR
    for instance in estate.server.world.instances.values():
        instance.files["rootfs/data"] = b"damaged"
    return estate


def test_a_network_that_is_half_made_is_finished_and_one_that_was_changed_since_is_left() -> None:
    for changed in (False, True):
        estate = lost()
        estate.server.after(lambda *asked, estate=estate: estate.server.arm(asked == ("POST", "networks")))
        assert estate.dies(0, estate.restore_all)
        estate.server.forgive()
        networks = estate.server.world.networks
        assert networks["default", "br0"]["config"] != _BRIDGE
        if changed:
            networks["default", "br0"]["description"] = "somebody's"
            with pytest.raises(
                Unplannable, match="network/default/br0 is on the server already, and differs"
            ):
                estate.restore_all()
            assert networks["default", "br0"]["description"] == "somebody's"
        else:
            assert estate.restore_all() == 0
            assert networks["default", "br0"]["config"] == _BRIDGE
        assert estate.left() == []


def test_a_killed_replacement_of_everything_is_gone_on_with() -> None:
    for moment in range(2, _MOST, 19):
        estate = backed_up()
        if not estate.dies(moment, lambda: estate.restore_all(IfPresent.REPLACE)):  # noqa: B023  # called at once
            return
        brought = estate.brought()
        estate.server.requests.clear()
        assert estate.restore_all(IfPresent.REPLACE) == 0, moment
        assert estate.there() == ([*NAMES], ["data"]), moment
        assert estate.imports() <= len(NAMES) - sum(ref.kind == "instance" for ref in brought), moment
        assert {i.files["rootfs/data"] for i in estate.server.world.instances.values()} == CONTENTS, moment
        assert (estate.left(), estate.shelf.courses) == ([], {}), moment
    raise AssertionError("it never got through")


def test_a_killed_backup_of_everything_makes_what_is_missing() -> None:
    for moment in range(1, _MOST, 6):
        estate = shop()
        if not estate.dies(moment, estate.back_up_all):
            assert estate.back_up_all() == 0
            assert {*estate.stored().values()} == {2}  # what ended well does not count for the next
            return
        assert estate.back_up_all() == 0, moment
        assert [*estate.stored().values()] == [1] * 5, moment
        assert (estate.left(), estate.shelf.courses) == ([], {}), moment
    raise AssertionError("it never got through")


# -- what counts, and what does not -------------------------------------------------------------------


def backed_up() -> Shop:
    """Everything was backed up, and what instances hold has been damaged since."""
    estate = twin(_lost_nothing())
    for instance in estate.server.world.instances.values():
        instance.files["rootfs/data"] = b"damaged"
    return estate


@cache
def _lost_nothing() -> Shop:
    estate = shop()
    assert estate.back_up_all() == 0
    estate.clock.now += _HOUR
    return estate


def half_restored(if_present: IfPresent = IfPresent.FAIL) -> Shop:
    """A restore of everything was killed after it had brought back the first instance."""
    return twin(_half_restored(if_present))


@cache
def _half_restored(if_present: IfPresent) -> Shop:
    for moment in range(60, _MOST, 3):
        estate = lost() if if_present is IfPresent.FAIL else backed_up()
        assert estate.dies(moment, lambda: estate.restore_all(if_present))  # noqa: B023  # called at once
        if instance_ref("default", "app") in estate.brought() and estate.temporary() != []:
            return estate
    raise AssertionError("it never got there")


def half_backed_up() -> Shop:
    """A backup of everything was killed after it had stored three of five."""
    return twin(_half_backed_up())


@cache
def _half_backed_up() -> Shop:
    for moment in range(30, _MOST, 2):
        estate = shop()
        assert estate.dies(moment, estate.back_up_all)
        if len(estate.disk.backups) == 3:
            return estate
    raise AssertionError("it never got there")


def test_the_interrupted_run_is_named() -> None:
    estate = half_restored()
    assert estate.restore_all() == 0
    [told] = [line for line in estate.heard if "interrupted" in line]
    assert told == (
        "`restore all` of 2026-01-01 01:00 UTC was interrupted, with 4 of 7 steps done; "
        "what it finished counts as done (--again: all anew)"
    )


def test_what_was_changed_since_is_in_the_way() -> None:
    estate = half_restored()
    app = estate.server.world.instances["default", "app"]
    app.config["user.note"] = "changed"
    with pytest.raises(Unplannable) as refused:
        estate.restore_all()
    assert refused.value.message.splitlines() == ["instance/default/app is on the server already"]
    assert estate.left() == []


def test_another_one_of_the_same_name_is_in_the_way() -> None:
    estate = half_restored()
    app = estate.server.world.instances["default", "app"]
    app.config["volatile.uuid"] = "another"
    with pytest.raises(Unplannable, match="instance/default/app is on the server already"):
        estate.restore_all()


def test_what_went_away_since_is_brought_back_again() -> None:
    estate = half_restored()
    del estate.server.world.instances["default", "app"]
    assert estate.restore_all() == 0
    assert estate.there() == ([*NAMES], ["data"])


def test_a_restore_that_will_be_refused_cleans_up_first() -> None:
    estate = half_restored()
    estate.server.world.add_instance("db", files={"rootfs/data": b"somebody's"})
    with pytest.raises(Unplannable, match="instance/default/db is on the server already"):
        estate.restore_all()
    assert estate.left() == []


def test_another_command_only_cleans_up() -> None:
    estate = half_restored()
    with pytest.raises(Unplannable, match="app is on the server already"):
        estate.restore("app")
    assert estate.left() == []
    assert estate.back_up("app", options=PLAIN) == 0
    told = [line for line in estate.heard if "interrupted" in line]
    assert len(told) == 1  # once
    assert estate.restore_all() == 0


def test_a_command_with_other_settings_makes_its_own_backups() -> None:
    estate = half_backed_up()
    assert estate.back_up_all(key="other") == 0
    assert sorted(estate.stored().values()) == [1, 1, 2, 2, 2]


def test_told_to_do_all_again_nothing_counts() -> None:
    estate = half_backed_up()
    assert estate.back_up_all(again=True) == 0
    assert sorted(estate.stored().values()) == [1, 1, 2, 2, 2]
    estate = half_restored(IfPresent.REPLACE)
    estate.server.requests.clear()
    assert estate.restore_all(IfPresent.REPLACE, again=True) == 0
    assert estate.imports() == len(NAMES)
    assert estate.shelf.courses == {}


@pytest.mark.parametrize(("later", "made"), [(5 * _HOUR, 5), (7 * _HOUR, 8), (24 * _HOUR, 8), (-_HOUR, 8)])
def test_the_backups_of_the_day_before_are_not_those_of_today(later: timedelta, made: int) -> None:
    estate = half_backed_up()
    estate.clock.now += later
    assert estate.back_up_all() == 0
    assert len(estate.disk.backups) == made


def test_a_day_later_a_restore_is_another_one() -> None:
    estate = half_restored()
    estate.clock.now += 25 * _HOUR
    with pytest.raises(Unplannable, match="app is on the server already"):
        estate.restore_all()


def test_a_backup_of_another_one_of_the_same_name_does_not_count() -> None:
    estate = half_backed_up()
    stored = [ref for ref in estate.stored() if ref.kind == "instance"]
    for instance in estate.server.world.instances.values():
        instance.config["volatile.uuid"] = f"another {instance.document['name']}"
    assert estate.back_up_all() == 0
    assert {estate.stored()[ref] for ref in stored} == {2}


def test_a_backup_that_is_damaged_or_gone_does_not_count() -> None:
    estate = half_backed_up()
    stored = max(estate.disk.backups)
    del estate.disk.backups[stored]
    assert estate.back_up_all() == 0
    assert [*estate.stored().values()] == [1] * 5


# -- runs that ended by themselves --------------------------------------------------------------------


def test_a_restore_that_failed_in_part_is_gone_on_with() -> None:
    estate = lost()
    estate.server.fail_on(
        lambda method, path: (method, path) == ("PUT", "instances/db/state"), ServerError("no")
    )
    assert estate.restore_all() == 3
    estate.server.forgive()
    estate.server.requests.clear()
    assert estate.restore_all() == 0
    assert "`restore all` of 2026-01-01 01:00 UTC failed in part, with 6 of 7 steps done" in estate.heard[-1]
    assert (estate.imports(), estate.there()) == (1, ([*NAMES], ["data"]))


def test_after_a_restore_that_failed_half_way_the_servers_own_profile_is_filled() -> None:
    """Also by a command with another flag, which does not go on with it."""
    estate = lost()
    estate.server.fail_on(
        lambda method, path: (method, path) == ("PUT", "profiles/default"), ServerError("no")
    )
    assert estate.restore_all() == 3
    estate.server.forgive()
    assert estate.server.world.profiles["shop", "default"]["config"] == {}
    assert estate.restore_all(IfPresent.SKIP) == 0
    assert estate.server.world.profiles["shop", "default"]["config"] == _PROFILE["config"]


def test_after_a_backup_that_failed_in_part_all_are_made_anew() -> None:
    estate = shop()

    def is_of_web(*asked: str) -> bool:
        return asked == ("POST", "instances") and any(b.ref.name == "db" for b in estate.disk.backups)

    estate.server.fail_on(is_of_web, ServerError("no"))
    assert estate.back_up_all() == 3
    estate.server.forgive()
    assert estate.back_up_all() == 0
    assert sorted(estate.stored().values()) == [1, 2, 2, 2, 2]
    assert estate.shelf.courses == {}


def test_a_backup_that_was_told_to_stop_is_gone_on_with() -> None:
    for moment in range(1, _MOST, 13):
        estate = shop()
        if not estate.is_interrupted(moment, estate.back_up_all):
            return
        assert estate.back_up_all() == 0, moment
        assert [*estate.stored().values()] == [1] * 5, moment
    raise AssertionError("it never got through")
