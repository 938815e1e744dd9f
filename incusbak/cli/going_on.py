"""Going on where an interrupted run of the same command stopped: what is told of it, and what is kept."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from secrets import token_hex
from typing import Any

from attrs import frozen

from .. import codec
from ..engine.execution.executor import exit_code
from ..engine.resumption import note_down
from ..engine.selection.policy import Selection
from ..errors import RepositoryError, StalePlan, Stopped
from ..model.backups import Catalog
from ..model.courses import Course, RestoreMade, RunEnded, RunTold, StepMade, lasting
from ..model.inventory import Inventory
from ..model.results import Event, Finished, Report, Status
from .planning import Choose
from .session import Session

_LONGEST = 60
_SIGNALLED = 128
"""Exit codes above this one are of runs that were told to stop."""


@frozen
class Intent:
    """What a command is about: in ``words``, and by a ``key`` that it shares with its repetitions only.

    ``is_lasting``: what was done before a plain failure counts as well. A restore is one undertaking until
    all is there; a backup is made anew by each run after one that came to its end. ``again``: nothing counts.
    """

    words: str
    key: str = ""
    is_lasting: bool = False
    again: bool = False

    @property
    def goes_on(self) -> str:
        """The key of the runs to go on with; empty for none."""
        return "" if self.again else self.key


def intent_of(
    session: Session,
    words: tuple[str, ...],
    settings: Mapping[str, Any],
    *,
    is_lasting: bool = False,
    again: bool = False,
) -> Intent:
    """Tell by the command line, as it was understood, what counts as the same command.

    Args:
        settings: all that what is done depends on, besides the words, the project and the repository.
    """
    told = [f"{name}={settings[name]!r}" for name in sorted(settings)]
    key = codec.digest([*words, session.settings.project, session.repository.uri, *told])
    line = " ".join(words)
    return Intent(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…", key, is_lasting, again)


# -- before -------------------------------------------------------------------------------------------


def telling_of_unfinished(
    session: Session, choose: Choose, intent: Intent | None = None, *, remember: bool = True
) -> Choose:
    """Name the runs that did not end well, once it is known what there is, and whatever comes after.

    Those of the same command are named each time, others once.

    Args:
        remember: note that it was told of the others.
    """

    @cache
    def tell() -> None:
        _tell_of_unfinished(session, intent, remember=remember)

    def choose_and_tell(inventory: Inventory, catalog: Catalog) -> Selection:
        tell()
        return choose(inventory, catalog)

    return choose_and_tell


def _tell_of_unfinished(session: Session, intent: Intent | None, *, remember: bool) -> None:
    courses = [*lasting(session.journal.unfinished(), session.clock())]
    for course in courses:
        if intent and _is_same(course, intent):
            session.warn(f"{_words(course)}; {_consequence(intent)}")
        elif not course.is_told:
            session.warn(f"{_words(course)}{'; the same command goes on with it' if course.key else ''}")
    if remember and not all(course.is_told for course in courses):
        note_down(session.journal, RunTold(session.clock()))


def _is_same(course: Course, intent: Intent) -> bool:
    return bool(intent.key) and course.key == intent.key


def _words(course: Course) -> str:
    has_failed = course.ended is not None and course.ended.exit_code < _SIGNALLED
    how = "failed in part" if has_failed else "was interrupted"
    far = f"{course.done} of {course.steps} step{'' if course.steps == 1 else 's'} done"
    return f"`{course.command}` of {course.started:%Y-%m-%d %H:%M} UTC {how}, with {far}"


def _consequence(intent: Intent) -> str:
    return "all is done anew" if intent.again else "what it finished counts as done (--again: all anew)"


def brought_back(session: Session, intent: Intent | None) -> set[str]:
    """The addresses of what interrupted runs of the same command restored."""
    same = [c for c in session.journal.unfinished() if intent and intent.goes_on and _is_same(c, intent)]
    return {entry.ref.address for c in same for entry in c.entries if isinstance(entry, RestoreMade)}


# -- meanwhile and after ------------------------------------------------------------------------------


@contextmanager
def on_course(
    session: Session, intent: Intent | None, repository_id: str, *, steps: int
) -> Iterator[Callable[[Report, bool], None]]:
    """Keep how far a run gets, from before its first step until it ended well.

    Yields:
        To be called with what came of it, and whether it was told to stop.
    """
    course = _begun(session, intent, repository_id, steps) if intent else None
    if intent is None or course is None:
        yield lambda *_: None
        return
    try:
        yield lambda report, stopped: _end(session, intent, course, report, stopped=stopped)
    except StalePlan:  # before the first step
        _forget(session, course)
        raise


def _begun(session: Session, intent: Intent, repository_id: str, steps: int) -> Course | None:
    if intent.again:
        forget_same(session, intent)
    course = Course(token_hex(8), intent.words, intent.key, repository_id, session.clock(), steps)
    try:
        session.journal.begin(course)
    except RepositoryError as error:
        if intent.key:
            session.warn(f"if this run is interrupted, the next one begins at the beginning: {error.message}")
        return None
    return course


def noting_steps(session: Session, listen: Callable[[Event], None]) -> Callable[[Event], None]:
    """Note each step that was carried out, besides telling ``listen``."""

    def hear(event: Event) -> None:
        if isinstance(event.what, Finished) and event.what.outcome.status is Status.DONE:
            note_down(session.journal, StepMade(session.clock(), event.step))
        listen(event)

    return hear


def _end(session: Session, intent: Intent, course: Course, report: Report, *, stopped: bool) -> None:
    """Keep it after a run that was told to stop, even with its last step, or that failed and lasts."""
    code = Stopped.exit_code if stopped else exit_code(report)
    lasts = bool(code) and (intent.is_lasting or stopped)
    if lasts and report.count(Status.DONE):
        note_down(session.journal, RunEnded(session.clock(), code))
        return
    _forget(session, course)
    if not lasts:
        forget_same(session, intent)


def forget_same(session: Session, intent: Intent) -> None:
    """Have nothing of earlier runs count any more."""
    for course in session.journal.unfinished():
        if _is_same(course, intent):
            _forget(session, course)


def _forget(session: Session, course: Course) -> None:
    try:
        session.journal.forget(course.id)
    except RepositoryError as error:
        session.warn(
            f"the next `{course.command}` needs --again, else it skips what is done: {error.message}"
        )
