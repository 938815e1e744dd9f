"""Lay out plans through the templates."""

import html
import re
from collections.abc import Callable, Iterable

from .templating import make_environment
from .views import SYMBOL_WORDS, ChangeView, ShownPlan, view_plan
from .wording import MOST_LISTED, cells, cut, pad, painter, wrap

_STYLES = {"+": "green", "-": "red", "-/+": "red", "~": "yellow", "<=": "dim"}
_WIDEST_PATH = 32
_FOLD_ABOVE = 10
_LONGEST_VALUE = 240
_START_OF_VALUE = 60
_MARKDOWN = re.compile(r"(^[-+]|[\\`*_\[\]#|~$])")


def render_as_text(shown: ShownPlan, *, colour: bool, width: int) -> str:
    """Lay out for a terminal."""
    environment = make_environment()
    environment.globals |= {
        "paint": painter(colour),
        "symbol": _symbol_painter(colour),
        "most_listed": MOST_LISTED,
    }
    environment.filters |= {
        "wrap": lambda text, first, rest: wrap(text, width, first=first, rest=rest),
        "aligned": lambda changes: _aligned(changes, width - 8),
    }
    return environment.get_template("plan.txt.j2").render(plan=view_plan(shown))


def render_as_markdown(shown: ShownPlan) -> str:
    """Lay out for a comment on a pull request."""
    environment = make_environment()
    environment.filters |= {"md": _escape_markdown, "code": _code}
    environment.globals |= {"fold_above": _FOLD_ABOVE, "diff": _diff, "fenced": _fenced}
    return environment.get_template("plan.md.j2").render(plan=view_plan(shown))


def render_as_html(plans: Iterable[ShownPlan]) -> str:
    """Lay out as a page that needs nothing but itself: no script, no request, one file."""
    environment = make_environment(autoescape=True)
    environment.filters |= {"cut": cut}
    environment.globals |= {
        "fold_above": _FOLD_ABOVE,
        "longest_value": _LONGEST_VALUE,
        "start_of_value": _START_OF_VALUE,
        "styles": _STYLES,
        "meanings": SYMBOL_WORDS,
    }
    return environment.get_template("plan.html.j2").render(plans=[view_plan(each) for each in plans])


def _symbol_painter(colour: bool) -> Callable[[str], str]:
    paint = painter(colour)
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
