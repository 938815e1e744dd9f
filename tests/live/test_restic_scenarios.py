"""What is shown with a folder of backups, shown with restic: the same tests, another repository."""

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
from tests.live.test_estate import (
    empty_server,
    lost_server,
    test_an_estate_comes_back_on_an_empty_server,
)
from tests.live.test_image import (
    gallery,
    test_an_image_can_come_back_to_one_of_its_projects,
    test_an_image_that_is_there_gets_its_definition_back,
)
from tests.live.test_rehearse import site, test_a_policy_has_them_rehearsed_and_is_then_content
from tests.live.test_round_trip import network, test_all_of_an_instance_comes_back
from tests.live.test_stale_plans import test_the_approved_digest_runs_though_the_world_changed_elsewhere
from tests.live.test_volumes import (
    test_a_block_volume_comes_back,
    test_a_copy_on_another_pool_is_another_volume,
    test_a_volume_in_use_is_replaced_under_its_users,
    test_a_volume_that_is_gone_comes_back,
    volume,
)
from tests.live.thinning import THOROUGH
from tests.live.tool import NewTool

if THOROUGH:  # what is stored is the same as on the empty server
    from tests.live.test_estate import test_a_living_estate_is_put_back_in_one_go  # noqa: F401 pytest finds it

__all__ = [
    "busy",
    "empty_server",
    "gallery",
    "keeper",
    "lost_server",
    "network",
    "scene",
    "site",
    "test_a_backup_keeps_nobody_from_restoring",
    "test_a_block_volume_comes_back",
    "test_a_copy_on_another_pool_is_another_volume",
    "test_a_policy_has_them_rehearsed_and_is_then_content",
    "test_a_policy_removes_and_verifies_and_then_has_nothing_to_do",
    "test_a_volume_in_use_is_replaced_under_its_users",
    "test_a_volume_that_is_gone_comes_back",
    "test_all_of_an_instance_comes_back",
    "test_an_estate_comes_back_on_an_empty_server",
    "test_an_image_can_come_back_to_one_of_its_projects",
    "test_an_image_that_is_there_gets_its_definition_back",
    "test_nothing_is_removed_when_the_backup_fails",
    "test_the_approved_digest_runs_though_the_world_changed_elsewhere",
    "test_what_was_removed_comes_back_whole",
    "volume",
]
pytestmark = [pytest.mark.once, pytest.mark.one_pool]


@pytest.fixture(scope="module")
def new_tool(restic_template: Callable[[str], Restic]) -> NewTool:
    return with_repository(restic_template)
