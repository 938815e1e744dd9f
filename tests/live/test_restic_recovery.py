"""What an interrupted restore leaves is dealt with, with restic as with a folder: the same tests."""

from collections.abc import Callable

import pytest

from tests.live.restic_tool import with_repository
from tests.live.support.restic import Restic
from tests.live.test_recovery import (
    scene,
    test_an_original_is_put_back_whatever_it_was_like,
    test_the_run_that_cleans_up_may_be_killed_as_well,
)
from tests.live.tool import NewTool

__all__ = [
    "scene",
    "test_an_original_is_put_back_whatever_it_was_like",
    "test_the_run_that_cleans_up_may_be_killed_as_well",
]
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def new_tool(restic_template: Callable[[str], Restic]) -> NewTool:
    return with_repository(restic_template)
