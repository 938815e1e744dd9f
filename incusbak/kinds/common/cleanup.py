"""Clean up after work that ended badly, and never hide why it did."""

import contextlib
from collections.abc import Callable, Iterator

from ...errors import Busy, ChangedMeanwhile, Disturbed, IncusbakError, ServerError, StalePlan
from ...model.results import Phased
from ...ports import KindContext

_OF_NO_CHANGE = (StalePlan, ChangedMeanwhile)
"""Their exit code says that nothing was changed."""


def clean_up(tools: KindContext, action: Callable[[], str]) -> None:
    """Remove something temporary; if that fails its record stays, and the next run removes it."""
    try:
        action()
    except ServerError as error:
        tools.tell(Phased(f"something temporary could not be removed, the next run will: {error.message}"))


def undo_after(
    tools: KindContext, error: BaseException, undo: Callable[[], object], *, is_begun: bool = False
) -> None:
    """Undo; if that fails too, say so in the error and leave the record to the next run.

    Args:
        is_begun: whether more than something temporary was changed.

    Raises:
        Disturbed: in place of an error which says that nothing was changed, where that is not true.
    """
    mention(tools, "undoing")
    try:
        undo()
    except IncusbakError as second:
        is_begun = True
        if isinstance(error, IncusbakError):
            _tell_of_both(error, second)
    if is_begun and isinstance(error, _OF_NO_CHANGE):
        raise Disturbed(error.message) from error


def _tell_of_both(error: IncusbakError, second: IncusbakError) -> None:
    if isinstance(second, Busy):
        error.add_note(f"{second.message}, which can't be interrupted: the next run undoes it")
        return
    error.add_note(f"undoing it failed as well ({second.message}), the next run tries again")
    error.hint = second.hint or error.hint


@contextlib.contextmanager
def begun() -> Iterator[None]:
    """Do what comes after a change: what is not as expected there is no plan of which nothing was done.

    Raises:
        Disturbed: it was not as expected.
    """
    try:
        yield
    except _OF_NO_CHANGE as error:
        raise Disturbed(error.message) from error


def mention(tools: KindContext, words: str) -> None:
    """Tell what is being done, even to one who wants this run stopped: it has to be done all the same."""
    with contextlib.suppress(IncusbakError):
        tools.tell(Phased(words))


def watch(tools: KindContext, what: str) -> Callable[[str], None]:
    """Tell what the server says of its progress, as part of ``what``."""
    return lambda words: tools.tell(Phased(f"{what} {words}".rstrip()))
