"""Rules about custom volumes that backups and restores live by: true of Incus, and therefore of the fake."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import frozen

from incusbak.errors import Conflict, NotFound, ServerError
from incusbak.model.documents import Json
from incusbak.ports import ALL_PROJECTS, path_of

from .incus_site import BACKUP, Site, pieces

EXPIRES = "2040-01-01T00:00:00Z"
ON_V1: Mapping[str, Json] = {"d": {"type": "disk", "pool": "default", "source": "v1", "path": "/d"}}


@frozen
class Shed:
    """Where a test keeps its volumes: in pool ``default`` of the site's project, unless told otherwise."""

    site: Site

    def path(self, name: str = "", *more: str, pool: str = "default") -> str:
        ends = [name, *more] if name else []
        return path_of("storage-pools", pool, "volumes", "custom", *ends)

    def make(self, name: str = "v1", pool: str = "default", **parts: Any) -> None:
        self.site.api.create(self.path(pool=pool), {"name": name, **parts}, project=self.site.project)

    def read(self, name: str = "v1", **where: str) -> Json:
        return self.site.api.get(self.path(name, **where), project=self.site.project).body

    def names(self) -> set[str]:
        """Of the volumes; some versions list snapshots as well."""
        listed = self.site.api.list(self.path(), project=self.site.project)
        return {str(each["name"]) for each in listed if "/" not in each["name"]}

    def snapshot(self, name: str, snapshot: str, **parts: Any) -> None:
        body = {"name": snapshot, **parts}
        self.site.api.create(self.path(name, "snapshots"), body, project=self.site.project)

    def snapshots(self, name: str, project: str = "") -> dict[str, Json]:
        listed = self.site.api.list(self.path(name, "snapshots"), project=project or self.site.project)
        return {str(each["name"]).rpartition("/")[2]: each for each in listed}

    def copy(self, source: str, name: str, *, project: str = "", refresh: bool = False, **parts: Any) -> None:
        how = {"type": "copy", "name": source, "pool": "default", "project": self.site.project}
        body = {"name": name, "content_type": "filesystem", **parts}
        body["source"] = {**how, "volume_only": False, "refresh": refresh}
        self.site.api.create(self.path(), body, project=project or self.site.project)

    def archive(self, name: str = "v1", backup: str = "b1") -> bytes:
        body = {**BACKUP, "volume_only": False, "name": backup}
        self.site.api.create(self.path(name, "backups"), body, project=self.site.project)
        path = self.path(name, "backups", backup, "export")
        with self.site.api.download(path, project=self.site.project) as chunks:
            return b"".join(chunks)

    def upload(self, data: bytes, name: str, *, pool: str = "default", **headers: str) -> None:
        named = {"X-Incus-name": name, **headers}
        path = self.path(pool=pool)
        self.site.api.upload(path, pieces(data), headers=named, project=self.site.project)

    def rename(self, name: str, new: str) -> None:
        self.site.api.create(self.path(name), {"name": new}, project=self.site.project)

    def put(self, name: str, **changes: Any) -> None:
        body = {**self.read(name), **changes}
        self.site.api.replace(self.path(name), body, project=self.site.project)


