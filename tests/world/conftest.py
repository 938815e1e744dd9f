"""Settings for tests of the whole tool in memory."""

import time

import pytest
from attrs import define

from incusbak.kinds.common import custom_volumes, operations
from incusbak.kinds.instance import commands, rehearsing


@define
class FlyingTime:
    """Stands for the module ``time``: what sleeps wakes up at once, and it is later by as much."""

    ahead: float = 0

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(autouse=True)
def _time_flies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens in memory while a kind waits for the server."""
    flying = FlyingTime()
    for module in (operations, commands, rehearsing, custom_volumes):
        monkeypatch.setattr(module, "time", flying)
