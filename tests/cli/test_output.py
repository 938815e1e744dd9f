"""``--output`` and ``--format``: plans in any form, and what commands did as data."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incusbak.cli.session import Session
from incusbak.model.results import Event, Finished
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


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("command", ["verify", "verify instances wep", "rehearse instance web"])
def test_what_could_not_be_begun_is_told_as_an_empty_list(shell: Shell, command: str, form: str) -> None:
    result = shell(*command.split(), "--output", form, *AT)
    assert (result.code, result.out) == (10, "[]\n")
    assert result.err.startswith("Error: there is no repository at ")


def test_where_there_is_nothing_to_read_the_list_is_empty(shell: Shell) -> None:
    assert shell("backup", "instance", "web", "--images", "none", *AT).code == 0
    for form in ("json", "yaml"):
        assert shell("verify", "volumes", "--output", form, *AT).out == "[]\n"
    assert shell("verify", "volumes", *AT).out == ""


@pytest.mark.parametrize("command", ["rehearse instances", "verify instances"])
def test_what_was_found_out_before_a_signal_is_told(
    shell: Shell, fake: FakeIncus, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    fake.world.add_instance("db")
    assert shell("backup", "instances", "--images", "none", *AT).code == 0
    stop_after_first_step(monkeypatch)
    result = shell(*command.split(), "--parallel", "1", *JSON, *AT)
    found = {each["address"].split("@")[0]: each["problem"] for each in json.loads(result.out)}
    assert (result.code, found["instance/default/db"]) == (130, "")
    assert found["instance/default/web"].endswith("stopped before it began")


def stop_after_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def hear(_: Session, listen: Callable[[Event], None]) -> Callable[[Event], None]:
        def heard(event: Event) -> None:
            if isinstance(event.what, Finished):
                os.kill(os.getpid(), signal.SIGINT)
            listen(event)

        return heard

    monkeypatch.setattr("incusbak.cli.workflow.noting_steps", hear)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("restore instance web --dry-run", 10),
        ("restore instance web --out plan.json", 10),
        ("restore config", 10),
        ("list", 10),
        ("prune --simulate 5", 64),
        ("verify --nonsense", 64),
    ],
)
def test_what_can_not_be_looked_at_or_understood_has_no_output(shell: Shell, line: str, code: int) -> None:
    """An empty list would say that there is nothing."""
    result = shell(*line.split(), *JSON, *AT)
    assert (result.code, result.out) == (code, "")
