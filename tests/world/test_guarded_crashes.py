"""A run that dies in a project that guards volatile keys: the next one puts in order what may be."""

from functools import cache
from typing import Any

import pytest

from tests.world.mortal import DAMAGED, RESTORED, MortalEstate, MortalIncus
from tests.world.twins import twin

_MOST = 400
_IDS = ("volatile.uuid", "volatile.uuid.generation", "volatile.cloud-init.instance-id")
RESTRICTED = {"restricted": "true", "restricted.backups": "allow"}
LIMITED = {"limits.instances": "2"}
SERVERS = {
    "straight": (["direct_backup"], RESTRICTED),
    "moved, as 6.0 takes no import": ([], RESTRICTED),
    "moved, as an import is counted twice": (["direct_backup"], LIMITED),
}


@cache
def _with_backup(server: str) -> MortalEstate:
    extensions, config = SERVERS[server]
    estate = MortalEstate(server=MortalIncus(extensions=extensions))
    estate.add_web(driver="btrfs", status="Running")
    estate.server.world.projects["default"]["config"] |= config
    assert estate.back_up_web() == 0
    estate.web().files["rootfs/data"] = DAMAGED
    return estate


def with_backup(server: str) -> MortalEstate:
    """An estate with a backup of an instance that has been damaged since."""
    return twin(_with_backup(server))


def look(estate: MortalEstate) -> dict[str, Any]:
    """All that can come back."""
    found = estate.look()
    config = {key: value for key, value in found["config"].items() if key not in _IDS}
    document = {key: value for key, value in found["document"].items() if key != "created_at"}
    return {**found, "config": config, "document": document}


@pytest.mark.parametrize("server", SERVERS)
def test_an_instance_survives_the_death_of_its_replacement(server: str) -> None:
    undisturbed = with_backup(server)
    before = look(undisturbed)
    assert undisturbed.replace_web() == 0
    assert undisturbed.holds() == {RESTORED}
    successor = look(undisturbed)
    assert {**successor, "files": before["files"]} == before
    for moment in range(1, _MOST, 3):
        estate = with_backup(server)
        died = estate.dies(moment, estate.replace_web)
        assert estate.holds() & {DAMAGED, RESTORED}, moment
        assert estate.back_up_web() == 0, moment
        assert look(estate) in (before, successor), moment
        assert estate.left() == [], moment
        if not died:
            return
    raise AssertionError("it never got through")


@pytest.mark.parametrize("server", SERVERS)
def test_an_interrupted_replacement_is_undone(server: str) -> None:
    before = look(with_backup(server))
    for alarm in range(5, _MOST, 7):
        estate = with_backup(server)
        interrupted = estate.is_interrupted(alarm, estate.replace_web)
        if interrupted:
            assert estate.left() == [], alarm
            assert {**look(estate), "files": before["files"]} == before, alarm
        else:
            return
    raise AssertionError("it never got through")
