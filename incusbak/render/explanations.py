"""Say in words why a resource is protected as it is; lay it out as text, or as a table."""

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from attrs import frozen

from ..model.explanations import (
    AttachedTo,
    BuiltIn,
    Coverage,
    DueAt,
    DueNow,
    Explanation,
    ImageOf,
    ImageOfProject,
    NotDue,
    OptedIn,
    Origin,
    OwnKey,
    Return,
    Ruling,
    Selected,
    Setting,
    Written,
)
from ..model.policies import Identity, IfPresent, Place, Volumes
from ..model.refs import CONFIG
from ..plain_text import printable
from .tables import render_table
from .templating import make_environment
from .verdicts import in_words
from .wording import cells, humanize_duration, pad, painter, wrap

_WIDEST_VALUE = 30
_STYLES = {
    Coverage.PROTECTED: "green",
    Coverage.OPTED_OUT: "yellow",
    Coverage.ELSEWHERE: "yellow",
    Coverage.UNPROTECTED: "red",
    Coverage.NOT_EXPECTED: "yellow",
}
_COVERING = (Selected, OptedIn, AttachedTo, ImageOf, ImageOfProject)


@frozen
class RuleView:
    """A rule, where it stands, and what it says; ``covers``: whether it is the one that covers."""

    name: str
    place: str
    text: str
    covers: bool = False


@frozen
class Row:
    """A setting or another fact, and where it comes from."""

    name: str
    value: str
    origin: str = ""


@frozen
class ExplanationView:
    """Everything a template lays out; safe to print as it is."""

    target: str
    repository: str
    address: str
    verdict: str
    style: str
    troubles: tuple[str, ...]
    rules: tuple[RuleView, ...]
    settings: tuple[Row, ...]
    backups: tuple[Row, ...]
    returns: tuple[RuleView, ...]


def render_explanation(
    explanation: Explanation, *, now: datetime, colour: bool = False, width: int = 80
) -> str:
    """Lay out for a terminal."""
    environment = make_environment()
    environment.globals |= {"paint": painter(colour)}
    environment.filters |= {
        "wrap": lambda text, first, rest: wrap(text, width, first=first, rest=rest),
        "columns": lambda rows: _columns(rows, width),
    }
    view = view_explanation(explanation, now=now)
    return environment.get_template("explanation.txt.j2").render(view=view)


def tabulate_explanation(*explanations: Explanation, now: datetime) -> str:
    """Give each fact a line of its own, for tools that read lines.

    Args:
        explanations: one, or that for each target of a policy.
    """
    rows = [row for explanation in explanations for row in _rows(explanation, now)]
    return render_table(("WHAT", "VALUE", "FROM"), rows)


def _rows(explanation: Explanation, now: datetime) -> list[tuple[str, str, str]]:
    view = view_explanation(explanation, now=now)
    return [
        *([("target", view.target, "")] if view.target else []),
        *([("repository", view.repository, "")] if view.repository else []),
        ("coverage", explanation.coverage.value, ""),
        *(("trouble", trouble, "") for trouble in view.troubles),
        *(("rule", f"{rule.name}: {rule.text}", rule.place) for rule in view.rules),
        *((row.name, row.value, row.origin) for row in (*view.settings, *view.backups)),
        *(("restore rule", f"{rule.name}: {rule.text}", rule.place) for rule in view.returns),
    ]


def view_explanation(explanation: Explanation, *, now: datetime) -> ExplanationView:
    """Look at an explanation with the eyes of the one who asked."""
    troubles = [f"It can't be backed up: {explanation.obstacle}"] if explanation.obstacle else []
    troubles += [f"{problem}; it is passed over" for problem in explanation.problems]
    return ExplanationView(
        target=printable(explanation.target),
        repository=printable(explanation.repository),
        address=printable(explanation.address.address),
        verdict=printable(_headline(explanation)),
        style=_STYLES[explanation.coverage] if explanation.is_present else "yellow",
        troubles=tuple(printable(trouble) for trouble in troubles),
        rules=tuple(_rule(ruling) for ruling in explanation.rulings),
        settings=tuple(_setting(setting) for setting in explanation.settings),
        backups=tuple(_backups(explanation, now)),
        returns=tuple(_return(each) for each in explanation.returns),
    )


