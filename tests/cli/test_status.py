"""``status``: which promises are kept, told in every form, with nothing changed on the way."""

import json
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from incusbak.model.notes import Inspection
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp, instance_ref
from incusbak.render import humanize_bytes
from incusbak.repositories import open_repository
from incusbak.repositories.directory.repository import DirectoryRepository
from tests.cli.command import Shell
from tests.fake_incus import FakeIncus
from tests.samples import MOMENT, store

POLICY = """
version: 1
target: dir:repository
protect:
  - {name: web, select: {kind: instance, names: ["web-*"]}, backup: {every: 24h}}
  - {name: rest, select: {kind: instance, names: ["db"]}}
restore:
  - {name: back, select: {kind: instance}, version: 20200101T000000Z}
"""
WEB, WEB2, DB = (instance_ref("default", name) for name in ("web-1", "web-2", "db"))
OLD = MOMENT - timedelta(days=3)
STAMP = format_timestamp(OLD)
STATUS = ("status", "-f", "policy.yaml")


@pytest.fixture
def fake(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> FakeIncus:
    """A server with three instances that are to be protected, and one that no rule covers; it is noon."""
    fake = FakeIncus()
    for name in ("web-1", "web-2", "db", "spare"):
        fake.world.add_instance(name)
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    monkeypatch.setattr("incusbak.cli.status_cmd.now", lambda: MOMENT)
    monkeypatch.setattr(DirectoryRepository, "free_bytes", lambda _: 10 << 30)
    shell.file("policy.yaml", POLICY)
    return fake


def back_up(*refs: ResourceRef, late: ResourceRef | None = None, folder: str = "repository") -> None:
    repository = open_repository(f"dir:{Path(folder).absolute()}")
    for ref in refs:
        store(repository, ref, at=OLD if ref == late else MOMENT - timedelta(hours=7))


@pytest.fixture
def kept(fake: FakeIncus) -> FakeIncus:
    """Every promise is kept."""
    back_up(WEB, WEB2, DB, late=DB)
    return fake


@pytest.fixture
def broken(fake: FakeIncus) -> FakeIncus:
    """One backup is too old, another one was never made."""
    back_up(WEB, DB, late=WEB)
    return fake


def stored(folder: str = "repository/instances") -> int:
    """How much the files of backups take."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def tree(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Every file and folder with its time of change and content."""
    there = folder.rglob("*")
    return {p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in there}


@pytest.mark.usefixtures("kept")
def test_kept_promises_are_exit_code_0(shell: Shell) -> None:
    result = shell(*STATUS)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "ADDRESS                 RULE  NEWEST BACKUP     AGE  EVERY  STATE",
        "instance/default/db     rest  20260226T123000Z  3d   -      ok",
        "instance/default/web-1  web   20260301T053000Z  7h   1d     ok",
        "instance/default/web-2  web   20260301T053000Z  7h   1d     ok",
        "",
        "Unprotected, covered by no rule",
        "  instance/default/spare",
        "",
        f"Repository dir:{shell.home}/repository: 3 backups, "
        f"{humanize_bytes(stored())} stored, 10.0 GiB free.",
        "Status: 3 protected, 0 overdue, 0 without a backup, 1 unprotected.",
    ]


@pytest.mark.usefixtures("broken")
def test_a_broken_promise_is_exit_code_7(shell: Shell) -> None:
    result = shell(*STATUS)
    assert (result.code, result.err) == (7, "")
    assert result.out.splitlines()[1:4] == [
        "instance/default/web-1  web   20260226T123000Z  3d   1d     overdue",
        "instance/default/web-2  web   -                 -    1d     missing",
        "instance/default/db     rest  20260301T053000Z  7h   -      ok",
    ]
    assert result.out.endswith("Status: 3 protected, 1 overdue, 1 without a backup, 1 unprotected.\n")


@pytest.mark.usefixtures("fake")
def test_a_repository_that_is_not_there_yet_breaks_every_promise(shell: Shell) -> None:
    result = shell(*STATUS, "--output", "json")
    assert result.code == 7
    found = json.loads(result.out)
    assert {row["state"] for row in found["protected"]} == {"missing"}
    assert found["warnings"] == [
        "restore rule back (policy.yaml:8:5) matches nothing in the repository",
        "the repository is not there yet: the first backup makes it",
    ]
    assert not (shell.home / "repository").exists()


def test_a_rule_whose_resources_are_gone_is_a_broken_promise(shell: Shell, kept: FakeIncus) -> None:
    del kept.world.instances["default", "db"]
    result = shell(*STATUS)
    assert result.code == 7
    assert "! protect rule rest (policy.yaml:6:5) matches nothing on the server" in result.out


