"""What an error says of changes is true: only where nothing was changed, a plan is stale."""

import pytest

from incusbak.errors import Busy, ChangedMeanwhile, Disturbed, IncusbakError, ServerError, StalePlan
from incusbak.kinds.common.cleanup import begun, undo_after
from tests.unit.toys import ToyKind, execution_context

TOOLS = execution_context(ToyKind()).tools
STALE = [ChangedMeanwhile("its ETag is another"), StalePlan("it is gone")]


def ends(error: IncusbakError, *, undo: Exception | None = None, is_begun: bool = False) -> IncusbakError:
    """How an error leaves that had to be undone."""

    def work() -> None:
        if undo is not None:
            raise undo

    try:
        undo_after(TOOLS, error, work, is_begun=is_begun)
    except IncusbakError as other:
        return other
    return error


@pytest.mark.parametrize("error", STALE)
def test_what_was_undone_before_anything_was_touched_was_not_changed(error: IncusbakError) -> None:
    assert ends(error) is error


@pytest.mark.parametrize("error", STALE)
@pytest.mark.parametrize("undo", [ServerError("no"), Busy("still busy")])
def test_what_could_not_be_undone_was_changed(error: IncusbakError, undo: Exception) -> None:
    found = ends(error, undo=undo)
    assert (type(found), found.exit_code) == (Disturbed, 1)
    assert "next run" in found.message


@pytest.mark.parametrize("error", STALE)
def test_what_was_stopped_and_started_again_was_changed(error: IncusbakError) -> None:
    assert ends(error, is_begun=True).exit_code == 1


def test_other_errors_stay_what_they_are() -> None:
    error = ServerError("no")
    assert ends(error, undo=ServerError("again no"), is_begun=True) is error


@pytest.mark.parametrize("error", STALE)
def test_what_is_met_after_a_change_is_no_stale_plan(error: IncusbakError) -> None:
    with pytest.raises(Disturbed), begun():
        raise error
