"""Tables of text."""

from collections.abc import Sequence

from .wording import cells, cut, pad, printable

_GAP = "  "
_NARROWEST = 8


def render_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, width: int = 0) -> str:
    """Lay out rows under headers, columns aligned; the widest columns are cut to fit.

    Args:
        width: columns of the terminal; 0 cuts nothing.
    """
    table = [[printable(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(cells(row[column]) for row in table) for column in range(len(headers))]
    while width and sum(widths) + len(_GAP) * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    lines = (
        _GAP.join(pad(cut(cell, wide), wide) for cell, wide in zip(row, widths, strict=True)) for row in table
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)