@pytest.mark.usefixtures("broken")
def test_json_and_yaml_tell_the_same(shell: Shell) -> None:
    as_json, as_yaml = (shell(*STATUS, "--output", output) for output in ("json", "yaml"))
    assert (as_json.code, as_yaml.code) == (7, 7)
    found: dict[str, Any] = json.loads(as_json.out)
    assert YAML(typ="safe").load(as_yaml.out) == found
    assert found["protected"][1] == {
        "address": "instance/default/web-1",
        "kind": "instance",
        "project": "default",
        "rule": "web",
        "state": "overdue",
        "reason": "the newest backup, 20260226T123000Z, is older than 1d",
        "max_age_seconds": 86400,
        "newest": {
            "backup": "instance/default/web-1@20260226T123000Z",
            "created": "2026-02-26T12:30:00Z",
            "age_seconds": 259200,
            "size_bytes": 7,
        },
        "verification": {"max_age_seconds": None, "last": "2026-02-26T12:30:00Z", "damaged": []},
        "rehearsal": None,
        "rehearse_max_age_seconds": None,
        "failed": None,
        "sizes": [{"created": "2026-02-26T12:30:00Z", "size_bytes": 7}],
    }
    del found["protected"]
    assert found == {
        "server": "fake",
        "repository": f"dir:{shell.home / 'repository'}",
        "as_of": "2026-03-01T12:30:00Z",
        "unmet": [],
        "vanished": [],
        "quarantined": [],
        "reconfigured": [],
        "unprotected": ["instance/default/spare"],
        "opted_out": [],
        "warnings": [],
        "totals": {"backups": 2, "stored_bytes": stored(), "free_bytes": 10 << 30},
    }


@pytest.mark.usefixtures("broken")
def test_metrics_are_on_stdout_and_warnings_on_stderr(shell: Shell) -> None:
    shell.file("policy.yaml", POLICY.replace("restore:", "  - {name: no, select: {kind: volume}}\nrestore:"))
    result = shell(*STATUS, "--output", "prometheus")
    assert (result.code, result.err) == (
        7,
        "Warning: protect rule no (policy.yaml:7:5) matches nothing on the server\n",
    )
    found = {family.name: family.samples for family in text_string_to_metric_families(result.out)}
    states = {sample.labels["address"]: sample.value for sample in found["incus_backup_promise_broken"]}
    assert states == {DB.address: 0, WEB.address: 1, WEB2.address: 1}


@pytest.mark.usefixtures("kept")
def test_a_damaged_manifest_is_told_and_hides_nothing(shell: Shell) -> None:
    [manifest] = shell.home.glob("repository/instances/default/db/*/manifest.json")
    manifest.write_text("{}")
    result = shell(*STATUS)
    assert (result.code, result.out.count(" ok\n")) == (7, 2)
    text = " ".join(result.out.split())
    assert "1 damaged" in text
    assert f"Damaged {DB}@20260226T123000Z" in text or f"{DB}@20260226T123000Z" in text


# -- it only looks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["table", "json", "yaml", "prometheus"])
def test_nothing_is_changed(shell: Shell, broken: FakeIncus, output: str) -> None:
    before = tree(shell.home)
    assert shell(*STATUS, "--output", output, "--force").code == 7
    assert tree(shell.home) == before
    assert {method for method, _ in broken.requests} == {"GET"}


@pytest.mark.usefixtures("kept")
def test_a_locked_repository_is_no_obstacle(shell: Shell) -> None:
    with open_repository(f"dir:{shell.home / 'repository'}").lock(writing=True):
        assert shell(*STATUS).code == 0


@pytest.mark.usefixtures("kept")
def test_the_target_of_the_command_line_wins(shell: Shell) -> None:
    back_up(DB, folder="other")
    assert shell(*STATUS, "--target", "dir:other").code == 7
    assert shell("--target", "dir:repository", *STATUS).code == 0


