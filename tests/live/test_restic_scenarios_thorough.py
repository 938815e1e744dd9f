"""More of what is shown with a folder of backups, shown with restic, in a thorough run."""

import pytest

from tests.live.test_estate import (
    empty_server,
    lost_server,
    test_a_living_estate_is_put_back_in_one_go,
    test_an_estate_comes_back_on_an_empty_server,
)
from tests.live.test_image import (
    gallery,
    test_an_image_can_come_back_to_one_of_its_projects,
    test_an_image_that_is_there_gets_its_definition_back,
)
from tests.live.test_rehearse import site, test_a_policy_has_them_rehearsed_and_is_then_content
from tests.live.test_restic_scenarios import new_tool
from tests.live.test_stale_plans import test_the_approved_digest_runs_though_the_world_changed_elsewhere
from tests.live.test_volumes import (
    test_a_block_volume_comes_back,
    test_a_copy_on_another_pool_is_another_volume,
    volume,
)

__all__ = [
    "empty_server",
    "gallery",
    "lost_server",
    "new_tool",
    "site",
    "test_a_block_volume_comes_back",
    "test_a_copy_on_another_pool_is_another_volume",
    "test_a_living_estate_is_put_back_in_one_go",
    "test_a_policy_has_them_rehearsed_and_is_then_content",
    "test_an_estate_comes_back_on_an_empty_server",
    "test_an_image_can_come_back_to_one_of_its_projects",
    "test_an_image_that_is_there_gets_its_definition_back",
    "test_the_approved_digest_runs_though_the_world_changed_elsewhere",
    "volume",
]
pytestmark = pytest.mark.thorough
