"""Hints name what helps: a restore of what is in a backup, and --force only where it changes anything."""

import re

import pytest

from incusbak.errors import Blocked, Corrupt, IncusbakError, NoSuchBackup
from tests.cli.command import Shell
from tests.fake_incus import FakeIncus


@pytest.mark.parametrize(
    ("first", "hint"),
    [
        ("config", "bring it back with `incus-backup restore config --apply`, or create project/shop"),
        ("images", "Hint: create project/shop, or use another"),
    ],
)
def test_what_is_missing_is_brought_back_only_from_a_backup_that_has_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, first: str, hint: str
) -> None:
    fake = FakeIncus()
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    fake.world.add_project("shop")
    root = {"root": {"type": "disk", "path": "/", "pool": "default"}}
    fake.world.add_instance("till", project="shop", devices=root)
    assert shell("backup", first).code == 0
    assert shell("backup", "instances", "--project", "shop", "--images", "none").code == 0
    fake.world.instances.clear()
    fake.world.remove_project("shop")
    result = shell("restore", "instances", "--project", "shop")
    assert (result.code, hint in " ".join(result.err.split())) == (1, True), result.err


@pytest.mark.parametrize("survives", [True, False])
def test_all_that_is_missing_is_helped_with_one_hint(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, *, survives: bool
) -> None:
    """Of two instances the first lacks a pool, a network and a profile, the second the profile alone."""
    fake = FakeIncus()
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    fake.world.add_pool("fast")
    fake.world.add_network("br9")
    fake.world.add_profile("gold")
    devices = {
        "root": {"type": "disk", "path": "/", "pool": "fast"},
        "eth0": {"type": "nic", "network": "br9"},
    }
    fake.world.add_instance("a", devices=devices, profiles=["default", "gold"])
    fake.world.add_instance("b", profiles=["default", "gold"])
    if survives:
        fake.world.add_instance("c")
    assert shell("backup", "instances", "--images", "none").code == 0
    fake.world.instances.clear()
    del (
        fake.world.pools["fast"],
        fake.world.networks["default", "br9"],
        fake.world.profiles["default", "gold"],
    )
    result = shell("restore", "instances", "-q")
    maps = "--network-map br9=NEW --pool-map fast=NEW --profile-map gold=NEW (in a policy: maps)"
    lines = [
        "instance/default/a needs network/default/br9, pool/fast, profile/default/gold: not on the server",
        "instance/default/b needs profile/default/gold: not on the server",
    ]
    hint = f"create them, or use others with {maps}"
    if survives:
        told = [line.replace(" needs", ": needs") for line in lines]
        expected = ["Left undone:", *(f"  {line}" for line in told), f"    hint for these 2: {hint}"]
        assert (result.code, result.err.splitlines()[:4]) == (3, expected)
        shown = " ".join(shell("restore", "instances", "--dry-run").out.split())
        assert f"! {told[0]} ! {told[1]} ! hint for these 2: {hint}" in shown
    else:
        expected = [f"Error: {lines[0]}", lines[1], f"Hint: {hint}"]
        assert (result.code, result.err.splitlines()) == (1, expected)


@pytest.mark.parametrize(
    ("space", "reason"), [(None, "needs pool/nope: not on the server"), (9, "pool nope has 9 B free")]
)
def test_a_hint_at_a_map_has_the_name_that_the_backup_has(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, space: int | None, reason: str
) -> None:
    """One at what it was mapped to already could not be followed."""
    fake = FakeIncus()
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    fake.world.add_pool("other")
    if space is not None:
        fake.world.add_pool("nope")
        fake.world.space["nope"] = {"total": space}
    root = {"root": {"type": "disk", "path": "/", "pool": "default"}}
    fake.world.add_instance("web", devices=root, files={"rootfs/data": b"x" * 9000})
    assert shell("backup", "instance", "web", "--images", "none").code == 0
    fake.world.instances.clear()
    refused = shell("restore", "instance", "web", "--pool-map", "default=nope")
    assert (refused.code, reason in refused.err) == (1, True), refused.err
    [wanted] = re.findall(r"use another with (--pool-map \w+=NEW) ", refused.err)
    assert shell("restore", "instance", "web", *wanted.replace("NEW", "other").split()).code == 0


def test_what_no_force_changes_names_none() -> None:
    assert Blocked("it is the last good backup").hint == ""


@pytest.mark.parametrize("error", [Corrupt, NoSuchBackup])
def test_what_any_kind_of_backup_may_be_hints_at_all_of_them(error: type[IncusbakError]) -> None:
    assert "`incus-backup list`" in error.default_hint
