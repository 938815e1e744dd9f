"""An image comes back to all its projects as it was; with nothing but its files, to one."""

import io
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.image_samples import metadata_of, unified_of
from tests.live.gallery import (
    EXPIRES,
    MB,
    Gallery,
    add_rich,
    change,
    make_gallery,
    split_files,
    stored,
    unified_file,
)
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.tool import Tool


@pytest.fixture
def gallery(incus_server: Daemon, workdir: Path) -> Iterator[Gallery]:
    with make_gallery(incus_server, workdir) as gallery:
        yield gallery


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ("unified", {"image.tar.gz"}),
        ("split", {"metadata.tar", "rootfs.squashfs"}),
    ],
)
def test_all_of_an_image_comes_back(gallery: Gallery, tool: Tool, files: str, names: set[str]) -> None:
    content = split_files(gallery.folder) if files == "split" else (unified_file(),)
    fingerprint = add_rich(gallery, *content)
    before = gallery.seen(fingerprint)
    assert len(before) == 2
    tool.do("backup", "images", fingerprint, "--project", "*")
    assert gallery.seen(fingerprint) == before
    found = {path.name for path in stored(tool, fingerprint).iterdir()}
    assert found == names | {"manifest.json", "checksums.txt"}
    gallery.delete(fingerprint)
    assert gallery.seen(fingerprint) == {}

    tool.do("restore", "images", fingerprint, "--project", "*")
    assert gallery.seen(fingerprint) == before
    assert tool.leftovers() == []
    for project in gallery.projects:
        project.launch("c1", image="latest")
        assert project.exec("c1", ["echo", "it runs"]) == "it runs\n"


def test_an_image_can_come_back_to_one_of_its_projects(gallery: Gallery, tool: Tool) -> None:
    fingerprint = add_rich(gallery, unified_of("one"))
    before = gallery.seen(fingerprint)
    tool.do("backup", "images", "os/1", "--project", gallery.first.name)
    gallery.delete(fingerprint)
    tool.do("restore", "images", fingerprint, "--project", gallery.second.name)
    assert gallery.seen(fingerprint) == {gallery.second.name: before[gallery.second.name]}


def test_an_image_that_is_there_gets_its_definition_back(gallery: Gallery, tool: Tool) -> None:
    """And is imported where it is missing; a project that the backup does not know keeps it as it is."""
    fingerprint = gallery.add(unified_of("two"), to=gallery.first, properties={"note": "old"})
    gallery.add(unified_of("two"), to=gallery.second)
    for name in ("a1", "a2"):
        body = {"name": name, "target": fingerprint, "description": name}
        gallery.first.api("POST", "/1.0/images/aliases", body)
    before = gallery.seen(fingerprint)
    tool.do("backup", "images", fingerprint, "--project", "*")
    gallery.second.api("DELETE", f"/1.0/images/{fingerprint}")
    changes: dict[str, Any] = {"expires_at": EXPIRES, "public": True, "profiles": []}
    change(gallery.first, fingerprint, properties={"note": "new"}, **changes)
    gallery.first.api("DELETE", "/1.0/images/aliases/a1")
    gallery.first.api("PUT", "/1.0/images/aliases/a2", {"target": fingerprint, "description": "new"})
    gallery.first.api("POST", "/1.0/images/aliases", {"name": "a3", "target": fingerprint})
    bystander = gallery.add(unified_of("other"), to=gallery.first)

    refused = tool.run("restore", "images", fingerprint, "--project", "*")
    assert refused.code != 0
    tool.do("restore", "images", fingerprint, "--project", "*", "--replace", "--yes")
    after = gallery.seen(fingerprint)
    after[gallery.first.name]["expires_at"] = before[gallery.first.name][
        "expires_at"
    ]  # never, said otherwise
    assert after == before
    assert [*gallery.seen(bystander)] == [gallery.first.name]


def test_what_did_not_change_is_not_backed_up_again(gallery: Gallery, tool: Tool) -> None:
    fingerprint = gallery.add(unified_of("three"), to=gallery.first)
    for _ in range(2):
        tool.do("backup", "images", fingerprint, "--project", gallery.first.name)
    assert stored(tool, fingerprint)
    gallery.first.api("POST", "/1.0/images/aliases", {"name": "new", "target": fingerprint})
    tool.do("backup", "images", "new", "--project", gallery.first.name)
    assert len([*(tool.repository / "images" / fingerprint).iterdir()]) == 2


# -- what must not happen ---------------------------------------------------------------------------


