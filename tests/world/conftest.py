"""In memory nothing has to be waited for."""

import time

import pytest


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake server's operations end after some requests, not after some time."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
