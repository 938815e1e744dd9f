"""What helps, said once: many things can fail for one reason."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar


class Hinted(Protocol):
    @property
    def hint(self) -> str: ...


H = TypeVar("H", bound=Hinted)


def by_hint(found: Iterable[H]) -> list[list[H]]:
    """Put together what the same helps with, each where the first of its like was."""
    groups: dict[str, list[H]] = {}
    for each in found:
        groups.setdefault(each.hint, []).append(each)
    return list(groups.values())


def for_whom(group: Sequence[Hinted]) -> str:
    """Say of how many a hint is that stands after them."""
    return f"hint for these {len(group)}" if len(group) > 1 else "hint"
