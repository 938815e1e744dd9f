"""``--output`` and ``--format``: plans in any form, and what commands did as data."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Result, Shell
from tests.fake_incus import FakeIncus

AT = ("--target", "dir:repository")
JSON = ("--output", "json")
POLICY = "version: 1\nprotect: [{name: all, select: {kind: instance}, backup: {images: none}}]\n"


@pytest.fixture(autouse=True)
def fake(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> FakeIncus:
    """A server with one instance, and a policy for it."""
    fake = FakeIncus()
    fake.world.add_instance("web")
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    shell.file("p.yaml", POLICY)
    return fake


def done(result: Result, *, code: int = 0) -> list[list[tuple[str, str]]]:
    """Step and status of each run."""
    assert result.code == code, result.err
    reports: list[dict[str, Any]] = json.loads(result.out)
    return [[(each["step"], each["status"]) for each in report["outcomes"]] for report in reports]


# -- plans --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "beginning"), [("text", "server:"), ("json", "{"), ("markdown", "#"), ("html", "<!doctype")]
)
@pytest.mark.parametrize("flag", ["--format", "--output"])
def test_plan_and_show_take_their_form_by_either_name(
    shell: Shell, flag: str, form: str, beginning: str
) -> None:
    for line in (("plan", "-f", "p.yaml", *AT), ("show", "plan.json")):
        result = shell(*line, flag, form)
        assert (result.code, result.out.lower().startswith(beginning)) == (0, True), result.out[:40]


@pytest.mark.parametrize("line", ["plan -f p.yaml", "show plan.json"])
def test_both_names_at_once_are_refused(shell: Shell, line: str) -> None:
    told = shell.fails(*line.split(), "--format", "json", "--output", "json", *AT)
    assert "--format and --output are the same option" in told


def test_a_form_of_other_commands_in_the_environment_is_not_for_plans(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCUS_BACKUP_OUTPUT", "yaml")
    assert shell("plan", "-f", "p.yaml", *AT).code == 0
    assert shell("backup", "instance", "web", "--images", "none", *AT).out == ""
    assert shell("list", *AT).out.startswith("- address:")
    monkeypatch.setenv("INCUS_BACKUP_OUTPUT", "json")
    assert json.loads(shell("plan", "-f", "p.yaml", *AT).out)["format_version"] == 1
    assert shell("plan", "-f", "p.yaml", "--format", "text", *AT).out[0] != "{"
    assert "'xml' is not one of" in shell.fails("plan", "-f", "p.yaml", "--output", "xml", *AT)
    monkeypatch.delenv("INCUS_BACKUP_OUTPUT")
    shell.file(".config/incus-backup/config.yaml", "output: yaml\n")
    assert shell("plan", "-f", "p.yaml", *AT).out[0] not in "{["


# -- what was done ------------------------------------------------------------------------------------


def test_what_was_done_is_told_step_by_step_as_runs_keep_it(shell: Shell, fake: FakeIncus) -> None:
    made = shell("backup", "instance", "web", "--images", "none", *JSON, *AT)
    assert done(made) == [[("back-up:instance/default/web", "done")]]
    [kept] = Path("repository/runs").glob("*/report.json")
    assert json.loads(made.out) == [json.loads(kept.read_text())["report"]]
    backup = json.loads(made.out)[0]["outcomes"][0]["made"]["backup"]
    assert done(shell("pin", backup, *JSON, *AT)) == [[(f"pin:{backup}", "done")]]
    assert done(shell("unpin", "*@*", *JSON, *AT)) == [[(f"unpin:{backup}", "done")]]
    assert done(shell("copy", "--from", "dir:repository", "--to", "dir:other", *JSON)) == [
        [("copy:instance/default/web", "done")]
    ]
    fake.world.instances.clear()
    assert done(shell("restore", "instance", "web", *JSON, *AT)) == [
        [("restore:instance/default/web", "done")]
    ]
    assert shell("backup", "instance", "web", "--images", "none", *AT).out == ""
    assert done(shell("prune", "--keep", "1", "--yes", *JSON, *AT)) == [
        [("prune:instance/default/web", "done")]
    ]
    assert done(shell("undelete", "*@*", *JSON, *AT)) == [[(f"undelete:{backup}", "done")]]


def test_where_nothing_is_done_there_is_no_run(shell: Shell) -> None:
    assert shell("backup", "instance", "web", "--images", "none", *AT).code == 0
    assert done(shell("unpin", "*@*", *JSON, *AT)) == []
    assert done(shell("restore", "instance", "web", *JSON, *AT), code=1) == []


def test_what_failed_is_told_as_well(shell: Shell, fake: FakeIncus) -> None:
    fake.world.add_instance("db")
    assert shell("backup", "instances", "--images", "none", *AT).code == 0
    fake.world.instances.clear()
    [archive] = Path("repository/instances/default/db").glob("*/export.tar.zst")
    archive.write_bytes(archive.read_bytes()[:-1] + b"?")
    result = shell("restore", "instances", *JSON, *AT)
    [report] = json.loads(result.out)
    assert result.code == 3
    failed = {each["step"]: (each["status"], each["error"] != "") for each in report["outcomes"]}
    assert failed == {
        "restore:instance/default/db": ("failed", True),
        "restore:instance/default/web": ("done", False),
    }


def test_a_dry_run_shows_the_plan_as_data(shell: Shell) -> None:
    result = shell("backup", "instance", "web", "--images", "none", "--dry-run", *JSON, *AT)
    assert json.loads(result.out)["plan"]["steps"][0]["id"] == "back-up:instance/default/web"
    assert shell("backup", "config", *AT).code == 0
    shown = shell("restore", "config", *JSON, *AT)
    assert json.loads(shown.out)["plan"]["steps"] == []


def test_apply_tells_of_all_plans(shell: Shell) -> None:
    assert shell("plan", "-f", "p.yaml", *AT).code == 0
    assert shell("plan", "-f", "p.yaml", "--out", "other.json", "--target", "dir:other").code == 0
    both = ("plan.json", "other.json", *JSON)
    assert len(json.loads(shell("apply", *both, "--dry-run").out)) == 2
    assert done(shell("apply", *both)) == [[("back-up:instance/default/web", "done")]] * 2