def _headline(explanation: Explanation) -> str:
    rulings, coverage = explanation.rulings, explanation.coverage
    if coverage is Coverage.ELSEWHERE:
        return "No rule for this target means it; one for another target does."
    if not rulings and explanation.target:
        return "No protect rule is for this target."
    if not rulings:
        return "The policy has no protect rules."
    rule = f"rule {rulings[-1].rule} ({rulings[-1].place})"
    if not explanation.is_present:
        which = rule if coverage is Coverage.PROTECTED else "no rule"
        return f"Not on the server; as it is in its newest backup, {which} would cover it."
    match coverage:
        case Coverage.PROTECTED:
            return f"Covered by {rule}."
        case Coverage.OPTED_OUT:
            return "Opted out: it asks to be left out, as the rules that mean it allow."
        case Coverage.UNPROTECTED:
            return "Unprotected: no rule covers it."
        case Coverage.NOT_EXPECTED if explanation.address == CONFIG:
            return "No rule covers it, so it is not backed up."
        case Coverage.NOT_EXPECTED:
            return "No rule covers it, and none has to: the server can download it again."


# -- rules --------------------------------------------------------------------------------------------


def _rule(ruling: Ruling) -> RuleView:
    text = in_words(ruling.verdict)
    if ruling.because:
        text = f"{text} ({_line(ruling.because)})"
    covers = isinstance(ruling.verdict, _COVERING)
    return RuleView(printable(ruling.rule), printable(str(ruling.place)), printable(text), covers)


def _line(place: Place) -> str:
    return f"{place.file}:{place.line}"


# -- settings and backups -----------------------------------------------------------------------------


def _setting(setting: Setting) -> Row:
    value = _value(setting.value)
    return Row(setting.name, printable(value), printable(_origin(setting.origin)))


def _value(value: Any) -> str:
    match value:
        case None:
            return "never again: one backup must exist"
        case bool():
            return str(value).lower()
        case []:
            return "none"
        case dict():
            return ", ".join(key if given is True else f"{key}: {given}" for key, given in value.items())
        case list():
            return ", ".join(shlex.join(each) if isinstance(each, list) else each for each in value)
    return str(value)


def _origin(origin: Origin) -> str:
    match origin:
        case Written(place=place):
            return _line(place)
        case BuiltIn():
            return "built-in default"
        case OwnKey(key=key):
            return f"{key} of the instance"


def _backups(explanation: Explanation, now: datetime) -> Iterator[Row]:
    stored = explanation.stored
    if stored.newest:
        age = humanize_duration(max((now - stored.newest.created).total_seconds(), 0.0))
        yield Row("newest", f"{stored.newest.timestamp}, {age} ago; {stored.count} in all")
    else:
        yield Row("newest", "none")
    if stored.ahead:
        stamps = ", ".join(backup.timestamp for backup in stored.ahead)
        yield Row("future", f"{stamps}: dated in the future, so counted for nothing; check the clocks")
    match stored.due:
        case DueNow(reason=reason):
            yield Row("next", printable(f"due now: {reason}"))
        case DueAt(moment=moment):
            left = humanize_duration(max(0.0, (moment - now).total_seconds()))
            yield Row("next", f"due at {moment:%Y-%m-%d %H:%M:%S} UTC, in {left}")
        case NotDue(reason=reason):
            yield Row("next", printable(f"not due: {reason}"))


def _return(each: Return) -> RuleView:
    parts = [f"takes {each.source.timestamp}"] if each.source else []
    parts += [f"can't be followed: {each.problem}"] if each.problem else [_where(each)]
    if each.identity is not Identity.AUTO:
        parts.append(f"identity: {each.identity.value}")
    if each.volumes is not Volumes.MISSING and each.to.kind == "instance":
        parts.append(f"volumes: {each.volumes.value}")
    return RuleView(printable(each.rule), printable(str(each.place)), printable(", ".join(parts)))


def _where(each: Return) -> str:
    if each.to == CONFIG:
        return f"brings it back entity by entity; what differs: {each.if_present.value}"
    there = {
        IfPresent.FAIL: "there now, so the plan is refused",
        IfPresent.SKIP: "there now, so it is left alone",
        IfPresent.REPLACE: "there now, so it is replaced unless it was restored from this backup",
    }
    state = there[each.if_present] if each.is_present else "not there now"
    return f"to {each.to.address}: {state} (if_present: {each.if_present.value})"


def _columns(rows: tuple[Row, ...], width: int) -> list[str]:
    """Align names, values and origins; what is too long for its column gets lines of its own."""
    named = max(cells(row.name) for row in rows) + 2
    column = min(max(cells(row.value) for row in rows), _WIDEST_VALUE)
    indent = " " * (2 + named)
    lines = []
    for row in rows:
        first = f"  {pad(row.name, named)}"
        line = f"{first}{pad(row.value, column)}  {row.origin}".rstrip()
        if cells(row.value) <= column and cells(line) <= width:
            lines.append(line)
        else:
            lines.append(wrap(row.value, width, first=first, rest=indent))
            lines.append(wrap(row.origin, width, first=f"{indent}- ", rest=f"{indent}  "))
    return lines
