"""Rules of projects with limits or restrictions: true of Incus, and therefore of the fake."""

import io
import tarfile
from collections.abc import Mapping
from contextlib import suppress

import pytest

from incusbak.errors import ServerError
from incusbak.kinds.archive.definitions import dump_definition
from incusbak.model.documents import Json
from incusbak.ports import path_of

from .incus_site import Site

UUID = "11111111-1111-4111-8111-111111111111"
IDS = ("volatile.uuid", "volatile.uuid.generation", "volatile.cloud-init.instance-id")


def configure(site: Site, config: Mapping[str, str]) -> None:
    project = site.api.get(path_of("projects", site.project)).body
    body = {"description": "", "config": {**project["config"], **config}}
    site.api.replace(path_of("projects", site.project), body)


def give_limits(site: Site, config: Mapping[str, str]) -> None:
    """Have the default profile say so."""
    profile = site.api.get("profiles/default", project=site.project).body
    site.api.replace("profiles/default", {**profile, "config": dict(config)}, project=site.project)


def index_alone(definition: Json) -> bytes:
    """An archive with nothing in it but what it says it is."""
    index = {"name": "c9", "backend": "dir", "pool": "p", "optimized": False, "type": "container"}
    content = dump_definition({**index, "config": {"container": {**definition, "type": "container"}}})
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("backup/index.yaml")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


class IncusGuardedRulesSuite:
    """Needs a fixture ``site``."""

    def test_a_put_can_not_set_or_change_most_volatile_keys(self, site: Site) -> None:
        """In a restricted project; 6.0 is as strict where there are only limits, 7.0 is not."""
        site.make()
        configure(site, {"restricted": "true"})
        before = site.read()["config"]
        for key in ("volatile.uuid", "volatile.new"):
            with pytest.raises(ServerError, match="is forbidden"):
                site.put("c1", config={**before, key: UUID})
        assert site.read()["config"] == before
        left = {k: v for k, v in before.items() if k != "volatile.cloud-init.instance-id"}
        site.put("c1", config={**left, "volatile.eth0.hwaddr": "00:16:3e:00:00:01", "user.note": "new"})
        assert site.read()["config"]["volatile.eth0.hwaddr"] == "00:16:3e:00:00:01"

    def test_a_project_that_allows_low_level_options_guards_no_key(self, site: Site) -> None:
        site.make()
        configure(site, {"restricted": "true", "restricted.containers.lowlevel": "allow"})
        site.put("c1", config={**site.read()["config"], "volatile.uuid": UUID})
        assert site.read()["config"]["volatile.uuid"] == UUID

    def test_what_an_import_would_be_refused_for_is_said_before_that_its_pool_is_missing(
        self, site: Site
    ) -> None:
        configure(site, {"limits.instances": "1", "limits.memory": "100MiB"})
        root = {"root": {"type": "disk", "path": "/", "pool": "default"}}
        fine: Json = {"config": {"limits.memory": "100MiB"}, "devices": root, "profiles": []}
        said = {
            "no-such-pool": "Storage pool not found",
            "no limit": 'has no "limits.memory" config',
            "too much": "Reached maximum aggregate value",
        }
        archives = {
            "no-such-pool": fine,
            "no limit": {**fine, "config": {}},
            "too much": {**fine, "config": {"limits.memory": "101MiB"}},
        }
        for name, words in said.items():
            with pytest.raises(ServerError, match=words):
                site.upload(index_alone(archives[name]), "c9", pool="no-such-pool")
        give_limits(site, {"limits.memory": "50MiB"})
        site.make("c1")
        with pytest.raises(ServerError, match="Reached maximum number of instances"):
            site.upload(index_alone(fine), "c9", pool="no-such-pool")
        assert site.names() == {"c1"}

    def test_an_import_gets_new_ids_or_is_refused_and_a_move_gets_new_ids(self, site: Site) -> None:
        """Refused by 6.0; how the files lie on disk is kept."""
        site.make("c1")
        archive, before = site.archive(), site.read("c1")["config"]
        site.api.create("projects", {"name": "way", "config": {"features.profiles": "false"}})
        headers = {"X-Incus-name": "c3", "X-Incus-pool": "default"}
        site.api.upload("instances", [archive], headers=headers, project="way")
        configure(site, {"restricted": "true"})
        body = {"name": "c3", "project": site.project, "migration": True}
        site.api.create("instances/c3", body, project="way")
        site.api.delete("projects/way")
        with suppress(ServerError):
            site.upload(archive, "c2")
        there = site.names() - {"c1"}
        assert "c3" in there
        for name in there:
            config = site.read(name)["config"]
            assert [config[key] == before[key] for key in IDS] == [False] * 3
            kept = ("volatile.base_image", "volatile.idmap.base", "volatile.idmap.next")
            assert [config[key] for key in kept] == [before[key] for key in kept]

    def test_the_state_of_a_project_tells_its_limits_and_how_much_is_taken(self, site: Site) -> None:
        give_limits(site, {"limits.memory": "50MiB"})
        site.make("c1")
        configure(site, {"limits.instances": "3", "limits.memory": "200MiB"})
        found = site.api.get(path_of("projects", site.project, "state")).body["resources"]
        mebibyte = 1 << 20
        assert found["memory"] == {"Limit": 200 * mebibyte, "Usage": 50 * mebibyte}
        assert found["instances"] == {"Limit": 3, "Usage": 1}
        assert found["containers"] == {"Limit": -1, "Usage": 1}
