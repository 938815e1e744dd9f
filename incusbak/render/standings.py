"""How the promises of a policy stand, for a person: a table, what is not in order, one summary line."""

from collections.abc import Callable, Iterator

from ..model.standings import LastRehearsal, Overview, Standing, State
from .tables import render_table
from .wording import MOST_LISTED, brief_duration, cells, humanize_duration, pad, painter, printable, wrap

_ADDRESS, *_MORE = ("ADDRESS", "RULE", "NEWEST BACKUP", "AGE", "EVERY", "STATE")
_WHOLE = tuple(header for header in _MORE if header != "RULE")
_GAP = "  "
_NARROWEST_ADDRESS = 16
_STYLES = {
    State.OK: "green",
    State.OVERDUE: "yellow",
    State.MISSING: "red",
    State.UNREHEARSED: "red",
    State.IMPOSSIBLE: "red",
}
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
        (overview.count(State.UNREHEARSED), "not rehearsed", False),
        (overview.count(State.IMPOSSIBLE), "impossible", False),
        (len(overview.vanished), f"vanished {rules}", False),
        (len(overview.unprotected), "unprotected", True),
        (len(overview.opted_out), "opted out", False),
    )
    return f"Status: {', '.join(f'{count} {what}' for count, what, always in counts if count or always)}."


def _table(standings: list[Standing], paint: Paint, width: int) -> str:
    """Lay out a row each; an address too long for its column has a line of its own, and stays whole."""
    addresses = [printable(_short(standing)) for standing in standings]
    longest = max(map(cells, [_ADDRESS, *addresses]))
    room = max(width - longest - len(_GAP), 1) if width else 0
    rows = [_row(standing) for standing in standings]
    header, *lines = render_table(_MORE, rows, width=room, whole=_WHOLE).splitlines()
    taken = len(_GAP) + max(map(cells, [header, *lines]))
    column = min(longest, max(width - taken, _NARROWEST_ADDRESS)) if width else longest
    shown = [paint(f"{pad(_ADDRESS, column)}{_GAP}{header}", "bold")]
    for address, line, standing in zip(addresses, lines, standings, strict=True):
        state = paint(standing.state, _STYLES[standing.state])
        shown.append(f"{_in_column(address, column)}{_GAP}{line.removesuffix(standing.state)}{state}")
    return "".join(f"{line}\n" for line in shown)


def _in_column(address: str, column: int) -> str:
    return pad(address, column) if cells(address) <= column else f"{address}\n{' ' * column}"


def _row(standing: Standing) -> tuple[str, ...]:
    newest, max_age = standing.newest, standing.max_age_seconds
    return (
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
    broken = [
        f"{each.address} {each.reason}" for each in overview.protected if each.state is State.IMPOSSIBLE
    ]
    broken += [
        f"{each.address}: {each.reason}" for each in overview.protected if each.state is State.UNREHEARSED
    ]
    broken += [gone.reason for gone in overview.vanished]
    if broken:
        lines = [wrap(printable(text), width, first="  ! ", rest="    ") for text in broken]
        yield _section(paint("Broken promises that a backup does not mend", "red"), lines)
    rehearsed = [(each.address, each.rehearsal) for each in overview.protected if each.rehearsal]
    if rehearsed:
        lines = [f"  {printable(_rehearsal(address, last))}" for address, last in rehearsed]
        yield _section(paint("Last rehearsals", "bold"), lines)
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


def _rehearsal(address: str, last: LastRehearsal) -> str:
    what = f"{address}  {last.at:%Y-%m-%d %H:%M} UTC, {last.backup.timestamp}"
    if last.problem:
        return f"{what}: {last.problem}"
    restored, up = humanize_duration(last.restore_seconds), humanize_duration(last.boot_seconds)
    return f"{what}: restored in {restored}, up in {up}"


def _section(title: str, lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in (title, *lines))


def _listed(addresses: tuple[str, ...]) -> list[str]:
    lines = [f"  {printable(address)}" for address in addresses[:MOST_LISTED]]
    if len(addresses) > MOST_LISTED:
        lines.append(f"  … and {len(addresses) - MOST_LISTED} more; `--output json` lists all")
    return lines
