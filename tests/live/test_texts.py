"""Whatever text the server keeps comes back as it was: by the official client, and by a restore of ours."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.custom_volume import Volume
from tests.live.portrait import differences, document_of
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import Tool

TEXTS = {
    "twice-encoded": "Ã¼ber â\x80\x9e\x84 \x85 \x99",
    "controls": "".join(map(chr, range(0x7F, 0xA0))),
    "odd": "a\ufffeb\uffffc\ufdd0d\ufeffe\u2028f\u2029g",
    "astral": "\U0001f600 \U0001fffe \U0010ffff \U00010000",
    "blanks": "  before and after \t\n \n\n",
    "lines": "#cloud-config\nruncmd:\n  - [ls, \"-l\"]\r\n# '{{ }}'\n\ttab: \x1b[1m",
    "long": "long " * 4000,
    "date": "2020-01-02",
    "time": "2020-01-02T03:04:05Z",
    "octal": "0o17",
    "old-octal": "017",
    "sixty": "190:20:30",
    "float": "1e3",
    "underscore": "1_000",
    "yes": "yes",
    "null": "null",
    "tilde": "~",
    "equals": "=",
    "merge": "<<",
    "star": "*a",
    "anchor": "&a b",
    "question": "? a",
    "percent": "%YAML 1.1",
    "document": "---\n...",
    "backslash": "\\u0041 \\x41 \\",
    "quotes": "\"' ''",
}
CONFIG = {f"user.{name}": text for name, text in {**TEXTS, "key" * 500: "long"}.items()}
NASTY = "dès\x85 ü\x9f\x7f\ufffe\u2028 2020-01-02"
DIFFERS = ("last_used_at", "status*", "*volatile*", "*.expires_at", "*.size", "created_at")
"""What other tests are about."""


def profile() -> dict[str, Any]:
    config = {"user.of-profile": NASTY, **{f"user.p-{name}": text for name, text in TEXTS.items()}}
    return {"name": "own", "description": NASTY, "config": config}


def make(project: Project) -> None:
    """Container ``c1``, running, with odd text wherever the server takes any."""
    project.api("POST", "/1.0/profiles", profile())
    devices = {"null2": {"type": "unix-char", "source": "/dev/null", "path": "/dev/null2", "user.a": NASTY}}
    project.launch("c1", config=CONFIG, devices=devices, profiles=["default", "own"])
    project.api("PATCH", "/1.0/instances/c1", {"description": NASTY})
    project.api("POST", "/1.0/instances/c1/snapshots", {"name": "x-é\U0001f600ü-x"})
    project.api("PATCH", "/1.0/instances/c1", {"config": {"user.later": NASTY}})


@pytest.fixture
def odd_pool(incus_server: Daemon) -> Iterator[None]:
    """The pool's description is in each archive as well."""
    before = incus_server.api("GET", "/1.0/storage-pools/default")
    incus_server.api(
        "PATCH", "/1.0/storage-pools/default", {"description": NASTY, "config": before["config"]}
    )
    yield
    incus_server.api("PATCH", "/1.0/storage-pools/default", {"description": "", "config": before["config"]})


@pytest.mark.usefixtures("odd_pool")
def test_the_texts_of_an_instance_come_back(project: Project, tool: Tool) -> None:
    make(project)
    before = document_of(project, "c1")
    assert {key: before["config"][key] for key in CONFIG} == CONFIG
    tool.do("backup", "instances", "c1", "--project", project.name)
    (archive,) = tool.repository.glob("instances/*/c1/*/export.tar.zst")
    for bring_back in ("official", "ours"):
        project.incus("delete", "--force", "c1")
        if bring_back == "official":
            project.incus("import", str(archive))
        else:
            tool.do("restore", "instance", "c1", "--project", project.name)
        assert differences(before, document_of(project, "c1"), but_for=DIFFERS) == []


@pytest.mark.usefixtures("odd_pool")
def test_the_texts_of_a_volume_in_use_come_back(project: Project, tool: Tool) -> None:
    volume = Volume(project)
    volume.make(description=NASTY, config=CONFIG)
    volume.snapshot("x-é\U0001f600ü-x", description=NASTY)
    volume.attach(["direct"])
    before = volume.document()
    tool.do("backup", "volumes", volume.label, "--project", project.name)
    project.incus("delete", "--force", "direct")
    (archive,) = tool.repository.glob("volumes/*/default/data/*/volume.tar.zst")
    for bring_back in ("official", "ours"):
        volume.remove()
        if bring_back == "official":
            project.incus("storage", "volume", "import", "default", str(archive))
        else:
            tool.do("restore", "volume", volume.label, "--project", project.name)
        after = volume.document()
        assert differences(before, after, but_for=(*DIFFERS, "used_by")) == []