def test_damage_is_found_before_the_server_is_touched(
    gallery: Gallery, watched_tool: Tool, fault_proxy: FaultProxy
) -> None:
    fingerprint = gallery.add(metadata_of("four"), b"hsqs" + os.urandom(MB), to=gallery.first)
    watched_tool.do("backup", "images", fingerprint, "--project", gallery.first.name)
    gallery.delete(fingerprint)
    rootfs = stored(watched_tool, fingerprint) / "rootfs.squashfs"
    with rootfs.open("r+b") as file:
        file.seek(MB // 2)
        byte = file.read(1)
        file.seek(-1, io.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    result = watched_tool.run("restore", "images", fingerprint, "--project", gallery.first.name)
    assert result.code == 6
    assert "rootfs.squashfs" in result.err
    assert fault_proxy.writes() == []
    assert watched_tool.leftovers() == []


def test_an_alias_that_another_image_gets_after_the_plan_is_not_taken(
    gallery: Gallery, watched_tool: Tool, fault_proxy: FaultProxy
) -> None:
    """What it has before is said in the plan, see ``test_one_owner``."""
    fingerprint = add_rich(gallery, unified_of("five"))
    watched_tool.do("backup", "images", fingerprint, "--project", "*")
    gallery.delete(fingerprint)
    other = gallery.add(unified_of("six"), to=gallery.second)
    plan = str(watched_tool.folder / "plan.json")
    watched_tool.do("restore", "images", fingerprint, "--project", "*", "--out", plan)
    gallery.second.api("POST", "/1.0/images/aliases", {"name": "latest", "target": other})
    result = watched_tool.run("apply", plan)
    assert result.code == 1
    assert f"the alias latest in project {gallery.second.name} points to another image, {other}" in result.err
    assert (fault_proxy.writes(), gallery.seen(fingerprint)) == ([], {})
    assert watched_tool.leftovers() == []


def test_a_project_without_images_of_its_own_is_refused(
    gallery: Gallery, project: Project, tool: Tool
) -> None:
    """The image would end up in the default project, under everybody's eyes."""
    fingerprint = gallery.add(unified_of("seven"), to=gallery.first)
    tool.do("backup", "images", fingerprint, "--project", gallery.first.name)
    gallery.delete(fingerprint)
    there = ("--project", gallery.first.name, "--project-map", f"{gallery.first.name}={project.name}")
    result = tool.run("restore", "images", fingerprint, *there)
    assert (result.code, gallery.seen(fingerprint)) == (1, {})
    assert "has no images of its own" in result.err


# -- without this tool ------------------------------------------------------------------------------


def vm_files() -> tuple[bytes, bytes]:
    return metadata_of("machine"), b"QFI\xfb" + os.urandom(1000)


CONTENTS: Mapping[str, tuple[str, ...]] = {
    "unified": ("image.tar",),
    "container": ("metadata.tar.xz", "rootfs.squashfs"),
    "virtual-machine": ("metadata.tar.xz", "rootfs.img"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_the_official_client_imports_the_stored_files(gallery: Gallery, tool: Tool, kind: str) -> None:
    files = {
        "unified": (unified_of("ten"),),
        "container": (metadata_of("ten"), b"hsqs" + os.urandom(1000)),
        "virtual-machine": vm_files(),
    }[kind]
    fingerprint = gallery.add(*files, to=gallery.first)
    before = gallery.seen(fingerprint)
    tool.do("backup", "images", fingerprint, "--project", gallery.first.name)
    gallery.delete(fingerprint)
    folder = stored(tool, fingerprint)
    subprocess.run(["sha256sum", "--strict", "-c", "checksums.txt"], cwd=folder, check=True)
    gallery.first.incus("image", "import", *(str(folder / name) for name in CONTENTS[kind]))
    found = gallery.seen(fingerprint)
    for document in (found[gallery.first.name], before[gallery.first.name]):
        del document["filename"]
    assert found == before
    gallery.delete(fingerprint)
    tool.do("restore", "images", fingerprint, "--project", gallery.first.name)
    assert gallery.seen(fingerprint)[gallery.first.name]["type"] == before[gallery.first.name]["type"]


def test_the_list_shows_what_there_is(gallery: Gallery, tool: Tool) -> None:
    fingerprint = add_rich(gallery, unified_of("eleven"))
    tool.do("backup", "images", fingerprint, "--project", "*")
    listed = json.loads(tool.do("list", "images", "--project", "*", "--output", "json").out)
    assert fingerprint in json.dumps(listed)
