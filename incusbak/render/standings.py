"""How the promises of a policy stand, for a person: a table, what is not in order, one summary line."""

from collections.abc import Callable, Iterator

from ..model.standings import Overview, Standing, State
from .tables import render_table
from .wording import MOST_LISTED, brief_duration, painter, printable, wrap

_HEADERS = ("ADDRESS", "RULE", "NEWEST BACKUP", "AGE", "EVERY", "STATE")
_WHOLE = tuple(header for header in _HEADERS if header != "RULE")
_STYLES = {State.OK: "green", State.OVERDUE: "yellow", State.MISSING: "red", State.IMPOSSIBLE: "red"}
_NOTHING = "-"
_FINGERPRINT_DIGITS = 12
_USUAL_WIDTH = 80

Paint = Callable[[str, str], str]


def render_status(overview: Overview, *, colour: bool = False, width: int = 0) -> str:
    """Show a row for each protected resource, broken promises first, and what no rule covers.

    Args:
        width: columns of the terminal; 0 cuts nothing.
    """
    paint = painter(colour)
    standings = sorted(overview.protected, key=lambda standing: standing.state is State.OK)
    table = [_table(standings, paint, width)] if standings else []
    sections = _sections(overview, paint, width or _USUAL_WIDTH)
    return "\n".join([*table, *sections, f"{paint(status_summary(overview), 'bold')}\n"])


def status_summary(overview: Overview) -> str:
    """Count what is protected, and what is not as it should be."""
    rules = "rule" if len(overview.vanished) == 1 else "rules"
    counts = (
        (len(overview.protected), "protected", True),
        (overview.count(State.OVERDUE), "overdue", True),
        (overview.count(State.MISSING), "without a backup", True),
        (overview.count(State.IMPOSSIBLE), "impossible to back up", False),
        (len(overview.vanished), f"{rules} matching nothing any more", False),
        (len(overview.unprotected), "unprotected", True),
        (len(overview.opted_out), "opted out", False),
    )
    return f"Status: {', '.join(f'{count} {what}' for count, what, always in counts if count or always)}."


def _table(standings: list[Standing], paint: Paint, width: int) -> str:
    rows = [_row(standing) for standing in standings]
    header, *lines = render_table(_HEADERS, rows, width=width, whole=_WHOLE).splitlines()
    painted = [
        line.removesuffix(standing.state) + paint(standing.state, _STYLES[standing.state])
        for line, standing in zip(lines, standings, strict=True)
    ]
    return "".join(f"{line}\n" for line in (paint(header, "bold"), *painted))


def _row(standing: Standing) -> tuple[str, ...]:
    newest, max_age = standing.newest, standing.max_age_seconds
    return (
        _short(standing),
        standing.rule,
        newest.backup.timestamp if newest else _NOTHING,
        brief_duration(max(newest.age_seconds, 0)) if newest else _NOTHING,
        _NOTHING if max_age is None else brief_duration(max_age),
        standing.state.value,
    )


def _short(standing: Standing) -> str:
    """An image is known by the beginning of its fingerprint."""
    kind, _, name = standing.address.partition("/")
    return f"{kind}/{name[:_FINGERPRINT_DIGITS]}" if kind == "image" else standing.address


def _sections(overview: Overview, paint: Paint, width: int) -> Iterator[str]:
    """What the table does not tell; each section ends its last line."""
    impossible = [each for each in overview.protected if each.state is State.IMPOSSIBLE]
    broken = [f"{each.address} {each.reason}" for each in impossible]
    broken += [gone.reason for gone in overview.vanished]
    if broken:
        lines = [wrap(printable(text), width, first="  ! ", rest="    ") for text in broken]
        yield _section(paint("Broken promises that a backup does not mend", "red"), lines)
    for title, addresses in (
        ("Configuration that is not as in its last backup", overview.reconfigured),
        ("Unprotected, covered by no rule", overview.unprotected),
        ("Opted out by configuration of their own", overview.opted_out),
    ):
        if addresses:
            yield _section(paint(title, "bold"), _listed(addresses))
    if overview.warnings:
        lines = [wrap(printable(text), width, first="  - ", rest="    ") for text in overview.warnings]
        yield _section(paint("Warnings", "yellow"), lines)


def _section(title: str, lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in (title, *lines))


def _listed(addresses: tuple[str, ...]) -> list[str]:
    lines = [f"  {printable(address)}" for address in addresses[:MOST_LISTED]]
    if len(addresses) > MOST_LISTED:
        lines.append(f"  … and {len(addresses) - MOST_LISTED} more; `--output json` lists all")
    return lines
