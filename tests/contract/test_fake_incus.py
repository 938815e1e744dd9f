"""The fake server passes the suites that the real ones pass."""

import pytest

from tests.fake_incus import FakeIncus

from .incus_api_suite import IncusApiSuite
from .incus_command_rules_suite import IncusCommandRulesSuite
from .incus_config_rules_suite import IncusConfigRulesSuite
from .incus_guarded_rules_suite import IncusGuardedRulesSuite
from .incus_image_rules_suite import IncusImageRulesSuite
from .incus_rules_suite import IncusRulesSuite
from .incus_site import Site
from .incus_volume_rules_suite import IncusVolumeRulesSuite


@pytest.fixture(params=[("direct_backup", "backup_iso"), ()], ids=["direct", "staged"])
def site(request: pytest.FixtureRequest) -> Site:
    fake = FakeIncus(extensions=request.param)
    fake.world.add_pool("bt", "btrfs")
    fake.world.add_network("br0")
    fake.world.add_project("p1")
    fake.world.profiles["p1", "default"]["devices"]["root"] = {"type": "disk", "path": "/", "pool": "default"}
    return Site(fake, "p1", "br0")


class TestFakeIncusApi(IncusApiSuite):
    """See the suite."""


class TestFakeIncusCommandRules(IncusCommandRulesSuite):
    """See the suite."""


class TestFakeIncusConfigRules(IncusConfigRulesSuite):
    """See the suite."""


class TestFakeIncusGuardedRules(IncusGuardedRulesSuite):
    """See the suite."""


class TestFakeIncusImageRules(IncusImageRulesSuite):
    """See the suite."""


class TestFakeIncusRules(IncusRulesSuite):
    """See the suite."""


class TestFakeIncusVolumeRules(IncusVolumeRulesSuite):
    """See the suite."""
