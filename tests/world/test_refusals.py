"""Whatever the server refuses in a replace: the original runs as it ran, and the next run finds nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from incusbak.errors import OperationFailed
from incusbak.kinds.instance import trying
from tests.world.mortal import DAMAGED, RESTORED, MortalEstate
from tests.world.test_crash_recovery import before_and_after, with_backup

_READING = "GET"
Refused = Callable[[str, str], bool]


class Refusing:
    """Refuses the n-th request that changes something, and maybe all like it from then on."""

    def __init__(self, number: int, *, lasting: bool) -> None:
        self.number, self.lasting = number, lasting
        self.like: tuple[str, int] | None = None
        self._writes = 0

    def __call__(self, method: str, path: str) -> bool:
        if method == _READING:
            return False
        self._writes += 1
        like = (method, path.count("/"))
        if self._writes == self.number:
            self.like = like
            return True
        return self.lasting and like == self.like


def refused(number: int, *, lasting: bool, original: str = "running") -> tuple[MortalEstate, bool]:
    """Have a replacement refused; gives the estate, and whether there was such a request."""
    estate, refusing = with_backup(original), Refusing(number, lasting=lasting)
    estate.server.requests.clear()
    estate.server.fail_on(refusing, OperationFailed("the server has its reasons"))
    code = estate.replace_web()
    estate.shelf.alive.clear()
    assert code or estate.holds() == {RESTORED}, number
    return estate, refusing.like is not None


@pytest.mark.parametrize("original", ["running", "frozen", "stopped", "ephemeral", "protected"])
def test_a_request_that_is_refused_once(original: str) -> None:
    """The replacement is undone at once, or was done, and the run says so."""
    before, successor = before_and_after(original)
    for number in range(1, 40):
        estate, was_refused = refused(number, lasting=False, original=original)
        assert unmarked(estate.look()) in (before, successor), number
        estate.server.forgive()
        assert estate.back_up_web() == 0, number
        assert (estate.look() in (before, successor), estate.left()) == (True, []), number
        if not was_refused:
            return
    raise AssertionError("it never got through")


def test_requests_that_are_refused_for_good() -> None:
    """What ran runs, under whatever name, unless a start is refused; later all is put in order."""
    before, successor = before_and_after("running")
    for number in range(1, 40):
        estate, was_refused = refused(number, lasting=True)
        assert estate.holds() & {DAMAGED, RESTORED}, number
        running = [each for each in instances(estate) if each.status == "Running"]
        assert len(running) == 1 or number in starts(estate), number
        estate.server.forgive()
        estate.back_up_web()
        assert (estate.look() in (before, successor), estate.left()) == (True, []), number
        assert estate.back_up_web() == 0, number
        if not was_refused:
            return
    raise AssertionError("it never got through")


def test_what_the_server_works_on_for_somebody_else_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of somebody else's would break if the instance were renamed under it."""
    monkeypatch.setattr(trying, "BUSY_SECONDS", 0.1)
    estate = with_backup()
    before = estate.look()

    def export(method: str, path: str) -> None:
        if (method, path) == ("POST", "instances"):
            estate.server.work_on("/1.0/instances/web", polls=10_000)

    estate.server.after(export)
    assert estate.replace_web() == 1
    states = [path for method, path in estate.server.requests if path == "instances/web/state"]
    assert (states, estate.look()) == ([], before)


def test_a_root_disk_too_full_for_its_limit_to_be_raised_needs_room(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Btrfs takes room itself for that; to raise it by hand would fail as well."""
    estate = with_backup()
    (web,) = instances(estate)
    web.document["devices"]["root"]["size"] = "60MiB"
    full = OperationFailed("unable to limit requested quota group: Disk quota exceeded")
    estate.server.fail_on(lambda method, path: (method, path) == ("PUT", "instances/web"), full)
    assert estate.replace_web() == 1
    told = capsys.readouterr().err
    assert "its root disk or its pool is full; it was not stopped" in told
    assert "hint: make room there, then run this again" in told


def unmarked(look: dict[str, Any]) -> dict[str, Any]:
    """But for the mark that the next run takes away."""
    config = {k: v for k, v in look["config"].items() if not k.startswith("user.incusbak.")}
    return {**look, "config": config, "document": {**look["document"]}}


def instances(estate: MortalEstate) -> list[Any]:
    return list(estate.server.world.instances.values())


def starts(estate: MortalEstate) -> list[int]:
    """The numbers of the requests that change a state: whoever refuses them all refuses a start."""
    writes = [path for method, path in estate.server.requests if method != _READING]
    return [number for number, path in enumerate(writes, 1) if path.endswith("/state")]
