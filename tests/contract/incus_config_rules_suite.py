"""Rules of a server's configuration that its restore lives by: true of Incus, and therefore of the fake."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import Factory, define

from incusbak.errors import ChangedMeanwhile, Conflict, NotAuthorized, NotFound, ServerError
from incusbak.model.documents import Json
from incusbak.ports import ALL_PROJECTS, IncusApi

from .incus_site import Site

ALLOW: Json = {"action": "allow", "state": "enabled"}
QUIET: Json = {"ipv4.address": "none", "ipv6.address": "none"}


@define
class Workplace:
    """Makes things with names that nobody else has, and removes them."""

    api: IncusApi
    made: list[tuple[str, str]] = Factory(list)

    def make(self, collection: str, *, project: str = "", key: str = "name", **parts: Any) -> str:
        """Make one; return its path."""
        body = {key: "x" + secrets.token_hex(5), **parts}
        self.api.create(collection, body, project=project)
        self.made.append((f"{collection}/{body[key]}", project))
        return self.made[-1][0]

    def read(self, path: str, *, project: str = "") -> Json:
        return self.api.get(path, project=project).body

    def put(self, path: str, *, project: str = "", etag: str = "", **changes: Any) -> None:
        """PUT it as it is but for some parts."""
        body = {**self.read(path, project=project), **changes}
        self.api.replace(path, body, project=project, etag=etag)

    def clear(self) -> None:
        for path, project in reversed(self.made):
            try:
                self.api.delete(path, project=project)
            except NotFound:
                continue  # the test did


def name_of(path: str) -> str:
    return path.rsplit("/", 1)[-1]


class IncusConfigRulesSuite:
    """Needs a fixture ``site``."""

    @pytest.fixture
    def place(self, site: Site) -> Iterator[Workplace]:
        workplace = Workplace(site.api)
        yield workplace
        workplace.clear()

    # -- ETags --------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("collection", "parts"),
        [
            ("storage-pools", {"driver": "dir"}),
            ("projects", {}),
            ("network-integrations", {"type": "ovn"}),
            ("network-acls", {}),
            ("network-zones", {}),
            ("networks", {"type": "bridge", "config": QUIET}),
            ("profiles", {}),
        ],
    )
    def test_a_put_with_a_stale_etag_is_refused(self, place: Workplace, collection: str, parts: Json) -> None:
        path = place.make(collection, **parts)
        etag = place.api.get(path).etag
        place.put(path, description="new", etag=etag)
        assert place.read(path)["description"] == "new"
        with pytest.raises(ChangedMeanwhile):
            place.put(path, description="newer", etag=etag)

    def test_a_put_of_a_forward_heeds_no_etag(self, place: Workplace, site: Site) -> None:
        path = place.make("networks", type="bridge", config={**QUIET, "ipv4.address": "10.61.0.1/24"})
        forward = place.make(f"{path}/forwards", key="listen_address", listen_address="198.51.100.9")
        etag = place.api.get(forward).etag
        place.put(forward, description="new", etag=etag)
        assert place.api.get(forward).etag not in ("", etag)
        place.put(forward, description="newer", etag=etag)
        assert place.read(forward)["description"] == "newer"

    # -- what the server makes by itself ------------------------------------------------------------

    def test_a_project_comes_with_an_empty_profile_in_the_servers_own_words(self, place: Workplace) -> None:
        project = name_of(place.make("projects"))
        profile = place.read("profiles/default", project=project)
        assert (profile["config"], profile["devices"]) == ({}, {})
        assert profile["description"] == f"Default Incus profile for project {project}"
        assert place.read("projects/default")["description"] == "Default Incus project"

    # -- networks -----------------------------------------------------------------------------------

    def test_a_new_bridge_gets_addresses_that_only_a_put_takes_away(self, place: Workplace) -> None:
        path = place.make("networks", type="bridge")
        assert {"ipv4.address", "ipv4.nat", "ipv6.address", "ipv6.nat"} <= place.read(path)["config"].keys()
        place.put(path, config={})
        assert place.read(path)["config"] == {}

    def test_a_bridge_has_no_load_balancers_and_no_peers(self, place: Workplace, site: Site) -> None:
        for collection in ("load-balancers", "peers"):
            with pytest.raises(ServerError, match="does not support"):
                place.api.list(f"networks/{site.network}/{collection}")

    def test_what_hangs_on_a_missing_network_or_zone_is_not_found(self, place: Workplace) -> None:
        for path in ("networks/missing/forwards", "network-zones/missing/records"):
            with pytest.raises(NotFound):
                place.api.list(path)

    def test_a_network_needs_the_acls_and_zones_it_names(self, place: Workplace) -> None:
        for key, words in (("security.acls", "does not exist"), ("dns.zone.forward", "not found")):
            with pytest.raises(ServerError, match=words):
                place.make("networks", type="bridge", config={**QUIET, key: "missing"})

    def test_a_zone_of_any_project_will_do(self, place: Workplace) -> None:
        project = place.make("projects", config={"features.networks.zones": "true"})
        zone = place.make("network-zones", project=name_of(project))
        path = place.make("networks", type="bridge", config={**QUIET, "dns.zone.forward": name_of(zone)})
        assert place.read(path)["config"]["dns.zone.forward"] == name_of(zone)

    def test_a_zone_takes_its_records_along(self, place: Workplace) -> None:
        zone = place.make("network-zones")
        record = place.make(f"{zone}/records", entries=[{"type": "A", "ttl": 1, "value": "192.0.2.1"}])
        place.api.delete(zone)
        with pytest.raises(NotFound):
            place.read(record)

    def test_a_zone_tells_its_project_in_lists_only(self, place: Workplace) -> None:
        zone = place.make("network-zones")
        listed = {each["name"]: each for each in place.api.list("network-zones", project=ALL_PROJECTS)}
        assert listed[name_of(zone)]["project"] == "default"
        assert not place.read(zone).get("project")

    # -- ACLs ---------------------------------------------------------------------------------------

    def test_a_rule_can_not_name_an_acl_that_is_not_there(self, place: Workplace) -> None:
        with pytest.raises(ServerError, match="Invalid subject"):
            place.make("network-acls", ingress=[{**ALLOW, "source": "missing"}])

    def test_only_a_put_can_have_an_acl_name_itself(self, place: Workplace) -> None:
        itself = "x" + secrets.token_hex(5)
        rules = [{**ALLOW, "source": itself}]
        with pytest.raises(ServerError, match="Invalid subject"):
            place.make("network-acls", name=itself, ingress=rules)
        path = place.make("network-acls", name=itself)
        place.put(path, ingress=rules)
        assert place.read(path)["ingress"] == rules

    def test_what_is_in_use_can_not_be_deleted(self, place: Workplace) -> None:
        acl, zone = place.make("network-acls"), place.make("network-zones")
        config = {**QUIET, "security.acls": name_of(acl), "dns.zone.forward": name_of(zone)}
        network = place.make("networks", type="bridge", config=config)
        nic = {"type": "nic", "network": name_of(network), "name": "eth0"}
        place.make("profiles", devices={"eth0": nic})
        for path in (acl, zone, network, "storage-pools/default"):
            with pytest.raises(ServerError, match="in use"):
                place.api.delete(path)

    # -- pools --------------------------------------------------------------------------------------

    def test_the_put_of_a_pool_must_repeat_its_source(self, place: Workplace) -> None:
        path = place.make("storage-pools", driver="dir")
        with pytest.raises(ServerError, match="source cannot be changed"):
            place.put(path, config={"user.k": "v"})
        place.put(path, config={**place.read(path)["config"], "user.k": "v"})
        assert place.read(path)["config"]["user.k"] == "v"

    def test_the_server_puts_a_pool_in_a_folder_of_its_name(self, place: Workplace) -> None:
        path = place.make("storage-pools", driver="dir")
        assert place.read(path)["config"]["source"].endswith(f"/storage-pools/{name_of(path)}")

    # -- projects and profiles ----------------------------------------------------------------------

    def test_a_new_project_has_features_unless_told_otherwise(self, place: Workplace) -> None:
        config = place.read(place.make("projects", config={"features.images": "false"}))["config"]
        assert config == {
            "features.images": "false",
            "features.profiles": "true",
            "features.storage.buckets": "true",
            "features.storage.volumes": "true",
        }

    def test_the_default_profile_comes_and_goes_with_the_feature(self, place: Workplace) -> None:
        path = place.make("projects")
        config = place.read(path)["config"]
        found = []
        for value in ("true", "false", "true"):
            place.put(path, config={**config, "features.profiles": value})
            listed = place.api.list("profiles", project=ALL_PROJECTS)
            found.append(any(each["project"] == name_of(path) for each in listed))
        assert found == [True, False, True]

    def test_a_feature_that_is_off_must_not_be_left_out(self, place: Workplace) -> None:
        path = place.make("projects", config={"features.profiles": "false"})
        with pytest.raises(NotFound, match="default profile"):
            place.put(path, config={"user.k": "v"})

    def test_a_project_without_profiles_of_its_own_answers_with_the_default_ones(
        self, place: Workplace
    ) -> None:
        project = name_of(place.make("projects", config={"features.profiles": "false"}))
        profile = place.make("profiles")
        assert place.read(profile, project=project)["project"] == "default"
        place.put(profile, project=project, description="changed")
        assert place.read(profile)["description"] == "changed"
        place.api.delete(profile, project=project)
        with pytest.raises(NotFound):
            place.read(profile)

    def test_default_projects_and_profiles_can_not_be_deleted(self, place: Workplace, site: Site) -> None:
        with pytest.raises(NotAuthorized):
            place.api.delete("projects/default")
        with pytest.raises(NotAuthorized):
            place.api.delete("profiles/default", project=site.project)

    def test_a_feature_of_a_project_in_use_can_not_be_changed(self, place: Workplace) -> None:
        path = place.make("projects")
        place.make("profiles", project=name_of(path))
        with pytest.raises(ServerError, match="empty"):
            place.put(path, config={**place.read(path)["config"], "features.profiles": "false"})

    def test_a_limit_names_a_pool_that_is_there(self, place: Workplace) -> None:
        place.make("projects", config={"limits.disk.pool.default": "1GiB"})
        with pytest.raises(ServerError, match="Invalid project configuration key"):
            place.make("projects", config={"limits.disk.pool.missing": "1GiB"})

    def test_a_profile_needs_its_networks_and_acls_but_not_its_volumes(self, place: Workplace) -> None:
        disk = {"type": "disk", "pool": "default", "source": "missing", "path": "/x"}
        place.make("profiles", devices={"x": disk})
        network = name_of(place.make("networks", type="bridge", config=QUIET))
        for nic in ({"network": "missing"}, {"network": network, "security.acls": "missing"}):
            with pytest.raises(ServerError, match="Device validation failed"):
                place.make("profiles", devices={"x": {"type": "nic", **nic}})

    def test_a_name_in_use_is_a_conflict(self, place: Workplace) -> None:
        for collection in ("network-acls", "network-zones", "profiles", "projects"):
            path = place.make(collection)
            with pytest.raises(Conflict):
                place.api.create(collection, {"name": name_of(path)})
