"""The contract of ``IncusApi``, a test for each of its statements; fake and real servers pass it alike."""

from collections.abc import Iterator

import pytest

from incusbak.errors import ChangedMeanwhile, Conflict, NotFound, OperationFailed, ServerError, Stopped
from incusbak.model.documents import Json
from incusbak.ports import ALL_PROJECTS, path_of

from .incus_site import BACKUP, Site, eventually, members


class IncusApiSuite:
    """Needs a fixture ``site``."""

    def test_info_says_who_the_server_is_and_what_it_can_do(self, site: Site) -> None:
        info = site.api.info()
        assert len(info.fingerprint) == 64
        assert info.name
        assert info.version

    # -- get and list -------------------------------------------------------------------------------

    def test_get_gives_one_object(self, site: Site) -> None:
        site.make(config={"user.color": "blue"})
        document = site.read()
        assert (document["name"], document["project"]) == ("c1", site.project)
        assert document["config"]["user.color"] == "blue"

    def test_get_gives_an_etag_that_changes_with_the_object(self, site: Site) -> None:
        site.make()
        first = site.api.get("instances/c1", project=site.project).etag
        again = site.api.get("instances/c1", project=site.project).etag
        site.put("c1", config={**site.read()["config"], "user.color": "red"})
        changed = site.api.get("instances/c1", project=site.project).etag
        assert first == again
        assert first != changed

    def test_an_object_that_is_not_there_is_not_found(self, site: Site) -> None:
        for path in ("instances/c9", "profiles/p9", "storage-pools/p9", "projects/p9", "nonsense/x"):
            with pytest.raises(NotFound, match=path):
                site.api.get(path, project=site.project)

    def test_an_object_of_a_project_that_is_not_there_is_not_found(self, site: Site) -> None:
        with pytest.raises(NotFound):
            site.api.get("instances/c1", project="no-such-project")

    def test_list_gives_full_documents(self, site: Site) -> None:
        site.make("c1")
        site.make("c2")
        found = site.api.list("instances", project=site.project)
        assert sorted(found, key=lambda each: str(each["name"])) == [site.read("c1"), site.read("c2")]

    def test_list_without_recursion_gives_urls(self, site: Site) -> None:
        site.make()
        found = site.api.list("instances", project=site.project, recursion=0)
        assert found == ({"url": f"/1.0/instances/c1?project={site.project}"},)

    def test_list_covers_all_projects(self, site: Site) -> None:
        site.make()
        found = site.api.list("instances", project=ALL_PROJECTS)
        assert (site.project, "c1") in {(each["project"], each["name"]) for each in found}

    def test_an_empty_collection_is_empty(self, site: Site) -> None:
        assert site.api.list("instances", project=site.project) == ()

    def test_a_collection_of_a_project_that_is_not_there_is_empty(self, site: Site) -> None:
        assert site.api.list("instances", project="no-such-project") == ()

    def test_a_collection_inside_of_nothing_is_not_found(self, site: Site) -> None:
        for path in ("instances/c9/snapshots", "storage-pools/p9/volumes"):
            with pytest.raises(NotFound, match=path):
                site.api.list(path, project=site.project)

    @pytest.mark.parametrize("path", ["projects", "profiles", "storage-pools", "networks"])
    def test_what_surrounds_instances_can_be_listed(self, site: Site, path: str) -> None:
        assert {"name", "config", "description"} <= set(site.api.list(path)[0])

    def test_volumes_of_a_pool_can_be_listed(self, site: Site) -> None:
        site.api.create("storage-pools/default/volumes/custom", {"name": "v1"}, project=site.project)
        path = "storage-pools/default/volumes/custom"
        full = site.api.list(path, project=ALL_PROJECTS)
        urls = site.api.list(path, project=ALL_PROJECTS, recursion=0)
        assert (site.project, "v1") in {(each["project"], each["name"]) for each in full}
        assert {"url": f"/1.0/{path}/v1?project={site.project}"} in urls
        site.api.delete(path_of("storage-pools", "default", "volumes", "custom", "v1"), project=site.project)

    # -- create -------------------------------------------------------------------------------------

    def test_create_waits_and_returns_the_operation_with_its_resources(self, site: Site) -> None:
        operation = site.make()
        assert operation["status"] == "Success"
        assert f"/1.0/instances/c1?project={site.project}" in operation["resources"]["instances"]
        assert site.names() == {"c1"}

    def test_create_returns_the_direct_answer_where_there_is_no_operation(self, site: Site) -> None:
        assert site.api.create("profiles", {"name": "p1"}, project=site.project) == {}
        assert site.api.get("profiles/p1", project=site.project).body["name"] == "p1"

    def test_create_of_a_name_that_is_taken_is_a_conflict(self, site: Site) -> None:
        site.make()
        site.stage("c1", "b1")
        site.api.create("instances/c1/snapshots", {"name": "s1"}, project=site.project)
        site.api.create("profiles", {"name": "p1"}, project=site.project)
        taken: list[tuple[str, Json]] = [
            ("instances", {"name": "c1", "source": {"type": "image", "alias": "mini"}}),
            ("instances/c1/snapshots", {"name": "s1"}),
            ("instances/c1/backups", {**BACKUP, "name": "b1"}),
            ("profiles", {"name": "p1"}),
            ("projects", {"name": site.project}),
            ("storage-pools", {"name": "default", "driver": "dir"}),
        ]
        for path, body in taken:
            with pytest.raises(Conflict, match=path):
                site.api.create(path, body, project=site.project)

    def test_an_operation_that_fails_says_why(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")
        with pytest.raises(OperationFailed, match=r"POST /1\.0/instances/c1: Renaming of running instance"):
            site.rename("c1", "c2")

    def test_an_exception_of_watch_comes_out_and_the_operation_goes_on(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")

        def watch(words: str) -> None:
            raise Stopped(f"told to stop {words}".strip())

        body = {"action": "stop", "force": True, "timeout": 30}
        with pytest.raises(Stopped, match=r"^told to stop$"):
            site.api.replace("instances/c1/state", body, project=site.project, watch=watch)
        assert eventually(lambda: site.read()["status"] == "Stopped")

    def test_running_operations_can_be_read(self, site: Site) -> None:
        assert set(site.api.get("operations", project=site.project).body) <= {"running", "success", "failure"}

    # -- replace and delete -------------------------------------------------------------------------

    def test_replace_waits_until_it_is_done(self, site: Site) -> None:
        site.make()
        site.put("c1", description="new")
        assert site.read()["description"] == "new"

    def test_replace_takes_a_matching_etag(self, site: Site) -> None:
        site.make()
        seen = site.api.get("instances/c1", project=site.project)
        wanted = {**seen.body, "description": "new"}
        site.api.replace("instances/c1", wanted, project=site.project, etag=seen.etag)
        assert site.read()["description"] == "new"

    def test_replace_refuses_an_etag_that_no_longer_matches(self, site: Site) -> None:
        site.make()
        seen = site.api.get("instances/c1", project=site.project)
        site.put("c1", config={**site.read()["config"], "user.color": "red"})
        with pytest.raises(ChangedMeanwhile):
            site.api.replace("instances/c1", seen.body, project=site.project, etag=seen.etag)
        assert site.read()["config"]["user.color"] == "red"

    def test_replace_of_what_is_not_there_is_not_found(self, site: Site) -> None:
        with pytest.raises(NotFound):
            site.api.replace("instances/c9", {"config": {}}, project=site.project)

    def test_delete_waits_until_it_is_gone(self, site: Site) -> None:
        site.make()
        site.api.delete("instances/c1", project=site.project)
        assert site.names() == set()

    def test_delete_of_what_is_not_there_is_not_found(self, site: Site) -> None:
        with pytest.raises(NotFound):
            site.api.delete("instances/c9", project=site.project)

    # -- streams ------------------------------------------------------------------------------------

    def test_download_streams_what_the_server_sends(self, site: Site) -> None:
        site.make()
        with site.api.download(site.stage(), project=site.project) as chunks:
            archive = b"".join(chunks)
        assert {"backup/index.yaml", "backup/container/backup.yaml"} <= members(archive)
        assert archive.endswith(bytes(1024))

    def test_download_of_what_is_not_there_is_not_found(self, site: Site) -> None:
        site.make()
        with (
            pytest.raises(NotFound),
            site.api.download("instances/c1/backups/b9/export", project=site.project),
        ):
            pass

    def test_an_exception_of_the_reader_comes_out_of_download(self, site: Site) -> None:
        site.make()
        path = site.stage()

        def read() -> None:
            with site.api.download(path, project=site.project) as chunks:
                next(chunks)
                raise OSError("disk full")

        with pytest.raises(OSError, match=r"^disk full$"):
            read()

    def test_download_with_a_body_streams_a_direct_backup(self, site: Site) -> None:
        if not site.api.info().has("direct_backup"):
            pytest.skip("this server has no direct_backup")
        site.make()
        with site.api.download("instances/c1/backups", project=site.project, body=BACKUP) as chunks:
            archive = b"".join(chunks)
        assert {"backup/index.yaml", "backup/container/backup.yaml"} <= members(archive)
        assert site.api.list("instances/c1/backups", project=site.project) == ()

    def test_a_server_without_direct_backup_is_found_out(self, site: Site) -> None:
        if site.api.info().has("direct_backup"):
            pytest.skip("this server has direct_backup")
        site.make()
        with (
            pytest.raises(ServerError),
            site.api.download("instances/c1/backups", project=site.project, body=BACKUP),
        ):
            pass

    def test_a_direct_backup_of_what_is_not_there_is_not_found(self, site: Site) -> None:
        with (
            pytest.raises(NotFound),
            site.api.download("instances/c9/backups", project=site.project, body=BACKUP),
        ):
            pass

    def test_upload_waits_and_returns_the_operation_with_its_resources(self, site: Site) -> None:
        site.make()
        operation = site.upload(site.archive(), "c2")
        assert f"/1.0/instances/c2?project={site.project}" in operation["resources"]["instances"]
        assert site.names() == {"c1", "c2"}

    def test_upload_under_a_name_that_is_taken_is_a_conflict(self, site: Site) -> None:
        site.make()
        with pytest.raises(Conflict):
            site.upload(site.archive(), "c1")

    def test_upload_of_something_else_fails(self, site: Site) -> None:
        with pytest.raises(ServerError, match="Unsupported compression"):
            site.upload(b"not an archive" * 100_000, "c2")

    @pytest.mark.parametrize(
        "error", [BrokenPipeError(32, "mine"), ConnectionResetError(104, "mine"), Stopped()]
    )
    def test_an_exception_of_the_chunks_comes_out_of_upload_as_it_is(
        self, site: Site, error: Exception
    ) -> None:
        site.make()
        archive = site.archive()

        def chunks() -> Iterator[bytes]:
            yield archive[: len(archive) // 2]
            raise error

        with pytest.raises(type(error)) as caught:
            site.api.upload("instances", chunks(), headers={"X-Incus-name": "c2"}, project=site.project)
        assert caught.value is error
        assert site.names() == {"c1"}
