"""Lay out plans through the templates. The only import of jinja2."""

import html
import re
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..model.plans import PlanFile
from .views import SYMBOL_WORDS, ChangeView, view_plan
from .wording import cells, cut, pad, wrap

_ANSI = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}
_STYLES = {"+": "green", "-": "red", "-/+": "red", "~": "yellow"}
_WIDEST_PATH = 32
_MOST_LISTED = 20
_FOLD_ABOVE = 10
_LONGEST_VALUE = 240
_START_OF_VALUE = 60
_MARKDOWN = re.compile(r"(^[-+]|[\\`*_\[\]#|~$])")


def render_as_text(plan_file: PlanFile, *, colour: bool, width: int, path: str) -> str:
    """Lay out for a terminal."""
    environment = _environment()
    environment.globals |= {
        "paint": _painter(colour),
        "symbol": _symbol_painter(colour),
        "most_listed": _MOST_LISTED,
    }
    environment.filters |= {
        "wrap": lambda text, first, rest: wrap(text, width, first=first, rest=rest),
        "aligned": lambda changes: _aligned(changes, width - 8),
    }
    return environment.get_template("plan.txt.j2").render(plan=view_plan(plan_file, path=path))


def render_as_markdown(plan_file: PlanFile, *, path: str) -> str:
    """Lay out for a comment on a pull request."""
    environment = _environment()
    environment.filters |= {"md": _escape_markdown, "code": _code}
    environment.globals |= {"fold_above": _FOLD_ABOVE, "diff": _diff, "fenced": _fenced}
    return environment.get_template("plan.md.j2").render(plan=view_plan(plan_file, path=path))


def render_as_html(plan_file: PlanFile, *, path: str) -> str:
    """Lay out as a page that needs nothing but itself: no script, no request, one file."""
    environment = _environment(autoescape=True)
    environment.filters |= {"cut": cut}
    environment.globals |= {
        "fold_above": _FOLD_ABOVE,
        "longest_value": _LONGEST_VALUE,
        "start_of_value": _START_OF_VALUE,
        "styles": _STYLES,
        "meanings": SYMBOL_WORDS,
    }
    return environment.get_template("plan.html.j2").render(plan=view_plan(plan_file, path=path))


def _environment(*, autoescape: bool = False) -> Environment:
    """Make what finds and fills templates; text needs no escape, and Markdown has one of its own."""
    return Environment(
        loader=PackageLoader("incusbak.render"),
        undefined=StrictUndefined,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _painter(colour: bool) -> Callable[[str, str], str]:
    def paint(text: str, style: str) -> str:
        return f"\x1b[{_ANSI[style]}m{text}\x1b[0m" if colour else text

    return paint


def _symbol_painter(colour: bool) -> Callable[[str], str]:
    paint = _painter(colour)
    return lambda symbol: paint(symbol.rjust(3), _STYLES[symbol])


def _aligned(changes: tuple[ChangeView, ...], width: int) -> list[tuple[str, str]]:
    """Give each change as symbol and line: paths in one column, values cut to what is left."""
    column = min(max((cells(change.path) for change in changes), default=0), _WIDEST_PATH)
    room = width - column - 2
    return [(c.symbol, f"{pad(cut(c.path, column), column)}  {_values(c, room)}") for c in changes]


def _values(change: ChangeView, room: int) -> str:
    if change.symbol != "~":
        return cut(change.before or change.after, room)
    arrow = " -> "
    both = room - len(arrow)
    half = max(both // 2, 1)
    before = cut(change.before, max(half, both - cells(change.after)))
    return f"{before}{arrow}{cut(change.after, both - cells(before))}"


# -- markdown ----------------------------------------------------------------------------------------


def _escape_markdown(text: str) -> str:
    """Show text as it is; no link, no HTML, and nobody is notified by an @."""
    escaped = _MARKDOWN.sub(r"\\\1", html.escape(text, quote=False))
    return escaped.replace("@", "@<!-- -->").replace("://", ":<!-- -->//")


def _code(text: str) -> str:
    """Put text in a code span, whatever backticks it holds."""
    fence = "`" * (_longest_run(text) + 1)
    gap = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{gap}{text}{gap}{fence}"


def _diff(changes: tuple[ChangeView, ...]) -> str:
    """Put changes in a fenced block that a browser colours."""
    lines = []
    for change in changes:
        if change.before:
            lines.append(f"- {change.path}: {cut(change.before, 200)}")
        if change.after:
            lines.append(f"+ {change.path}: {cut(change.after, 200)}")
    return _fenced("\n".join(lines), "diff")


def _fenced(text: str, language: str = "sh") -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
