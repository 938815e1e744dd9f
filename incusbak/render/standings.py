"""How the promises of a policy stand, for a person: a table, what is not in order, one summary line."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from ..model.sizes import humanize_bytes
from ..model.standings import LastRehearsal, Overview, Standing, State
from ..plain_text import printable
from .sizes import changed_sizes
from .tables import render_table
from .wording import (
    ELLIPSIS,
    MOST_LISTED,
    brief_duration,
    cells,
    humanize_duration,
    pad,
    painter,
    squeezed,
    wrap,
)

_ADDRESS, _RULE, _VERIFIED = "ADDRESS", "RULE", "VERIFIED"
_MORE = (_RULE, "NEWEST BACKUP", "AGE", "EVERY", _VERIFIED, "STATE")
_GAP = "  "
_NARROWEST_ADDRESS = 16
STYLES = {
    State.OK: "green",
    State.OVERDUE: "yellow",
    State.MISSING: "red",
    State.IMPOSSIBLE: "red",
    State.DAMAGED: "red",
    State.UNREADABLE: "red",
    State.SHRUNK: "red",
    State.UNVERIFIED: "yellow",
    State.UNREHEARSED: "red",
    State.FUTURE: "red",
}
LEFT_OVER = "Left over by earlier runs, and can't be cleaned up"
_NOTHING = "-"
_SLACK = 16
"""Columns of two lines that breaking between words and the indent take."""
_PATH = re.compile(r"/(?:[^\s'\":/]+/){2,}([^\s'\":/]*)")
_FINGERPRINT_DIGITS = 12
_USUAL_WIDTH = 80

Paint = Callable[[str, str], str]


def render_status(*overviews: Overview, colour: bool = False, width: int = 0) -> str:
    """Show a row for each protected resource, broken promises first, and what no rule covers.

    Args:
        overviews: one, or that of each target of a policy.
        width: columns of the terminal; 0 cuts nothing.
    """
    paint = painter(colour)
    blocks = [block for overview in overviews for block in _blocks(overview, paint, width)]
    summary = f"{paint(status_summary(*overviews), 'bold')}\n"
    if len(overviews) > 1:
        return "\n".join([*filter(None, blocks), summary])
    *above, totals = blocks
    return "\n".join([*above, totals + summary])


def _blocks(overview: Overview, paint: Paint, width: int) -> Iterator[str]:
    """What is told of one repository; what it holds is the last."""
    standings = sorted(overview.protected, key=lambda standing: standing.state is State.OK)
    if overview.target:
        heading = printable(f"Target {overview.target}: {overview.repository}")
        yield f"{paint(heading, 'bold')}\n"
    if standings:
        yield _table(standings, overview.as_of, paint, width)
    yield from _sections(overview, paint, width or _USUAL_WIDTH)
    yield totals_line(overview)


def status_summary(*overviews: Overview) -> str:
    """Count what is protected, and what is not as it should be; what is so for all targets counts once."""

    def count(state: State) -> int:
        return sum(overview.count(state) for overview in overviews)

    vanished = sum(len(overview.vanished) for overview in overviews)
    counts = (
        (sum(len(overview.protected) for overview in overviews), "protected", True),
        (count(State.OVERDUE), "overdue", True),
        (count(State.MISSING), "without a backup", True),
        (count(State.UNREHEARSED), "not rehearsed", False),
        (count(State.IMPOSSIBLE), "impossible", False),
        (count(State.DAMAGED), "damaged", False),
        (count(State.UNREADABLE), "unreadable", False),
        (count(State.SHRUNK), "nearly empty", False),
        (count(State.UNVERIFIED), "unverified", False),
        (count(State.FUTURE), "with a backup of the future", False),
        (vanished, f"vanished {'rule' if vanished == 1 else 'rules'}", False),
        (len({text for overview in overviews for text in overview.unmet}), "not as expected", False),
        (len({address for overview in overviews for address in overview.unprotected}), "unprotected", True),
        (len({address for overview in overviews for address in overview.opted_out}), "opted out", False),
    )
    told = ", ".join(f"{number} {what}" for number, what, always in counts if number or always)
    of = f" of {len(overviews)} targets" if len(overviews) > 1 else ""
    return f"Status{of}: {told}."


def totals_line(overview: Overview) -> str:
    """Say in a line what the repository holds, as far as that is known."""
    totals = overview.totals
    if totals is None:
        return ""
    sizes = ((totals.stored_bytes, "stored"), (totals.free_bytes, "free"))
    known = [f"{humanize_bytes(size)} {what}" for size, what in sizes if size is not None]
    backups = f"{totals.backups} backup{'' if totals.backups == 1 else 's'}"
    return f"Repository {printable(overview.repository)}: {', '.join([backups, *known])}.\n"


def _table(standings: list[Standing], as_of: datetime, paint: Paint, width: int) -> str:
    """Lay out a row each; an address too long for its column has a line of its own, and stays whole."""
    addresses = [printable(short_address(standing)) for standing in standings]
    longest = max(map(cells, [_ADDRESS, *addresses]))
    room = max(width - longest - len(_GAP), 1) if width else 0
    verifies = any(standing.verification.max_age_seconds is not None for standing in standings)
    headers = [header for header in _MORE if verifies or header != _VERIFIED]
    rows = [[_cell(header, standing, as_of) for header in headers] for standing in standings]
    whole = [header for header in headers if header != _RULE]
    header, *lines = render_table(headers, rows, width=room, whole=whole).splitlines()
    taken = len(_GAP) + max(map(cells, [header, *lines]))
    column = min(longest, max(width - taken, _NARROWEST_ADDRESS)) if width else longest
    shown = [paint(f"{pad(_ADDRESS, column)}{_GAP}{header}", "bold")]
    for address, line, standing in zip(addresses, lines, standings, strict=True):
        state = paint(standing.state, STYLES[standing.state])
        shown.append(f"{_in_column(address, column)}{_GAP}{line.removesuffix(standing.state)}{state}")
    return "".join(f"{line}\n" for line in shown)


def _in_column(address: str, column: int) -> str:
    return pad(address, column) if cells(address) <= column else f"{address}\n{' ' * column}"


def _cell(header: str, standing: Standing, as_of: datetime) -> str:
    newest, verification = standing.newest, standing.verification
    match header:
        case "RULE":
            return standing.rule
        case "NEWEST BACKUP":
            return newest.backup.timestamp if newest else _NOTHING
        case "AGE":
            return brief_duration(max(newest.age_seconds, 0)) if newest else _NOTHING
        case "EVERY":
            every = standing.max_age_seconds
            return _NOTHING if every is None else brief_duration(every)
        case "VERIFIED":
            if verification.max_age_seconds is None or verification.last is None:
                return _NOTHING
            return brief_duration(max(int((as_of - verification.last).total_seconds()), 0))
    return standing.state.value


def short_address(standing: Standing) -> str:
    """An image is known by the beginning of its fingerprint."""
    kind, _, name = standing.address.partition("/")
    return f"{kind}/{name[:_FINGERPRINT_DIGITS]}" if kind == "image" else standing.address


def _sections(overview: Overview, paint: Paint, width: int) -> Iterator[str]:
    """What the table does not tell; each section ends its last line."""
    broken = [
        f"{each.address} {each.reason}" for each in overview.protected if each.state is State.IMPOSSIBLE
    ]
    broken += [
        f"{each.address}: {each.reason}"
        for state in (State.UNREHEARSED, State.UNREADABLE, State.SHRUNK, State.FUTURE)
        for each in overview.protected
        if each.state is state
    ]
    broken += [gone.reason for gone in overview.vanished]
    broken += overview.unmet
    if broken:
        lines = [wrap(printable(text), width, first="  ! ", rest="    ") for text in broken]
        yield _section(paint("Broken promises that a backup does not mend", "red"), lines)
    failed = [f"{each.address}: {words}" for each in overview.protected if (words := failure_words(each))]
    if failed:
        lines = [wrap(printable(text), width, first="  ! ", rest="    ") for text in failed]
        yield _section(paint("Backups that failed", "red"), lines)
    damaged = tuple(backup.address for each in overview.protected for backup in each.verification.damaged)
    rehearsed = [(each.address, each.rehearsal) for each in overview.protected if each.rehearsal]
    if rehearsed:
        yield _section(paint("Last rehearsals", "bold"), _cut_short(_rehearsals(rehearsed)))
    if sizes := changed_sizes(overview):
        yield _section(paint("Sizes that change", "bold"), _cut_short(sizes))
    for title, addresses in (
        ("Damaged backups", damaged),
        ("Configuration that is not as in its last backup", overview.reconfigured),
        ("Unprotected, covered by no rule", overview.unprotected),
        ("Opted out by configuration of their own", overview.opted_out),
    ):
        if addresses:
            yield _section(paint(title, "bold"), _listed(addresses))
    for title, colour, sign, texts in (
        (LEFT_OVER, "red", "!", left_over(overview, width)),
        ("Warnings", "yellow", "-", overview.warnings),
    ):
        if texts:
            lines = [wrap(printable(text), width, first=f"  {sign} ", rest="    ") for text in texts]
            if title == LEFT_OVER:
                hints = left_over_hints(overview)
                lines += [wrap(printable(text), width, first="    ", rest="    ") for text in hints]
            yield _section(paint(title, colour), lines)


def failure_words(standing: Standing) -> str:
    """Say how often a newer backup was tried in vain, when last, and why; empty where none was."""
    failed = standing.failed
    if failed is None:
        return ""
    often = "the last attempt" if failed.count == 1 else f"the last {failed.count} attempts"
    when = f"{'' if failed.count == 1 else 'last '}at {failed.last:%Y-%m-%d %H:%M} UTC"
    hint = f"; {failed.hint}" if failed.hint else ""
    return f"{often} failed, {when}: {failed.error}{hint}"


def left_over(overview: Overview, width: int = _USUAL_WIDTH) -> list[str]:
    """Say in about two lines each what is left, since when, and what the server says of it."""
    told = [
        (f"{each.address}, since {each.since:%Y-%m-%d}: {each.what}", gist(each.why))
        for each in overview.quarantined
    ]
    return [f"{what}: {squeezed(why, max(2 * width - len(what) - _SLACK, width // 2))}" for what, why in told]


def left_over_hints(overview: Overview) -> list[str]:
    """Say of all that is left what a person can do, and what this tool does."""
    hints = dict.fromkeys(
        f"To do about what is left over: {each.hint}." for each in overview.quarantined if each.hint
    )
    return [
        *hints,
        "What is left over disturbs nothing. It is tried again when something of it has changed or the "
        "server was restarted; `--output json` has all that the server said of it.",
    ]


def gist(words: str) -> str:
    """Take the first line of what a server said, with long paths shortened to their ends."""
    first = next((line.strip() for line in words.splitlines() if line.strip()), "")
    return _PATH.sub(lambda found: f"{ELLIPSIS}/{found[1]}", first)


def _rehearsals(rehearsed: list[tuple[str, LastRehearsal]]) -> list[str]:
    """Those that failed first."""
    rehearsed = sorted(rehearsed, key=lambda pair: (not pair[1].problem, pair[0]))
    rows = [(address, f"{last.at:%Y-%m-%d %H:%M} UTC", outcome(last)) for address, last in rehearsed]
    return render_table(["", "", ""], rows).splitlines()[1:]


def outcome(last: LastRehearsal) -> str:
    """Say what was measured, or why it failed."""
    restored, up = humanize_duration(last.restore_seconds), humanize_duration(last.boot_seconds)
    return last.problem or f"restored in {restored}, up in {up}"


def _section(title: str, lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in (title, *lines))


def _listed(addresses: tuple[str, ...]) -> list[str]:
    return _cut_short([printable(address) for address in addresses])


def _cut_short(items: list[str]) -> list[str]:
    lines = [f"  {item}" for item in items[:MOST_LISTED]]
    if len(items) > MOST_LISTED:
        lines.append(f"  … and {len(items) - MOST_LISTED} more; `--output json` lists all")
    return lines
