"""How the promises of a policy stand, as a page: what is broken first, then each resource and its history."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from ..model.sizes import humanize_bytes
from ..model.standings import Overview, Standing, State, StoredSize
from ..plain_text import printable
from .standings import (
    LEFT_OVER,
    STYLES,
    failure_words,
    left_over,
    left_over_hints,
    outcome,
    short_address,
    status_summary,
    totals_line,
)
from .templating import make_environment
from .wording import brief_duration

_WIDTH, _HEIGHT = 240, 40
"""Of the drawing of sizes, in its own units."""
_FOLD_ABOVE = 10


@frozen
class Trend:
    """Sizes over time as a line: its points, and in words what it shows."""

    points: str
    words: str


@frozen
class Card:
    """One resource. ``age_percent``: of what is promised, at most 100; None where nothing is."""

    address: str
    rule: str
    state: str
    style: str
    reason: str
    facts: tuple[tuple[str, str], ...]
    age_percent: int | None
    trend: Trend | None


@frozen
class Part:
    """What is told of one repository."""

    target: str
    repository: str
    summary: str
    totals: str
    kept: int
    broken: tuple[Card, ...]
    vanished: tuple[str, ...]
    cards: tuple[Card, ...]
    lists: tuple[tuple[str, list[str]], ...]
    warnings: tuple[str, ...]


def render_status_page(*overviews: Overview) -> str:
    """Lay out a page that needs nothing but itself.

    Args:
        overviews: one, or that of each target of a policy.
    """
    environment = make_environment(autoescape=True)
    environment.globals |= {"fold_above": _FOLD_ABOVE, "width": _WIDTH, "height": _HEIGHT}
    return environment.get_template("status.html.j2").render(
        server=printable(overviews[0].server),
        as_of=f"{overviews[0].as_of:%Y-%m-%d %H:%M} UTC",
        parts=[_part(overview) for overview in overviews],
    )


def _part(overview: Overview) -> Part:
    cards = [_card(each, overview.as_of) for each in overview.protected]
    hints = left_over_hints(overview) if overview.quarantined else ()
    return Part(
        target=printable(overview.target),
        repository=printable(overview.repository),
        summary=status_summary(overview),
        totals=totals_line(overview).strip(),
        kept=overview.count(State.OK),
        broken=tuple(card for card in cards if card.state != State.OK),
        vanished=tuple(map(printable, (*(gone.reason for gone in overview.vanished), *overview.unmet))),
        cards=tuple(sorted(cards, key=lambda card: card.state == State.OK)),
        lists=tuple(_lists(overview)),
        warnings=tuple(map(printable, (*overview.warnings, *hints))),
    )


def _lists(overview: Overview) -> list[tuple[str, list[str]]]:
    damaged = [str(backup) for each in overview.protected for backup in each.verification.damaged]
    listed = (
        (LEFT_OVER, left_over(overview)),
        ("Damaged backups", damaged),
        ("Configuration that is not as in its last backup", overview.reconfigured),
        ("Unprotected, covered by no rule", overview.unprotected),
        ("Opted out by configuration of their own", overview.opted_out),
    )
    return [(title, [printable(item) for item in items]) for title, items in listed if items]


def _card(standing: Standing, as_of: datetime) -> Card:
    return Card(
        address=printable(short_address(standing)),
        rule=printable(standing.rule),
        state=standing.state.value,
        style=STYLES[standing.state],
        reason=printable("; ".join(filter(None, (standing.reason, failure_words(standing))))),
        facts=tuple((label, printable(value)) for label, value in _facts(standing, as_of)),
        age_percent=_age_percent(standing),
        trend=_trend(standing.sizes),
    )


def _facts(standing: Standing, as_of: datetime) -> list[tuple[str, str]]:
    newest, last, facts = standing.newest, standing.rehearsal, []
    if newest is not None:
        age = brief_duration(max(newest.age_seconds, 0))
        promised = _promised(standing.max_age_seconds)
        facts.append(("Newest backup", f"{newest.created:%Y-%m-%d %H:%M} UTC, {age} ago{promised}"))
    verified = standing.verification
    if verified.max_age_seconds is not None and verified.last is not None:
        ago = brief_duration(max(int((as_of - verified.last).total_seconds()), 0))
        facts.append(("Read again", f"{ago} ago{_promised(verified.max_age_seconds)}"))
    if last is not None:
        facts.append(("Last rehearsal", f"{last.at:%Y-%m-%d %H:%M} UTC: {outcome(last)}"))
    return facts


def _promised(seconds: int | None) -> str:
    return f" (promised: every {brief_duration(seconds)})" if seconds else ""


def _age_percent(standing: Standing) -> int | None:
    if standing.newest is None or not standing.max_age_seconds:
        return None
    return min(max(standing.newest.age_seconds, 0) * 100 // standing.max_age_seconds, 100)


def _trend(history: Sequence[StoredSize]) -> Trend | None:
    """Draw sizes from nothing up to the largest, over the time between the first and the last."""
    if len(history) < 2:
        return None
    begin, end = history[0].created.timestamp(), history[-1].created.timestamp()
    largest = max(each.size_bytes for each in history) or 1
    points = (
        f"{(each.created.timestamp() - begin) / ((end - begin) or 1) * _WIDTH:.1f},"
        f"{_HEIGHT - each.size_bytes / largest * _HEIGHT:.1f}"
        for each in history
    )
    first, last = humanize_bytes(history[0].size_bytes), humanize_bytes(history[-1].size_bytes)
    words = f"{first} on {history[0].created:%Y-%m-%d}, {last} on {history[-1].created:%Y-%m-%d}"
    return Trend(" ".join(points), f"{words}; {len(history)} backups, the largest {humanize_bytes(largest)}")
