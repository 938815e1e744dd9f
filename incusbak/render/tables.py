"""Tables of text."""

from collections.abc import Collection, Sequence

from ..plain_text import printable
from .wording import cells, cut, pad

_GAP = "  "
_NARROWEST = 8


def render_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, width: int = 0, whole: Collection[str] = ()
) -> str:
    """Lay out rows under headers, columns aligned; the widest columns are cut to fit.

    Args:
        width: columns of the terminal; 0 cuts nothing.
        whole: headers of columns that are never cut, even if the lines get too long.
    """
    table = [[printable(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(cells(row[column]) for row in table) for column in range(len(headers))]
    cuttable = [column for column, header in enumerate(headers) if header not in whole]
    while width and sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        widest = max(cuttable, key=lambda column: widths[column])
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    lines = (
        _GAP.join(pad(cut(cell, wide), wide) for cell, wide in zip(row, widths, strict=True)) for row in table
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)
