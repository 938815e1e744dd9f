"""``list``: what is known of each backup, what a policy makes of it, and what was removed."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from incusbak.model.notes import Inspection, Rehearsal
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from incusbak.ports import Repository
from incusbak.repositories import open_repository
from tests.cli.command import Result, Shell
from tests.fake_incus import FakeIncus
from tests.samples import MOMENT, WEB, store

DB = instance_ref("shop", "db")
DAY = timedelta(days=1)
LIST = ("list", "all", "--target", "dir:repository")


@pytest.fixture
def repository(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository of the user's; it is noon."""
    monkeypatch.setattr("incusbak.cli.list_cmd.now", lambda: MOMENT)
    return open_repository(f"dir:{shell.home}/repository")


def made(repository: Repository, *ages_days: int, ref: ResourceRef = WEB) -> list[BackupId]:
    return [store(repository, ref, at=MOMENT - age * DAY) for age in ages_days]


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.code == 0, result.err
    found: list[dict[str, Any]] = json.loads(result.out)
    return found


def test_the_table_tells_what_inspections_found_and_what_is_pinned(
    shell: Shell, repository: Repository
) -> None:
    damaged, good, _ = made(repository, 9, 5, 1)
    repository.note(Inspection(damaged, MOMENT - DAY, "export.tar.zst was changed"))
    repository.note(Inspection(good, MOMENT - 2 * DAY - timedelta(hours=5)))
    repository.pin(good, pinned=True)
    assert shell(*LIST).out.splitlines() == [
        "KIND      WHAT         TIMESTAMP         SIZE  CONSISTENCY  CHECKED  PINNED  SERVER",
        "instance  default/web  20260220T123000Z  7 B   stopped      damaged  -       server",
        "instance  default/web  20260224T123000Z  7 B   stopped      good 2d  pinned  server",
        "instance  default/web  20260228T123000Z  7 B   stopped      -        -       server",
    ]


def test_fields_tell_when_each_was_read_and_what_is_wrong(shell: Shell, repository: Repository) -> None:
    damaged, good = made(repository, 9, 5)
    repository.note(Inspection(damaged, MOMENT - 2 * DAY))
    repository.note(Inspection(damaged, MOMENT - DAY, "export.tar.zst was changed"))
    repository.note(Rehearsal(good, MOMENT - DAY))
    repository.pin(good, pinned=True)
    known = ("address", "verified", "damaged", "problem", "pinned", "rehearsed")
    as_json = rows(shell(*LIST, "--output", "json"))
    assert [tuple(row[key] for key in known) for row in as_json] == [
        (damaged.address, "2026-02-28T12:30:00Z", True, "export.tar.zst was changed", False, None),
        (good.address, None, False, "", True, "2026-02-28T12:30:00Z"),
    ]
    assert YAML(typ="safe").load(shell(*LIST, "--output", "yaml").out) == as_json


def test_a_backup_that_was_found_good_again_is_no_longer_damaged(
    shell: Shell, repository: Repository
) -> None:
    [backup] = made(repository, 9)
    repository.note(Inspection(backup, MOMENT - 2 * DAY, "can't be read from the disk"))
    repository.note(Inspection(backup, MOMENT - DAY))
    [row] = rows(shell(*LIST, "--output", "json"))
    assert (row["damaged"], row["problem"]) == (False, "")


def test_one_whose_manifest_can_not_be_read_is_damaged(shell: Shell, repository: Repository) -> None:
    made(repository, 9, 5)
    [lost, _] = sorted(Path("repository/instances/default/web").iterdir())
    (lost / "manifest.json").unlink()
    result = shell(*LIST)
    assert [line.split()[3:6] for line in result.out.splitlines()[1:]] == [
        ["?", "?", "damaged"],
        ["7", "B", "stopped"],
    ]
    [row, _] = rows(shell(*LIST, "--output", "json"))
    assert row["problem"] == f"instance/default/web@{lost.name}: manifest.json is missing"


# -- what was removed ---------------------------------------------------------------------------------


def test_what_was_removed_is_shown_with_the_end_of_its_grace(shell: Shell, repository: Repository) -> None:
    gone, _ = made(repository, 9, 5)
    [other] = made(repository, 3, ref=DB)
    repository.remove(gone, MOMENT - DAY)
    repository.remove(other, MOMENT)
    assert shell(*LIST, "--removed").out.splitlines() == [
        "KIND      WHAT         TIMESTAMP         REMOVED (UTC)     RECOVERABLE UNTIL",
        "instance  default/web  20260220T123000Z  2026-02-28 12:30  2026-03-07 12:30",
        "instance  shop/db      20260226T123000Z  2026-03-01 12:30  2026-03-08 12:30",
    ]
    [row, _] = rows(shell(*LIST, "--removed", "--output", "json"))
    assert row == {
        "address": gone.address,
        "kind": "instance",
        "project": "default",
        "name": "web",
        "timestamp": gone.timestamp,
        "removed": "2026-02-28T12:30:00Z",
        "recoverable_until": "2026-03-07T12:30:00Z",
    }


