"""Wherever a run is interrupted, it cleans up by itself before it ends."""

import pytest

from tests.world.test_crash_recovery import SERVERS, before_and_after, fresh, with_backup

_MOST = 400


@pytest.mark.parametrize("server", SERVERS)
def test_an_interrupted_backup_leaves_nothing(server: str) -> None:
    for moment in range(1, _MOST, 6):
        estate = fresh(server)
        before = estate.look()
        interrupted = estate.is_interrupted(moment, estate.back_up_web)
        assert (estate.look(), estate.left()) == (before, []), moment
        if not interrupted:
            return
    raise AssertionError("it never got through")


@pytest.mark.parametrize("original", ["running", "frozen", "ephemeral"])
def test_an_interrupted_replacement_is_undone_or_finished(original: str) -> None:
    before, successor = before_and_after(original)
    seen = []
    for moment in range(1, _MOST, 6):
        estate = with_backup(original)
        interrupted = estate.is_interrupted(moment, estate.replace_web)
        assert estate.left() == [], moment
        assert estate.look() in (before, successor), moment
        seen.append(estate.look() == successor)
        if not interrupted:
            break
    assert {*seen} == {False, True}
