"""Clean up after work that ended badly, and never hide why it did."""

import contextlib
from collections.abc import Callable

from ..errors import Busy, IncusbakError, ServerError
from ..model.results import Phased
from ..ports import Tools


def clean_up(tools: Tools, action: Callable[[], str]) -> None:
    """Remove something temporary; if that fails its record stays, and the next run removes it."""
    try:
        action()
    except ServerError as error:
        tools.tell(Phased(f"something temporary could not be removed, the next run will: {error.message}"))


def undo_after(tools: Tools, error: BaseException, undo: Callable[[], object]) -> None:
    """Undo; if that fails too, say so in the error and leave the record to the next run."""
    mention(tools, "undoing")
    try:
        undo()
    except IncusbakError as second:
        if not isinstance(error, IncusbakError):
            return
        if isinstance(second, Busy):
            error.message += f"; {second.message}, which can't be interrupted: the next run undoes it"
            return
        error.message += f"; undoing it failed as well ({second.message}), the next run tries again"
        error.hint = second.hint or error.hint


def mention(tools: Tools, words: str) -> None:
    """Tell what is being done, even to one who wants this run stopped: it has to be done all the same."""
    with contextlib.suppress(IncusbakError):
        tools.tell(Phased(words))


def watch(tools: Tools, what: str) -> Callable[[str], None]:
    """Tell what the server says of its progress, as part of ``what``."""
    return lambda words: tools.tell(Phased(f"{what} {words}".rstrip()))