def test_what_was_removed_can_be_named(shell: Shell, repository: Repository) -> None:
    gone = [*made(repository, 9), *made(repository, 9, ref=DB)]
    for backup in gone:
        repository.remove(backup, MOMENT)
    only = ("list", "instances", "db", "--project", "shop", *LIST[2:], "--removed", "--output", "json")
    assert [row["address"] for row in rows(shell(*only))] == [gone[1].address]
    assert "did you mean" in shell.fails("list", "instances", "wep", *LIST[2:], "--removed", code=1)


def test_nothing_removed_is_an_empty_list(shell: Shell, repository: Repository) -> None:
    made(repository, 9)
    assert rows(shell(*LIST, "--removed", "--output", "json")) == []


# -- what a policy keeps ------------------------------------------------------------------------------

POLICY = """
version: 1
target: dir:repository
expect: {unmatched: warn}
protect:
  - {name: web, select: {kind: instance, names: [web]}, keep: {last: 1, weekly: 2}}
  - {name: db, select: {kind: instance, projects: [shop]}}
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeIncus:
    fake = FakeIncus()
    fake.world.add_instance("web")
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    return fake


@pytest.mark.usefixtures("server")
def test_a_policy_tells_why_each_is_kept(shell: Shell, repository: Repository) -> None:
    pinned, *_ = made(repository, 20, 9, 8, 1, 0)
    repository.pin(pinned, pinned=True)
    made(repository, 1, ref=DB)
    policy = shell.file("policy.yaml", POLICY)
    assert [row["kept_by"] for row in rows(shell("list", "all", "-f", policy, "--output", "json"))] == [
        ["pinned"],
        ["unwanted"],
        ["weekly"],
        ["unwanted"],
        ["last", "weekly"],
        [],
    ]
    shown = shell("list", "all", "-f", policy).out.splitlines()
    assert [line.partition("  server")[2].strip() for line in shown[1:]] == [
        *("pinned", "unwanted", "weekly", "unwanted", "last, weekly", "-")
    ]
    assert shown[0].endswith("SERVER  KEPT BY")


@pytest.mark.usefixtures("server")
def test_what_is_unwanted_is_what_a_plan_would_remove(shell: Shell, repository: Repository) -> None:
    made(repository, 20, 9, 8, 1, 0)
    policy = shell.file("policy.yaml", POLICY)
    listed = rows(shell("list", "instances", "-f", policy, "--output", "json"))
    assert shell("plan", "-f", policy, "--out", "plan.json").code == 0
    steps = json.loads(Path("plan.json").read_text())["plan"]["steps"]
    [removed] = [step["action"]["backups"] for step in steps if step["id"].startswith("prune:")]
    assert [row["address"] for row in listed if row["kept_by"] == ["unwanted"]] == removed


def test_a_policy_needs_the_server_and_nothing_else_does(shell: Shell, repository: Repository) -> None:
    made(repository, 1)
    policy = shell.file("policy.yaml", POLICY)
    assert shell(*LIST).code == shell(*LIST, "--removed").code == 0
    assert "remote local" in shell.fails("list", "all", "-f", policy, code=75)


def test_a_policy_and_removed_ones_contradict_each_other(shell: Shell) -> None:
    assert "contradict" in shell.fails(*LIST, "--removed", "-f", "policy.yaml")


@pytest.mark.parametrize("width", [60, 72])
def test_tables_fit_a_narrow_terminal(
    shell: Shell, repository: Repository, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    [backup, _] = made(
        repository, 9, 5, ref=instance_ref("a-long-project", "and-an-instance-with-a-long-name")
    )
    monkeypatch.setattr("incusbak.cli.listing.width_of_terminal", lambda: width)
    lines = shell("list", "instances", "--project", "*", *LIST[2:]).out.splitlines()
    assert max(map(len, lines)) <= width
    assert all(
        stamp in line for stamp, line in zip(("20260220T123000Z", "20260224T123000Z"), lines[1:], strict=True)
    )
    repository.remove(backup, MOMENT)
    assert max(map(len, shell(*LIST, "--removed").out.splitlines())) <= width + 1


def test_a_backup_of_the_future_is_marked(shell: Shell, repository: Repository) -> None:
    made(repository, 1, -36500)
    told = shell(*LIST)
    assert told.err == f"Repository {repository.uri}:\n"
    assert [line.split()[6:-2] for line in told.out.splitlines()[1:]] == [["-"], ["of", "the", "future"]]
    assert [row["future"] for row in rows(shell(*LIST, "--output", "json"))] == [False, True]
