"""What a server takes for a volume name is stored, shown without harm, and comes back under that name."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.live import damage
from tests.live.support.project import FEATURES, Project
from tests.live.tool import Tool

EVERYWHERE = ("a\x01b", "a\u202eb", "a%09b", "a\\b", "twin", "Twin", "a@20260101T000000Z")
NAMES = {
    "6.0": (
        *EVERYWHERE,
        ".hid",
        "a\tb",
        "a\nb",
        "\x1b[31mred",
        " blank ",
        "[a]*?",
        "..a",
        "日本\u2028",
        "ä" * 100,
    ),
    "7.0": EVERYWHERE,
}
"""Incus 7.0 takes fewer of them, but control characters all the same."""
STRICTLY = (".hid", "a\tb", "a*b", "a-", "x" * 65)
COLLECTION = "/1.0/storage-pools/default/volumes/custom"


def url_of(name: str) -> str:
    return f"{COLLECTION}/{quote(name, safe='')}"


def make(project: Project, name: str) -> None:
    project.api("POST", COLLECTION, {"name": name, "config": {"user.called": quote(name)}})


def volumes(project: Project) -> dict[str, dict[str, Any]]:
    listed: list[dict[str, Any]] = project.api("GET", f"{COLLECTION}?recursion=1")
    return {each["name"]: each for each in listed}


def test_volumes_of_strange_names_come_back_under_them(tool: Tool, project: Project) -> None:
    names, in_project = NAMES[project.server.version], ("--project", project.name)
    for name in names:
        make(project, name)
    before = volumes(project)

    plain = tool.do("backup", "volumes", *in_project)
    listed = tool.do("list", "volumes", *in_project)
    data: list[dict[str, Any]] = json.loads(tool.do("list", "volumes", *in_project, "--output", "json").out)
    for name in names:
        project.api("DELETE", url_of(name))
    one = tool.do("restore", "volume", f"default/{names[0]}", *in_project)
    rest = tool.do("restore", "volumes", *in_project, "--skip-existing")

    assert volumes(project) == before
    assert {row["address"].partition("@2")[0] for row in data if "@20260101" not in row["address"]} <= {
        f"volume/{project.name}/default/{name}" for name in names
    }
    assert len(data) == len(names)
    for shown in (plain.err, listed.out, one.err, rest.err):
        assert shown.replace("\n", "").isprintable(), shown


def test_a_name_the_server_would_refuse_after_the_upload_is_refused_while_planning(
    tool: Tool, project: Project
) -> None:
    """What Incus 6.0 lets a volume be called, 7.0 may not: a backup of the one is for the other as well."""
    in_project = ("--project", project.name)
    make(project, "data")
    tool.do("backup", "volumes", *in_project)
    for name in STRICTLY:
        restored = tool.run("restore", "volume", "default/data", "--target-name", name, *in_project)
        is_refused = project.server.version == "7.0"
        assert (restored.code, "lets no volume be called" in restored.err) == (int(is_refused), is_refused)
        assert (name in volumes(project)) == (not is_refused)


def test_policies_and_plans_hold_strange_names(tool: Tool, project: Project) -> None:
    names = NAMES[project.server.version][:3] + NAMES[project.server.version][-3:]
    for name in names:
        make(project, name)
    policy = tool.folder / "policy.yaml"
    policy.write_text(
        f"version: 1\ntarget: dir:{tool.repository}\nprotect:\n  - name: all\n"
        f"    select: {{kind: volume, projects: [{project.name}]}}\n    backup: {{every: 24h}}\n"
        "    verify: {every: 7d}\n"
    )
    out = tool.folder / "plan.json"

    tool.do("plan", "-f", str(policy), "--out", str(out))
    tool.do("apply", str(out))
    again = tool.do("plan", "-f", str(policy), "--no-out", "--detailed-exitcode")
    status = tool.do("status", "-f", str(policy))

    assert "No changes" in again.out
    assert (status.out + again.out).replace("\n", "").isprintable()
    for name in names:
        address = f"volume/{project.name}/default/{name}"
        assert "rule" in tool.do("explain", address, "-f", str(policy)).out


@pytest.fixture
def unaskable(project: Project) -> str:
    """A volume whose name means another place in every path."""
    if project.server.version != "6.0":
        pytest.skip("Incus 7.0 refuses such names")
    make(project, "..")
    return ".."


def test_what_can_not_be_asked_for_is_told_while_planning_and_by_status(
    tool: Tool, project: Project, unaskable: str
) -> None:
    make(project, "data")
    policy = tool.folder / "policy.yaml"
    policy.write_text(
        f"version: 1\ntarget: dir:{tool.repository}\nprotect:\n  - name: all\n"
        f"    select: {{kind: volume, projects: [{project.name}]}}\n    backup: {{every: 24h}}\n"
    )
    why = f"volume/{project.name}/default/{unaskable}"

    planned = tool.run("plan", "-f", str(policy), "--no-out")
    done = tool.run("backup", "volumes", "--project", project.name)
    status = tool.run("status", "-f", str(policy))

    assert (why in planned.out, "can't be backed up" in planned.out) == (True, True), planned
    assert (done.code, f"{why}: can't be backed up" in done.err) == (3, True), done
    assert (status.code, why in status.out) == (7, True)
    project.api("DELETE", url_of(unaskable))


def test_a_snapshot_whose_name_the_server_can_not_import_gets_another(tool: Tool, project: Project) -> None:
    """What its path makes of it tar refuses; 7.0 also what 6.0 lets be called so (seen in 7.0.2)."""
    in_project, snapshots = ("--project", project.name), f"{url_of('data')}/snapshots"
    make(project, "data")
    for name in ("s1", "s2"):
        project.api("POST", snapshots, {"name": name})
    tool.do("backup", "volumes", *in_project)
    [manifest] = tool.repository.rglob("manifest.json")
    damage.rename_snapshots(manifest.parent, {"s1": "..", "s2": "\ts"})

    restored = tool.do("restore", "volume", "default/data", "--target-name", "copy", *in_project)

    listed = project.api("GET", f"{url_of('copy')}/snapshots?recursion=1")
    blank = "as" if project.server.version == "7.0" else "\ts"
    assert {each["name"].split("/")[1] for each in listed} == {"aa", blank}
    assert "its snapshot '..' is called 'aa', since that is where all of them lie" in restored.err
    assert ("since the server takes no such name" in restored.err) == (blank == "as")


def test_a_project_in_which_the_server_can_unpack_nothing_is_refused_while_planning(
    tool: Tool, project: Project
) -> None:
    """It hands tar the folder of the project, and tar takes a backslash and a letter for something else."""
    make(project, "data")
    tool.do("backup", "volumes", "--project", project.name)
    odd = f"{project.name}\\b"
    project.server.api("POST", "/1.0/projects", {"name": odd, "config": FEATURES})

    refused = tool.run(
        "restore",
        "volume",
        "default/data",
        "--project",
        project.name,
        "--project-map",
        f"{project.name}={odd}",
    )

    project.server.api("DELETE", f"/1.0/projects/{quote(odd, safe='')}")
    assert (refused.code, "tar misreads that" in refused.err, "uploading" in refused.err) == (1, True, False)
