"""Whatever the kind, what has only damaged backups is named, and the exit code says that not all is well."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.command import Result, Shell
from tests.fake_incus import FakeIncus, images
from tests.image_samples import unified_of

REPOSITORY = Path("repository")
PLACES = {
    "instance": "instances/default/web",
    "volume": "volumes/default/default/data",
    "image": "images/*",
    "config": "config",
}


@pytest.fixture
def fake(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> FakeIncus:
    """A server of whose things there is one backup each."""
    fake = FakeIncus()
    fake.world.add_instance("web", files={"rootfs/data": b"web" * 1000})
    fake.world.add_volume("data", pool="default")
    images.add(fake.world, unified_of("image"), aliases=[{"name": "mini", "description": ""}])
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    assert shell("backup", "all", "--images", "all").code == 0
    return fake


def damage(kind: str) -> str:
    """Damage the only backup of a kind; return its timestamp."""
    [folder] = (path for path in REPOSITORY.glob(f"{PLACES[kind]}/*") if path.is_dir())
    largest = max(
        (p for p in folder.iterdir() if p.name not in ("manifest.json", "checksums.txt")),
        key=lambda path: path.stat().st_size,
    )
    data = largest.read_bytes()
    largest.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    return folder.name


def said(result: Result) -> str:
    return " ".join((result.out + result.err).split())


NAMES = {"instance": ("instances",), "volume": ("volumes",), "image": ("images",), "config": ("config",)}


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("kind", NAMES)
def test_the_only_backup_is_damaged(shell: Shell, kind: str) -> None:
    stamp = damage(kind)
    assert shell("verify").code == 6
    result = shell("restore", *NAMES[kind], "--skip-existing")
    assert result.code == 6, result.err
    assert f"its only backup is known to be damaged: {stamp}" in said(result)
    assert f"--version {stamp}" in said(result)
    assert shell("restore", "all", "--skip-existing").code == 6
    policy = shell.file("p.yaml", POLICY.format(kind=kind))
    assert shell("plan", "-f", policy).code == 6
    [missed] = json.loads(Path("plan.json").read_text())["plan"]["missed"]
    assert missed["address"].startswith(kind)
    assert shell("show", "plan.json").out.count("Left undone") == 1
    assert shell("plan", "-f", policy, "--no-out", "--only", "instance/default/other").code == 7
    assert shell("plan", "-f", policy, "--no-out", "--only", f"{kind}*").code == 6
    assert shell("apply", "plan.json").code == 6


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("kind", NAMES)
def test_what_helps_where_all_is_damaged_that_is_to_be_copied(
    shell: Shell, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No restore does; what was mended is copied once it was read again."""
    stamp = damage(kind)
    copy = ("copy", *NAMES[kind], "--from", "dir:repository", "--to", "dir:other")
    for _ in range(2):  # what is found on the way is known from then on
        result = shell(*copy)
        assert (result.code, "incus-backup restore" in result.err) == (6, False), result.err
    assert f"its only backup is known to be damaged: {stamp}" in said(result)
    [command] = re.findall(r"mend the disk: what `incus-backup ([^`]+)` finds whole", said(result))
    assert shell(*command.split()).code == 6
    damage(kind)  # the same bit once more: it is whole again
    later = datetime.now(UTC) + timedelta(seconds=2)
    monkeypatch.setattr("incusbak.cli.session.now", lambda: later)  # of one second the worse note counts
    assert shell(*command.split()).code == 0
    assert shell(*copy).code == 0


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("kind", NAMES)
def test_that_its_manifest_tells_nothing_is_found_once(shell: Shell, kind: str) -> None:
    """It would tell how much there was."""
    [manifest] = REPOSITORY.glob(f"{PLACES[kind]}/*/manifest.json")
    manifest.write_text("{}")
    policy = shell.file("p.yaml", PROTECTING.format(kind=kind))
    assert shell("status", "-f", policy).code == 7
    assert shell("plan", "-f", policy).code in (0, 6)


PROTECTING = """
version: 1
name: p
protect: [{{name: all, select: {{kind: {kind}}}, backup: {{every: 1d}}}}]
"""


POLICY = """
version: 1
name: p
restore:
  - name: back
    select: {{kind: {kind}, projects: ["*"]}}
    if_present: skip
"""


@pytest.mark.usefixtures("fake")
def test_an_image_is_known_by_its_alias_though_each_backup_is_damaged(shell: Shell) -> None:
    damage("image")
    assert shell("verify").code == 6
    result = shell("restore", "images", "mini", "--skip-existing")
    assert result.code == 6
    assert "its only backup is known to be damaged" in said(result)
    by_alias = POLICY.format(kind="image") + "    "
    assert (
        shell("plan", "-f", shell.file("p.yaml", by_alias.replace('projects: ["*"]', "names: [mini]"))).code
        == 6
    )


def test_retention_has_its_say_on_what_is_gone_and_damaged(shell: Shell, fake: FakeIncus) -> None:
    damage("instance")
    assert shell("verify").code == 6
    fake.world.instances.clear()
    policy = shell.file("keep.yaml", KEEP)
    [row] = json.loads(shell("list", "instances", "-f", policy, "--output", "json").out)
    assert (row["damaged"], row["kept_by"]) == (True, ["damaged, and no newer one is good"])


KEEP = """
version: 1
name: p
protect:
  - name: web
    select: {kind: instance}
    keep: {last: 3}
"""


def test_the_newest_of_the_configuration_is_damaged_and_an_older_one_is_taken(
    shell: Shell, fake: FakeIncus
) -> None:
    assert shell("backup", "config").code == 0
    old, new = sorted(path.name for path in (REPOSITORY / "config").iterdir())
    (REPOSITORY / "config" / new / "manifest.json").write_text("{}")
    fake.world.add_profile("more", config={})
    fake.world.profiles.pop(("default", "more"))
    result = shell("restore", "config")
    assert result.code == 0, result.err
    assert "manifest.json was changed" in said(result)
    assert f"{new} is known to be damaged; {old} is taken" in said(result)


@pytest.mark.parametrize("how", ["flipped", "gone"])
@pytest.mark.parametrize("command", ["restore", "copy", "rehearse"])
def test_damage_that_shows_in_use_is_known_from_then_on(
    shell: Shell, fake: FakeIncus, command: str, how: str
) -> None:
    stamp = damage("instance")
    if how == "gone":
        next(REPOSITORY.glob(f"{PLACES['instance']}/*/export.tar*")).unlink()
    fake.world.instances.clear()
    line = {
        "restore": ("restore", "instance", "web"),
        "copy": ("copy", "instances", "--from", "dir:repository", "--to", "dir:other"),
        "rehearse": ("rehearse", "instance", "web"),
    }[command]
    first = shell(*line)
    assert (first.code, "known to be damaged" in said(first)) == (6, False), first.err
    policy = shell.file("p.yaml", POLICY.format(kind="instance"))
    result = shell("plan", "-f", policy)
    assert f"its only backup is known to be damaged: {stamp}" in said(result)
