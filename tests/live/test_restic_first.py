"""A repository of restic that is not there yet is made by the first run."""

import pytest

from tests.live.restic_tool import ResticTool
from tests.live.test_stale_plans import test_a_first_plan_makes_the_repository_and_is_then_used_up
from tests.live.tool import NewTool

__all__ = ["test_a_first_plan_makes_the_repository_and_is_then_used_up"]
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def new_tool() -> NewTool:
    return ResticTool
