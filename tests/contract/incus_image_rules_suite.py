"""Rules about images that backups and restores live by: true of Incus, and therefore of the fake."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from attrs import frozen

from incusbak.errors import ChangedMeanwhile, Conflict, NotFound, OperationFailed, ServerError
from incusbak.model.documents import Json
from incusbak.ports import IncusApi, path_of
from tests.image_samples import fingerprint_of, metadata_of, squashfs_of, unified_of

from .incus_site import Site, pieces

NEVER, LONG_AGO = "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"
LATER = "2091-01-02T03:04:05Z"
BOUNDARY = "0123456789"
ONE, METADATA, ROOTFS = unified_of("one"), metadata_of("two"), squashfs_of("two")


@frozen
class Gallery:
    """Two projects with images of their own, one without."""

    api: IncusApi
    first: str
    second: str
    guest: str

    def upload(self, data: bytes = ONE, *, project: str = "", **headers: str) -> str:
        sent = {f"X-Incus-{name}": value for name, value in headers.items()}
        return self._post(data, sent, project or self.first)

    def upload_parts(self, rootfs: str = "rootfs", *, project: str = "", cut: int = 0) -> str:
        body = b""
        for name, content in (("metadata", METADATA), (rootfs, ROOTFS)):
            head = f'Content-Disposition: form-data; name="{name}"; filename="{name}"'
            body += f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        body += f"--{BOUNDARY}--\r\n".encode()
        return self._post(body[: len(body) - cut], headers, project or self.first)

    def _post(self, data: bytes, headers: Mapping[str, str], project: str) -> str:
        answer = self.api.upload("images", pieces(data), headers=headers, project=project)
        return str(answer["metadata"]["fingerprint"])

    def read(self, fingerprint: str, project: str = "") -> Json:
        return self.api.get(path_of("images", fingerprint), project=project or self.first).body

    def content(self, fingerprint: str, project: str = "") -> bytes:
        path = path_of("images", fingerprint, "export")
        with self.api.download(path, project=project or self.first) as chunks:
            return b"".join(chunks)

    def put(self, fingerprint: str, *, etag: str = "", **changes: Any) -> None:
        body = {**self.read(fingerprint), **changes}
        self.api.replace(path_of("images", fingerprint), body, project=self.first, etag=etag)

    def add_alias(self, name: str, target: str, description: str = "") -> None:
        body = {"name": name, "target": target, "description": description}
        self.api.create("images/aliases", body, project=self.first)

    def fingerprints(self, project: str = "") -> list[str]:
        return [str(each["fingerprint"]) for each in self.api.list("images", project=project or self.first)]


class IncusImageRulesSuite:
    """Needs a fixture ``site``."""

    @pytest.fixture
    def gallery(self, site: Site) -> Iterator[Gallery]:
        gallery = Gallery(site.api, *(f"{site.project}-{name}" for name in ("first", "second", "guest")))
        for project in (gallery.first, gallery.second, gallery.guest):
            own = str(project != gallery.guest).lower()
            body = {"name": project, "config": {"features.images": own, "features.profiles": "true"}}
            site.api.create("projects", body)
        yield gallery
        for project in (gallery.first, gallery.second):
            for fingerprint in gallery.fingerprints(project):
                site.api.delete(path_of("images", fingerprint), project=project)
        for project in (gallery.first, gallery.second, gallery.guest):
            site.api.delete(path_of("projects", project))

    # -- content ------------------------------------------------------------------------------------

    def test_an_image_of_one_file_comes_back_as_it_went(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        assert fingerprint == fingerprint_of(ONE)
        assert gallery.content(fingerprint) == ONE

    def test_an_image_of_two_files_is_known_by_the_hash_of_both(self, gallery: Gallery) -> None:
        assert gallery.upload_parts() == fingerprint_of(METADATA, ROOTFS)

    def test_an_image_of_two_files_comes_as_multipart_whose_end_is_there_twice(
        self, gallery: Gallery
    ) -> None:
        body = gallery.content(gallery.upload_parts())
        boundary, _, rest = body.partition(b"\r\n")
        assert rest.startswith(b'Content-Disposition: form-data; name="metadata"')
        assert body.count(METADATA) == body.count(ROOTFS) == 1
        assert body.endswith(b"\r\n" + boundary + b"--\r\n\r\n" + boundary + b"--\r\n")

    @pytest.mark.parametrize(("rootfs", "kind"), [("rootfs", "container"), ("rootfs.img", "virtual-machine")])
    def test_the_name_of_the_second_part_tells_what_it_is_for(
        self, gallery: Gallery, rootfs: str, kind: str
    ) -> None:
        assert gallery.read(gallery.upload_parts(rootfs))["type"] == kind

    def test_an_import_keeps_what_its_headers_say(self, gallery: Gallery) -> None:
        found = gallery.read(gallery.upload(filename="one.tar", properties="a+b=%C3%BC%26&mark=1"))
        properties = found["properties"]
        assert (properties["a b"], properties["mark"]) == ("ü&", "1")
        assert (found["filename"], found["public"], found["auto_update"]) == ("one.tar", False, False)
        assert (found["profiles"], found["expires_at"], found["aliases"]) == (["default"], NEVER, [])

    def test_an_import_that_is_not_what_it_says_leaves_nothing(self, gallery: Gallery) -> None:
        with pytest.raises(OperationFailed, match="fingerprints don't match"):
            gallery.upload(fingerprint="0" * 64)
        assert gallery.fingerprints() == []

    def test_a_cut_import_leaves_nothing(self, gallery: Gallery) -> None:
        with pytest.raises(ServerError):
            gallery.upload_parts(cut=100)
        assert gallery.fingerprints() == []

    def test_an_image_that_is_there_can_not_be_imported_again(self, gallery: Gallery) -> None:
        gallery.upload()
        with pytest.raises(Conflict, match="already exists"):
            gallery.upload()

    # -- projects -----------------------------------------------------------------------------------

    def test_an_image_of_two_projects_outlives_its_deletion_from_one(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        gallery.upload(project=gallery.second)
        gallery.api.delete(path_of("images", fingerprint), project=gallery.first)
        assert gallery.fingerprints() == []
        assert gallery.content(fingerprint, gallery.second) == ONE

    def test_all_images_are_listed_with_their_projects_and_aliases(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        gallery.upload(project=gallery.second)
        gallery.add_alias("a1", fingerprint, "first")
        listed = [
            (each["project"], each["aliases"])
            for each in gallery.api.list("images", project="*")
            if each["fingerprint"] == fingerprint
        ]
        assert listed == [(gallery.first, [{"name": "a1", "description": "first"}]), (gallery.second, [])]

    def test_a_project_without_images_uses_those_of_default(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload(project="default")
        try:
            assert fingerprint in gallery.fingerprints(gallery.guest)
            assert gallery.read(fingerprint, gallery.guest)["project"] == "default"
        finally:
            gallery.api.delete(path_of("images", fingerprint), project=gallery.guest)
        assert fingerprint not in gallery.fingerprints("default")

    def test_a_project_with_images_can_not_be_deleted(self, gallery: Gallery) -> None:
        gallery.upload()
        with pytest.raises(ServerError):
            gallery.api.delete(path_of("projects", gallery.first))

    # -- definitions --------------------------------------------------------------------------------

    def test_a_put_changes_all_that_is_not_content(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        wanted: dict[str, Any] = {
            "auto_update": True,
            "expires_at": LATER,
            "profiles": [],
            "properties": {"os": "ü"},
            "public": True,
        }
        gallery.put(fingerprint, **wanted)
        found = gallery.read(fingerprint)
        assert {key: found[key] for key in wanted} == wanted

    def test_an_expiry_is_cleared_by_a_date_long_ago_not_by_never(self, gallery: Gallery) -> None:
        fingerprint, seen = gallery.upload(), []
        for date in (LATER, NEVER, LONG_AGO):
            gallery.put(fingerprint, expires_at=date)
            seen.append(gallery.read(fingerprint)["expires_at"])
        assert seen == [LATER, LATER, LONG_AGO]

    def test_a_put_with_a_profile_that_is_not_there_fails(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        with pytest.raises(ServerError, match="doesn't exist"):
            gallery.put(fingerprint, profiles=["no-such-profile"])

    def test_an_etag_covers_properties_but_no_aliases(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        etag = gallery.api.get(path_of("images", fingerprint), project=gallery.first).etag
        gallery.add_alias("a1", fingerprint)
        gallery.put(fingerprint, etag=etag, properties={"os": "other"})
        with pytest.raises(ChangedMeanwhile):
            gallery.put(fingerprint, etag=etag, properties={"os": "third"})

    # -- aliases ------------------------------------------------------------------------------------

    def test_an_alias_can_be_described_anew(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        gallery.add_alias("os/1", fingerprint, "old")
        path = path_of("images", "aliases", "os/1")
        found = gallery.api.get(path, project=gallery.first)
        body = {"target": fingerprint, "description": "ü"}
        gallery.api.replace(path, body, project=gallery.first, etag=found.etag)
        assert gallery.read(fingerprint)["aliases"] == [{"name": "os/1", "description": "ü"}]
        assert found.body["target"] == fingerprint

    def test_an_alias_points_to_one_image(self, gallery: Gallery) -> None:
        first, second = gallery.upload(), gallery.upload_parts()
        gallery.add_alias("a1", first)
        with pytest.raises(Conflict, match="already exists"):
            gallery.add_alias("a1", second)

    def test_an_alias_goes_with_its_image(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        gallery.add_alias("a1", fingerprint)
        gallery.api.delete(path_of("images", fingerprint), project=gallery.first)
        with pytest.raises(NotFound):
            gallery.api.get("images/aliases/a1", project=gallery.first)

    def test_an_alias_can_be_deleted_alone(self, gallery: Gallery) -> None:
        fingerprint = gallery.upload()
        gallery.add_alias("a1", fingerprint)
        gallery.api.delete("images/aliases/a1", project=gallery.first)
        assert gallery.read(fingerprint)["aliases"] == []