class IncusVolumeRulesSuite:
    """Needs a fixture ``site``."""

    @pytest.fixture
    def shed(self, site: Site) -> Shed:
        return Shed(site)

    # -- what they are ------------------------------------------------------------------------------

    def test_a_volume_has_no_uuid_but_a_moment_that_stays(self, shed: Shed) -> None:
        shed.make()
        before = shed.read()
        shed.rename("v1", "v2")
        assert [key for key in before["config"] if "uuid" in key] == []
        assert shed.read("v2")["created_at"] == before["created_at"]

    def test_users_are_told_for_one_project_with_profiles_and_for_all_without(self, shed: Shed) -> None:
        shed.make()
        api, project = shed.site.api, shed.site.project
        api.create("profiles", {"name": "p", "devices": ON_V1}, project=project)
        shed.site.make("direct", devices=ON_V1)
        shed.site.make("through", profiles=["default", "p"])
        direct, profile = (f"/1.0/{each}?project={project}" for each in ("instances/direct", "profiles/p"))
        assert set(shed.read()["used_by"]) == {direct, profile}
        listed = {
            v["name"]: v for v in api.list(shed.path(), project=ALL_PROJECTS) if v["project"] == project
        }
        assert listed["v1"]["used_by"] == [direct]
        through = f"/1.0/instances/through?project={project}"
        assert api.get("profiles/p", project=project).body["used_by"] == [through]
        (listed_profile,) = (p for p in api.list("profiles", project=ALL_PROJECTS) if p["name"] == "p")
        assert listed_profile["used_by"] == [through]

    def test_a_put_changes_config_and_description(self, shed: Shed) -> None:
        shed.make(config={"user.a": "1"})
        shed.put("v1", config={"user.b": "2"}, description="new")
        assert (shed.read()["config"], shed.read()["description"]) == ({"user.b": "2"}, "new")

    # -- rename and delete --------------------------------------------------------------------------

    def test_a_rename_onto_a_name_in_use_is_a_conflict(self, shed: Shed) -> None:
        shed.make("v1")
        shed.make("v2")
        with pytest.raises(Conflict):
            shed.rename("v1", "v2")

    def test_a_volume_that_a_running_instance_uses_keeps_its_name(self, shed: Shed) -> None:
        shed.make()
        shed.site.make(devices=ON_V1)
        shed.site.act("c1", "start")
        with pytest.raises(ServerError, match="in use"):
            shed.rename("v1", "v2")
        shed.site.stop()
        shed.site.put("c1", devices={})
        shed.rename("v1", "v2")
        assert shed.names() == {"v2"}

    def test_a_volume_in_use_can_not_be_deleted(self, shed: Shed) -> None:
        shed.make()
        shed.site.make(devices=ON_V1)
        with pytest.raises(ServerError, match="in use"):
            shed.site.api.delete(shed.path("v1"), project=shed.site.project)

    def test_a_volume_is_deleted_with_its_snapshots(self, shed: Shed) -> None:
        shed.make()
        shed.snapshot("v1", "s1")
        shed.site.api.delete(shed.path("v1"), project=shed.site.project)
        with pytest.raises(NotFound):
            shed.site.api.delete(shed.path("v1"), project=shed.site.project)
        assert shed.names() == set()

    # -- copies -------------------------------------------------------------------------------------

    def test_a_copy_in_another_project_brings_the_snapshots_with_their_expiry(self, shed: Shed) -> None:
        shed.make(config={"user.a": "1"}, description="original")
        shed.snapshot("v1", "s1", expires_at=EXPIRES)
        before = shed.snapshots("v1")["s1"]
        other = f"{shed.site.project}-other"
        shed.site.api.create("projects", {"name": other, "config": {"features.storage.volumes": "true"}})
        shed.copy("v1", "v2", project=other)
        found = shed.site.api.get(shed.path("v2"), project=other).body
        copied = shed.snapshots("v2", other)["s1"]
        shed.site.api.delete(shed.path("v2"), project=other)
        shed.site.api.delete(path_of("projects", other))
        assert (found["config"], found["description"]) == ({"user.a": "1"}, "original")
        assert found["created_at"] != shed.read()["created_at"]
        assert (copied["created_at"], copied["expires_at"]) == (before["created_at"], EXPIRES)

    def test_a_config_given_for_a_copy_is_all_of_it(self, shed: Shed) -> None:
        shed.make(config={"user.a": "1"})
        shed.copy("v1", "v2", config={"user.b": "2"})
        assert shed.read("v2")["config"] == {"user.b": "2"}

    def test_a_refresh_keeps_the_definition_of_the_copy(self, shed: Shed) -> None:
        shed.make(config={"user.a": "1"})
        shed.copy("v1", "v2", config={"user.b": "2"})
        before = shed.read("v2")
        shed.snapshot("v1", "s1")
        shed.copy("v1", "v2", config={"user.c": "3"}, refresh=True)
        assert shed.read("v2") == before
        assert set(shed.snapshots("v2")) == {"s1"}

    def test_a_copy_can_be_put_back_to_its_snapshot(self, shed: Shed) -> None:
        shed.make(config={"user.a": "1"})
        shed.snapshot("v1", "s1")
        shed.copy("v1", "v2")
        before = shed.read("v2")
        shed.put("v2", restore="s1")
        assert shed.read("v2") == before

    # -- exports and imports ------------------------------------------------------------------------

    def test_an_import_gives_the_volume_as_it_was(self, shed: Shed) -> None:
        shed.make(config={"user.a": "1"}, description="original")
        shed.snapshot("v1", "s1", expires_at=EXPIRES)
        shed.upload(shed.archive(), "v2", pool="bt")
        before, after = shed.read(), shed.read("v2", pool="bt")
        kept = ("config", "content_type", "created_at", "description")
        assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
        path = shed.path("v2", "snapshots", "s1", pool="bt")
        found = shed.site.api.get(path, project=shed.site.project).body
        assert found["expires_at"] == EXPIRES

    def test_an_import_onto_a_name_in_use_fails(self, shed: Shed) -> None:
        shed.make(config={"user.a": "1"})
        archive = shed.archive()
        before = shed.read()
        with pytest.raises(ServerError, match="already exists"):
            shed.upload(archive, "v1")
        assert shed.read() == before

    def test_no_two_pools_can_stage_backups_of_one_name_for_volumes_of_one_name(self, shed: Shed) -> None:
        shed.make("v1")
        shed.make("v1", pool="bt")
        shed.archive("v1", "b1")
        body = {**BACKUP, "name": "b1"}
        path = shed.path("v1", "backups", pool="bt")
        with pytest.raises(Conflict):
            shed.site.api.create(path, body, project=shed.site.project)

    # -- ISO images ---------------------------------------------------------------------------------

    def test_an_iso_takes_a_description_but_no_config(self, shed: Shed) -> None:
        shed.upload(b"iso" * 1000, "i1", **{"X-Incus-type": "iso"})
        document = shed.read("i1")
        assert (document["content_type"], document["config"]) == ("iso", {"size": "3000"})
        shed.put("i1", description="new")
        assert shed.read("i1")["description"] == "new"
        with pytest.raises(ServerError, match="config cannot be changed"):
            shed.put("i1", config={"user.a": "1"})

    def test_an_iso_is_exported_as_it_is_or_not_at_all(self, shed: Shed) -> None:
        shed.upload(b"iso" * 1000, "i1", **{"X-Incus-type": "iso"})
        if shed.site.api.info().has("backup_iso"):
            assert shed.archive("i1") == b"iso" * 1000
        else:
            with pytest.raises(ServerError, match="cannot be backed up"):
                shed.archive("i1")
