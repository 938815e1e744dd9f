"""What is no place to run commands in."""

from collections.abc import Sequence

from ..errors import Blocked
from ..model.refs import ResourceRef
from ..ports import IncusApi, Tools


class Closed:
    """The part of ``ports.Kind`` that kinds without an inside have in common."""

    def has_inside(self, api: IncusApi, ref: ResourceRef) -> bool:
        return False

    def run_inside(
        self, tools: Tools, ref: ResourceRef, command: Sequence[str], *, timeout_seconds: int, token: str
    ) -> None:
        raise Blocked(f"no command can be run inside of {ref}")

    def end_commands(self, tools: Tools, ref: ResourceRef, token: str) -> None:
        """There are none."""