# -- into a file --------------------------------------------------------------------------------------


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.parametrize("output", ["table", "json", "yaml", "prometheus"])
@pytest.mark.usefixtures("broken", "strict_umask")
def test_every_form_is_put_in_place_as_a_whole_for_all_to_read(shell: Shell, output: str) -> None:
    shown = shell(*STATUS, "--output", output).out
    file = Path(shell.file("metrics/incus.prom", "old"))
    with file.open() as reader:
        result = shell(*STATUS, "--output", output, "--write", str(file))
        assert reader.read() == "old"
    assert (result.code, result.out, file.read_text()) == (7, "", shown)
    assert result.err == (
        f"Status: 3 protected, 1 overdue, 1 without a backup, 1 unprotected. Saved as {file}.\n"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.usefixtures("kept")
def test_a_file_is_written_without_a_word_if_told_to_be_quiet(shell: Shell) -> None:
    result = shell(*STATUS, "-q", "--write", "status.txt")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert (shell.home / "status.txt").read_text().startswith("ADDRESS")


@pytest.mark.usefixtures("kept")
def test_a_link_stays_a_link(shell: Shell) -> None:
    (shell.home / "link").symlink_to("status.txt")
    assert shell(*STATUS, "--write", "link").code == 0
    assert (shell.home / "link").is_symlink()
    assert (shell.home / "status.txt").read_text().startswith("ADDRESS")


@pytest.mark.usefixtures("kept")
def test_a_dash_is_stdout(shell: Shell) -> None:
    assert shell(*STATUS, "--write", "-") == shell(*STATUS)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("nowhere/status.txt", "nowhere/status.txt can't be written: No such file or directory"),
        ("policy.yaml/status.txt", "policy.yaml/status.txt can't be written: Not a directory"),
        ("pipe", "pipe is not a regular file"),
        (".", ". is not a regular file"),
    ],
)
@pytest.mark.usefixtures("kept")
def test_what_can_not_be_replaced_is_refused(shell: Shell, path: str, complaint: str) -> None:
    os.mkfifo(shell.home / "pipe")
    assert complaint in shell.fails(*STATUS, "--write", path)
    assert stat.S_ISFIFO((shell.home / "pipe").stat().st_mode)


def test_without_a_server_an_older_file_stays(shell: Shell) -> None:
    shell.file("policy.yaml", POLICY)
    file = Path(shell.file("incus.prom", "old"))
    assert "remote local" in shell.fails(*STATUS, "--write", str(file), code=75)
    assert file.read_text() == "old"


# -- verification -------------------------------------------------------------------------------------

VERIFIED = POLICY.replace("every: 24h}", "every: 7d}, verify: {every: 2d}")


@pytest.mark.usefixtures("broken")
def test_a_backup_that_was_not_read_again_in_time_is_a_broken_promise(shell: Shell) -> None:
    back_up(WEB2)
    shell.file("policy.yaml", VERIFIED)
    result = shell(*STATUS)
    assert result.code == 7
    assert result.out.splitlines()[:4] == [
        "ADDRESS                 RULE  NEWEST BACKUP     AGE  EVERY  VERIFIED  STATE",
        "instance/default/web-1  web   20260226T123000Z  3d   7d     3d        unverified",
        "instance/default/db     rest  20260301T053000Z  7h   -      -         ok",
        "instance/default/web-2  web   20260301T053000Z  7h   7d     7h        ok",
    ]
    assert result.out.endswith(", 1 unverified, 1 unprotected.\n")
    open_repository("dir:" + str(Path("repository").absolute())).note(
        Inspection(BackupId(WEB, STAMP), MOMENT)
    )
    assert shell(*STATUS).code == 0


@pytest.mark.usefixtures("kept")
def test_a_newest_backup_that_is_known_to_be_damaged_is_a_broken_promise(shell: Shell) -> None:
    newest = BackupId(DB, STAMP)
    repository = open_repository("dir:" + str(Path("repository").absolute()))
    repository.note(Inspection(newest, MOMENT, "was changed"))
    result = shell(*STATUS)
    assert result.code == 7
    assert result.out.splitlines()[1] == "instance/default/db     rest  -                 -    -      damaged"
    assert f"\nDamaged backups\n  {newest}\n" in result.out
    [row, *_] = json.loads(shell(*STATUS, "--output", "json").out)["protected"]
    assert row["reason"] == f"the newest backup, {STAMP}, is damaged; every backup is damaged"
    assert row["verification"]["damaged"] == [str(newest)]


# -- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("status", "Missing option '-f'"),
        ("status -f nothing.yaml", "can't read the policy nothing.yaml: No such file or directory"),
        ("status -f bad.yaml", "bad.yaml:1:1"),
        ("status -f plain.yaml", "no repository is named"),
        ("status -f plain.yaml --output xml", "'xml' is not one of"),
        ("status -f plain.yaml more", "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_refused(shell: Shell, line: str, complaint: str) -> None:
    shell.file("bad.yaml", "protect: []\n")
    shell.file("plain.yaml", "version: 1\nprotect: [{name: all, select: {kind: instance}}]\n")
    assert complaint in shell.fails(*line.split())


@pytest.mark.usefixtures("fake")
def test_a_target_whose_disk_is_not_mounted_is_refused(shell: Shell) -> None:
    assert "missing is not there" in shell.fails(*STATUS, "--target", "dir:missing/repository", code=10)
