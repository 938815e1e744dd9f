"""How the sizes of backups change, in words and as a line of blocks."""

from collections.abc import Sequence

from ..model.sizes import humanize_bytes
from ..model.standings import Overview, StoredSize
from .tables import render_table

_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_PERCENT = 999
"""What is told of something that may have grown from nothing."""


def changed_sizes(overview: Overview) -> list[str]:
    """A line for each resource whose last backups differ in size, those that shrank most first.

    A backup that is suddenly small can be the first sign that what should be in it is gone.
    """
    known = [(each.address, each.sizes) for each in overview.protected if len(each.sizes) > 1]
    found = [(address, sizes) for address, sizes in known if _percent(sizes)]
    found.sort(key=lambda pair: (min(_percent(pair[1]), 0), -_percent(pair[1]), pair[0]))
    rows = [[address, *_cells(sizes)] for address, sizes in found]
    return [line.rstrip() for line in render_table([""] * 5, rows).splitlines()[1:]]


def _cells(sizes: Sequence[StoredSize]) -> list[str]:
    since = f"since {sizes[0].created:%Y-%m-%d %H:%M}"
    percent = _percent(sizes)
    change = f"{percent:+d} %" if percent <= _MOST_PERCENT else f">{_MOST_PERCENT} %"
    return [humanize_bytes(sizes[-1].size_bytes), change, since, _blocks(sizes)]


def _percent(sizes: Sequence[StoredSize]) -> int:
    """How much larger the last is than the first."""
    first, last = sizes[0].size_bytes, sizes[-1].size_bytes
    return round((last - first) * 100 / max(first, 1))


def _blocks(sizes: Sequence[StoredSize]) -> str:
    """Draw from nothing up to the largest."""
    largest = max(each.size_bytes for each in sizes) or 1
    return "".join(_BLOCKS[each.size_bytes * (len(_BLOCKS) - 1) // largest] for each in sizes)
