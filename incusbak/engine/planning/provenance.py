"""Whether a plan was made from these very policy files. Pure."""

from collections.abc import Iterator, Sequence

from ...errors import StalePlan
from ...model.policies import PolicyFile


def check_origin(made_from: Sequence[PolicyFile], now: Sequence[PolicyFile]) -> None:
    """See that the same files are named in the same order, under the same paths, with the same bytes.

    Order and paths count, as a plan holds both: of two rules the first wins, and a rule is told by its place.

    Raises:
        StalePlan: they are not; a line for each file that differs, is missing or is new.
    """
    if tuple(made_from) == tuple(now):
        return
    differences = list(_differences(made_from, now)) or ["the same files are given in another order"]
    raise StalePlan(
        "\n".join(["the plan was not made from these policies:", *differences]),
        hint="make the plan again from the policies as they are now, with the same -f from the same folder",
    )


def _differences(made_from: Sequence[PolicyFile], now: Sequence[PolicyFile]) -> Iterator[str]:
    before, after = ({file.path: file.sha256 for file in files} for files in (made_from, now))
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield f"{path} is missing"
        elif path not in before:
            yield f"{path} is new"
        elif before[path] != after[path]:
            yield f"{path} differs"
