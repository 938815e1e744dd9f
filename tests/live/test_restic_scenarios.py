"""What is shown with a folder of backups, shown with restic: the same tests, another repository.

A thorough run shows more of it: ``test_restic_scenarios_thorough``.
"""

from collections.abc import Callable

import pytest

from tests.live.restic_tool import with_repository
from tests.live.support.restic import Restic
from tests.live.test_beside import busy, test_a_backup_keeps_nobody_from_restoring
from tests.live.test_care import (
    keeper,
    scene,
    test_a_policy_removes_and_verifies_and_then_has_nothing_to_do,
    test_nothing_is_removed_when_the_backup_fails,
    test_what_was_removed_comes_back_whole,
)
from tests.live.test_round_trip import network, test_all_of_an_instance_comes_back
from tests.live.test_volumes import (
    test_a_volume_in_use_is_replaced_under_its_users,
    test_a_volume_that_is_gone_comes_back,
    volume,
)
from tests.live.tool import NewTool

__all__ = [
    "busy",
    "keeper",
    "network",
    "scene",
    "test_a_backup_keeps_nobody_from_restoring",
    "test_a_policy_removes_and_verifies_and_then_has_nothing_to_do",
    "test_a_volume_in_use_is_replaced_under_its_users",
    "test_a_volume_that_is_gone_comes_back",
    "test_all_of_an_instance_comes_back",
    "test_nothing_is_removed_when_the_backup_fails",
    "test_what_was_removed_comes_back_whole",
    "volume",
]
pytestmark = [pytest.mark.once, pytest.mark.one_pool]


@pytest.fixture(scope="module")
def new_tool(restic_template: Callable[[str], Restic]) -> NewTool:
    return with_repository(restic_template)
