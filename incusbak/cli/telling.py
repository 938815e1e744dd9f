"""What a command did, told on stdout at its end, however that comes.

A program that reads it gets one shape after a success and after a failure: a list, empty where nothing was
done. Only a command line that can't be understood has none. What is merely looked at (lists, plans, dry runs)
is told whole or not at all: where it can't be seen, an empty list would say that there is nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

import click
from attrs import frozen

from .. import codec
from ..model.plans import Plan
from ..model.results import Report
from .output import output_option
from .session import Session

F = TypeVar("F", bound=Callable[..., Any])
_DEEDS = "incusbak.deeds"


@frozen
class Deed:
    """A plan that was carried out, and what came of it."""

    session: Session
    plan: Plan
    report: Report


def note_deed(session: Session, plan: Plan, report: Report) -> None:
    """Have it told at the end of the command."""
    if context := click.get_current_context(silent=True):
        context.meta.setdefault(_DEEDS, []).append(Deed(session, plan, report))


def tells_deeds(
    *forms: str,
    tell: Callable[[Sequence[Deed], str], str],
    only_shows: Callable[[Mapping[str, Any]], object] = lambda _: False,
    **more: Any,
) -> Callable[[F], F]:
    """Give a command ``--output``, and have it tell in that form what it did.

    Args:
        tell: makes the text out of what was done, in turn, and the form.
        only_shows: whether a command with these options does nothing, besides `--dry-run` and `--out`.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def telling(*args: Any, **options: Any) -> Any:
            context = click.get_current_context()
            try:
                return function(*args, **options)
            finally:
                if not (context.obj.dry_run or options.get("out") or only_shows(options)):
                    _put_out(tell(context.meta.get(_DEEDS, ()), options["output"]))

        return output_option(*forms, **more)(telling)  # type: ignore[return-value]  # what `wraps` keeps

    return decorate


def _put_out(text: str) -> None:
    if text:
        click.echo(text, nl=False)


def _as_runs_keep_them(deeds: Sequence[Deed], form: str) -> str:
    """People have been told on stderr."""
    return codec.dump([deed.report for deed in deeds]) if form == "json" else ""


def deeds_option(only_shows: Callable[[Mapping[str, Any]], object] = lambda _: False) -> Callable[[F], F]:
    """``--output`` of commands that change something: what was done as ``runs/`` keeps it."""
    words = "How to tell what was done; json: per step, as in `runs/`."
    return tells_deeds("text", "json", tell=_as_runs_keep_them, only_shows=only_shows, help=words)
