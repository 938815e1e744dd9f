"""Real servers pass the suites that the fake one passes."""

import secrets
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from incusbak.incus import IncusServer
from incusbak.incus.connecting import connect_to
from incusbak.incus.remotes import Endpoint
from incusbak.incus.retries import Limits
from tests.contract.incus_api_suite import IncusApiSuite
from tests.contract.incus_command_rules_suite import IncusCommandRulesSuite
from tests.contract.incus_config_rules_suite import IncusConfigRulesSuite
from tests.contract.incus_guarded_rules_suite import IncusGuardedRulesSuite
from tests.contract.incus_image_rules_suite import IncusImageRulesSuite
from tests.contract.incus_rules_suite import IncusRulesSuite
from tests.contract.incus_site import Site
from tests.contract.incus_volume_rules_suite import IncusVolumeRulesSuite
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project


@pytest.fixture(scope="session")
def bridge(incus_server: Daemon) -> Iterator[str]:
    name = f"br{secrets.token_hex(4)}"
    config = {"ipv4.address": "none", "ipv6.address": "none"}
    incus_server.api("POST", "/1.0/networks", {"name": name, "type": "bridge", "config": config})
    yield name
    incus_server.api("DELETE", f"/1.0/networks/{name}")


@pytest.fixture(scope="session")
def server(incus_server: Daemon) -> IncusServer:
    url = f"http+unix://{quote(str(incus_server.socket), safe='')}"
    return connect_to(Endpoint("local", url), limits=Limits())


@pytest.fixture
def site(server: IncusServer, project: Project, bridge: str) -> Site:
    return Site(server, project.name, bridge)


class TestRealIncusApi(IncusApiSuite):
    """See the suite."""


class TestRealIncusCommandRules(IncusCommandRulesSuite):
    """See the suite."""


class TestRealIncusConfigRules(IncusConfigRulesSuite):
    """See the suite."""


class TestRealIncusGuardedRules(IncusGuardedRulesSuite):
    """See the suite."""


class TestRealIncusImageRules(IncusImageRulesSuite):
    """See the suite."""


class TestRealIncusRules(IncusRulesSuite):
    """See the suite."""


class TestRealIncusVolumeRules(IncusVolumeRulesSuite):
    """See the suite."""
