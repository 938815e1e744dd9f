"""Rules of the server that backups and restores live by: true of Incus, and therefore of the fake."""

import pytest

from incusbak.errors import Conflict, NotFound, OperationFailed, ServerError
from incusbak.ports import path_of

from .incus_site import Site, layout

MAC = "00:16:3e:00:00:01"
OTHER_MAC = "00:16:3e:00:00:02"


class IncusRulesSuite:
    """Needs a fixture ``site``."""

    # -- state --------------------------------------------------------------------------------------

    def test_a_started_instance_runs_and_a_stopped_one_is_stopped(self, site: Site) -> None:
        site.make()
        before = site.read()
        site.act("c1", "start")
        running = site.read()
        site.stop()
        assert (before["status"], running["status"], site.read()["status"]) == (
            "Stopped",
            "Running",
            "Stopped",
        )
        assert before["last_used_at"] != running["last_used_at"]
        assert running["config"]["volatile.last_state.power"] == "RUNNING"

    def test_each_start_gives_a_nic_another_host_name_and_the_instance_another_etag(self, site: Site) -> None:
        site.make(devices=site.nic())
        site.act("c1", "start")
        first = site.api.get("instances/c1", project=site.project)
        site.stop()
        assert "volatile.eth0.host_name" not in site.read()["config"]
        site.act("c1", "start")
        second = site.api.get("instances/c1", project=site.project)
        names = {each.body["config"]["volatile.eth0.host_name"] for each in (first, second)}
        assert (len(names), first.etag == second.etag) == (2, False)

    def test_the_etag_of_an_instance_changes_with_its_profiles(self, site: Site) -> None:
        site.make()
        before = site.api.get("instances/c1", project=site.project)
        profile = site.api.get("profiles/default", project=site.project).body
        changed = {**profile, "config": {**profile["config"], "user.note": "new"}}
        site.api.replace("profiles/default", changed, project=site.project)
        after = site.api.get("instances/c1", project=site.project)
        assert before.body["config"] == after.body["config"]
        assert before.etag != after.etag

    def test_freezing_can_be_undone(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")
        site.act("c1", "freeze")
        assert site.read()["status"] == "Frozen"
        site.act("c1", "unfreeze")
        assert site.read()["status"] == "Running"

    @pytest.mark.parametrize("action", ["stop", "freeze", "unfreeze"])
    def test_a_stopped_instance_refuses_what_needs_a_running_one(self, site: Site, action: str) -> None:
        site.make()
        with pytest.raises(OperationFailed):
            site.act("c1", action)

    def test_a_running_instance_can_not_be_started(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")
        with pytest.raises(OperationFailed, match="already running"):
            site.act("c1", "start")

    def test_an_ephemeral_instance_vanishes_when_it_stops(self, site: Site) -> None:
        site.make(ephemeral=True)
        site.act("c1", "start")
        site.stop()
        assert site.names() == set()

    def test_ephemeral_can_be_taken_from_a_running_instance(self, site: Site) -> None:
        site.make(ephemeral=True)
        site.act("c1", "start")
        site.put("c1", ephemeral=False)
        site.stop()
        assert site.names() == {"c1"}

    # -- rename and delete --------------------------------------------------------------------------

    def test_a_rename_keeps_uuid_and_snapshots(self, site: Site) -> None:
        site.make()
        uuid = site.read()["config"]["volatile.uuid"]
        site.api.create("instances/c1/snapshots", {"name": "s1"}, project=site.project)
        site.rename("c1", "c2")
        assert site.names() == {"c2"}
        assert site.read("c2")["config"]["volatile.uuid"] == uuid
        assert len(site.api.list("instances/c2/snapshots", project=site.project)) == 1

    def test_a_rename_onto_a_name_in_use_is_a_conflict(self, site: Site) -> None:
        site.make("c1")
        site.make("c2")
        with pytest.raises(Conflict):
            site.rename("c1", "c2")

    def test_a_running_instance_can_not_be_deleted(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")
        with pytest.raises(ServerError, match="running"):
            site.api.delete("instances/c1", project=site.project)

    def test_a_protected_instance_can_not_be_deleted(self, site: Site) -> None:
        site.make(config={"security.protection.delete": "true"})
        with pytest.raises(OperationFailed, match="protect"):
            site.api.delete("instances/c1", project=site.project)
        config = {**site.read()["config"], "security.protection.delete": "false"}
        site.put("c1", config=config)
        site.api.delete("instances/c1", project=site.project)
        assert site.names() == set()

    def test_a_project_that_is_not_empty_can_not_be_deleted(self, site: Site) -> None:
        site.make()
        with pytest.raises(ServerError):
            site.api.delete(path_of("projects", site.project))

    # -- definitions --------------------------------------------------------------------------------

    def test_a_put_without_the_keys_on_the_id_map_fails(self, site: Site) -> None:
        site.make()
        config = {k: v for k, v in site.read()["config"].items() if "idmap" not in k}
        with pytest.raises(OperationFailed, match="idmap"):
            site.put("c1", config=config)

    def test_a_put_can_set_the_uuid(self, site: Site) -> None:
        site.make()
        uuid = "11111111-1111-4111-8111-111111111111"
        site.put("c1", config={**site.read()["config"], "volatile.uuid": uuid})
        assert site.read()["config"]["volatile.uuid"] == uuid

    def test_a_put_can_not_move_the_root_disk(self, site: Site) -> None:
        site.make(devices={"root": {"type": "disk", "path": "/", "pool": "bt"}})
        with pytest.raises(OperationFailed, match="root disk"):
            site.put("c1", devices={})

    def test_a_put_with_a_profile_that_is_not_there_is_not_found(self, site: Site) -> None:
        site.make()
        with pytest.raises(NotFound, match="Profile"):
            site.put("c1", profiles=["default", "no-such-profile"])

    def test_only_the_second_put_brings_back_mac_and_cloud_init_id_of_a_masked_nic(self, site: Site) -> None:
        site.make(devices=site.nic())
        original = site.read()
        keys = ("volatile.eth0.hwaddr", "volatile.cloud-init.instance-id")
        config = {k: v for k, v in original["config"].items() if k not in keys}
        site.put("c1", config=config, devices={"eth0": {"type": "none"}})
        seen = []
        for _ in range(2):
            site.api.replace("instances/c1", original, project=site.project)
            seen.append([site.read()["config"][key] == original["config"][key] for key in keys])
        assert seen == [[False, False], [True, True]]

    def test_a_mac_address_that_another_instance_has_can_not_be_added(self, site: Site) -> None:
        site.make("c1", devices=site.nic(hwaddr=MAC))
        site.make("c2")
        with pytest.raises(Conflict, match="already defined on another NIC"):
            site.put("c2", devices=site.nic(hwaddr=MAC))

    def test_a_mac_address_may_be_there_once_on_each_network(self, site: Site) -> None:
        plain = {"ipv4.address": "none", "ipv6.address": "none"}
        site.api.create("networks", {"name": "br-other", "type": "bridge", "config": plain})
        site.make("c1", devices=site.nic(hwaddr=MAC))
        site.make("c2")
        site.put("c2", devices=site.nic(hwaddr=MAC, network="br-other"))
        assert site.read("c2")["devices"]["eth0"]["hwaddr"] == MAC
        site.api.delete("instances/c2", project=site.project)
        site.api.delete("networks/br-other")

    def test_a_nic_that_stays_is_not_checked(self, site: Site) -> None:
        site.make("c1", devices=site.nic(hwaddr=MAC))
        site.make("c2", devices=site.nic(hwaddr=MAC))
        site.put("c2", description="new")
        assert site.read("c2")["description"] == "new"

    def test_a_stopped_copy_with_the_same_mac_keeps_the_original_from_starting(self, site: Site) -> None:
        site.make("c1", devices=site.nic(hwaddr=MAC))
        site.upload(site.archive(), "c2")
        with pytest.raises(Conflict, match="already defined on another NIC"):
            site.act("c1", "start")
        site.put("c2", devices=site.nic(hwaddr=OTHER_MAC))
        site.act("c1", "start")
        assert site.read("c1")["status"] == "Running"

    def test_an_etag_does_not_cover_the_description(self, site: Site) -> None:
        site.make()
        before = site.api.get("instances/c1", project=site.project).etag
        site.put("c1", description="new")
        assert site.api.get("instances/c1", project=site.project).etag == before

    # -- copies -------------------------------------------------------------------------------------

    def test_a_copy_has_an_identity_of_its_own(self, site: Site) -> None:
        site.make("c1", devices=site.nic(), config={"user.color": "blue"}, description="original")
        site.copy("c1", "c2", devices={"eth0": {"type": "none"}}, config={"user.size": "big"})
        source, copy = site.read("c1"), site.read("c2")
        for key in ("volatile.uuid", "volatile.cloud-init.instance-id"):
            assert source["config"][key] != copy["config"][key]
        assert (copy["config"]["user.color"], copy["config"]["user.size"]) == ("blue", "big")
        assert copy["devices"]["eth0"] == {"type": "none"}
        assert "volatile.eth0.hwaddr" not in copy["config"]
        assert (copy["description"], copy["status"]) == ("", "Stopped")

    def test_a_refresh_keeps_the_definition_of_the_copy(self, site: Site) -> None:
        site.make("c1")
        site.copy("c1", "c2", config={"user.size": "big"})
        before = site.read("c2")["config"]
        site.copy("c1", "c2", config={"user.size": "small"}, refresh=True)
        assert site.read("c2")["config"] == before

    def test_a_copy_brings_its_snapshots_with_their_expiry(self, site: Site) -> None:
        site.make("c1")
        expiry = {"name": "s1", "expires_at": "2040-01-01T00:00:00Z"}
        site.api.create("instances/c1/snapshots", expiry, project=site.project)
        site.copy("c1", "c2")
        found = site.api.get("instances/c2/snapshots/s1", project=site.project).body
        assert found["expires_at"] == "2040-01-01T00:00:00Z"

    def test_a_copy_of_what_is_not_there_is_not_found(self, site: Site) -> None:
        with pytest.raises(NotFound):
            site.copy("c9", "c2")

    def test_a_copy_under_a_name_in_use_is_a_conflict(self, site: Site) -> None:
        site.make("c1")
        site.make("c2")
        with pytest.raises(Conflict):
            site.copy("c1", "c2")

    # -- imports ------------------------------------------------------------------------------------

    def test_an_import_gives_the_instance_as_it_was(self, site: Site) -> None:
        site.make("c1", config={"user.color": "blue"}, devices=site.nic(), description="original")
        site.upload(site.archive(), "c2")
        kept = ("config", "devices", "profiles", "description", "architecture", "ephemeral", "created_at")
        source, found = site.read("c1"), site.read("c2")
        assert {key: found[key] for key in kept} == {key: source[key] for key in kept}
        assert found["status"] == "Stopped"

    def test_an_import_of_a_running_instance_is_stopped_and_remembers_its_power(self, site: Site) -> None:
        site.make("c1")
        site.act("c1", "start")
        site.upload(site.archive(), "c2")
        assert site.read("c2")["status"] == "Stopped"
        assert site.read("c2")["config"]["volatile.last_state.power"] == "RUNNING"

    def test_an_import_forgets_when_snapshots_expire(self, site: Site) -> None:
        site.make("c1")
        expiry = {"name": "s1", "expires_at": "2040-01-01T00:00:00Z"}
        site.api.create("instances/c1/snapshots", expiry, project=site.project)
        site.upload(site.archive(), "c2")
        path = "instances/c2/snapshots/s1"
        assert site.api.get(path, project=site.project).body["expires_at"].startswith("0001-01-01")
        site.api.replace(path, {"expires_at": "2040-01-01T00:00:00Z"}, project=site.project)
        assert site.api.get(path, project=site.project).body["expires_at"] == "2040-01-01T00:00:00Z"

    def test_an_import_onto_another_pool_gets_a_root_disk_there(self, site: Site) -> None:
        site.make("c1")
        site.upload(site.archive(), "c2", pool="bt")
        assert site.read("c2")["devices"]["root"]["pool"] == "bt"

    def test_an_import_onto_no_pool_fails(self, site: Site) -> None:
        site.make("c1")
        with pytest.raises(ServerError, match="Storage pool not found"):
            site.upload(site.archive(), "c2", pool="no-such-pool")

    def test_an_import_whose_profile_is_missing_fails(self, site: Site) -> None:
        site.api.create("profiles", {"name": "p1"}, project=site.project)
        site.make("c1", profiles=["default", "p1"])
        archive = site.archive()
        site.api.delete("instances/c1", project=site.project)
        site.api.delete("profiles/p1", project=site.project)
        with pytest.raises(OperationFailed, match="Profile not found"):
            site.upload(archive, "c2")
        assert site.names() == set()

    def test_an_optimized_archive_fits_the_same_driver_only(self, site: Site) -> None:
        site.make("c1", devices={"root": {"type": "disk", "path": "/", "pool": "bt"}})
        archive = site.archive(optimized_storage=True)
        with pytest.raises(ServerError, match="differs"):
            site.upload(archive, "c2", pool="default")
        site.upload(archive, "c3", pool="bt")
        assert site.names() == {"c1", "c3"}

    def test_an_archive_cut_inside_of_a_member_is_refused(self, site: Site) -> None:
        site.make("c1")
        archive = site.archive()
        largest = max(layout(archive), key=lambda member: member.size)
        with pytest.raises(ServerError):
            site.upload(archive[: largest.offset_data + largest.size // 2], "c2")
        assert site.names() == {"c1"}

    def test_an_archive_cut_between_two_members_is_taken_for_a_whole_one(self, site: Site) -> None:
        site.make("c1")
        archive = site.archive()
        site.upload(archive[: layout(archive)[-1].offset], "c2")
        assert site.names() == {"c1", "c2"}
