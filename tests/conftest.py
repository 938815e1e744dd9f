"""Settings for all tests.

A quick run tries the same examples each time: what fails once fails for everybody, and nothing else does. Of
properties, ``fresh`` and ``thorough`` try new ones in each run.
"""

import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests import memory

PATIENT = [HealthCheck.too_slow]  # a busy machine is no wrong result
settings.register_profile("fresh", deadline=None, max_examples=100, suppress_health_check=PATIENT)
settings.register_profile(
    "quick", settings.get_profile("fresh"), max_examples=20, derandomize=True, database=None
)
settings.register_profile("thorough", settings.get_profile("fresh"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# A shell ignores SIGINT in what it runs in the background, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


# The folders of `tmp_path`; what the tests start has the machine's own.
tempfile.tempdir = str(memory.folder_for("", on_disk=Path(tempfile.gettempdir())))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no lines in properties: they run the same ones hundreds of times, and counting doubles that."""
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker(pytest.mark.no_cover)
