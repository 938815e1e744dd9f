"""A stub of a server for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .stub import Stub


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Stub]:
    server = Stub(tmp_path / "s").start()
    yield server
    server.stop()
