"""Settings for tests of the whole tool in memory."""

import time

import pytest


@pytest.fixture(autouse=True)
def _time_flies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what sleeps wake up at once, later by as much: in memory nothing happens meanwhile."""
    slept: list[float] = []
    monotonic = time.monotonic
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + sum(slept))
