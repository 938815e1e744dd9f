"""A policy with several targets gives a plan for each of them."""

import json
import shutil
from pathlib import Path

import pytest

from incusbak.model.records import ScratchExport
from incusbak.model.refs import instance_ref
from incusbak.policyfile.language import BACKENDS
from incusbak.repositories import SCHEMES
from incusbak.state import StateJournal, default_root
from tests.cli.command import Shell
from tests.cli.targets_scene import PLAN, PLANS, POLICY, files, planned, unplug
from tests.fake_incus import FakeIncus


def test_each_target_gets_a_plan_in_a_file_with_its_name(tool: Shell) -> None:
    result = tool(*PLAN)
    assert (result.code, files(tool)) == (0, list(PLANS))
    assert [planned(path)["repository"]["uri"] for path in PLANS] == [
        f"dir:{tool.home}/local",
        f"dir:{tool.home}/mnt/offsite",
    ]
    assert [len(planned(path)["steps"]) for path in PLANS] == [2, 1]
    assert [line for line in result.out.splitlines() if line.startswith("Target:")] == [
        "Target:     local",
        "Target:     offsite",
    ]
    for path in PLANS:
        digest = json.loads(Path(path).read_text())["digest"]
        assert f"incus-backup apply {path} --approve {digest[:8]}" in result.out
        assert f"Saved as {path}." in result.err


def test_out_names_the_files_and_no_out_writes_none(tool: Shell) -> None:
    (tool.home / "out").mkdir()
    tool(*PLAN, "--out", "out/night.v1.json")
    assert [p.name for p in sorted((tool.home / "out").iterdir())] == [
        "night.v1-local.json",
        "night.v1-offsite.json",
    ]
    assert tool(*PLAN, "--no-out").code == 0
    assert files(tool) == []
    assert "several plans can't be written to stdout" in tool.fails(*PLAN, "--out", "-")


def test_one_target_that_is_named_is_planned_as_ever(tool: Shell) -> None:
    result = tool(*PLAN, "--target", "offsite")
    assert (result.code, files(tool)) == (0, ["plan.json"])
    assert planned("plan.json")["repository"]["uri"] == f"dir:{tool.home}/mnt/offsite"
    assert len(planned("plan.json")["steps"]) == 1


def test_a_uri_wins_over_all_targets_and_every_rule_is_for_it(tool: Shell) -> None:
    assert tool(*PLAN, "--target", "dir:other").code == 0
    assert planned("plan.json")["repository"]["uri"] == f"dir:{tool.home}/other"
    assert len(planned("plan.json")["steps"]) == 2


def test_the_only_target_of_a_policy_gives_plan_json(tool: Shell) -> None:
    tool.file("policy.yaml", POLICY.replace('  offsite: {uri: "dir:mnt/offsite", keep: {monthly: 12}}\n', ""))
    assert (tool(*PLAN).code, files(tool)) == (0, ["plan.json"])


def test_an_unknown_name_is_no_folder(tool: Shell) -> None:
    complaint = tool.fails(*PLAN, "--target", "ofsite")
    assert complaint == (
        "the policy has no target ofsite; it has local, offsite\n"
        "Hint: did you mean offsite? A folder of that name is dir:ofsite\n"
    )


def test_two_names_for_one_repository_are_refused(tool: Shell) -> None:
    tool.file("policy.yaml", POLICY.replace("dir:mnt/offsite", "dir:./mnt/../local/"))
    assert "offsite is the same repository as local" in tool.fails(*PLAN)


def test_a_link_to_a_repository_is_no_second_one(tool: Shell) -> None:
    """Each of two targets is pruned by its own rules; what one keeps the other would remove."""
    tool.file("local/kept", "")
    Path("mnt/link").symlink_to(Path("local").absolute())
    tool.file("policy.yaml", POLICY.replace("dir:mnt/offsite", "dir:mnt/link"))
    assert "offsite is the same repository as local" in tool.fails(*PLAN)


def test_two_targets_with_one_id_are_warned_of(tool: Shell) -> None:
    """A place elsewhere may be this one by another name; a copy of its files passes for it as well."""
    assert "same repository id" not in tool(*PLAN).err
    assert tool("backup", "instances", "web", "--target", "dir:local").code == 0
    shutil.copytree("local", "mnt/offsite")
    told = tool(*PLAN)
    assert (told.code, "targets local and offsite have the same repository id" in told.err) == (0, True)
    mend = ("copy", "--from", "dir:local", "--to", "dir:mnt/offsite", "--new-id")
    assert tool(*mend).code == 0
    assert "same repository id" not in tool(*PLAN).err


def test_a_kind_of_repository_that_is_unknown_is_found_before_anything_is_planned(tool: Shell) -> None:
    tool.file("policy.yaml", POLICY.replace("dir:mnt/offsite", "tape:0"))
    complaint = "policy.yaml:5:18: `tape:0` is of an unknown kind of repository (known: dir:, restic:)"
    for command in (PLAN, ("validate", "-f", "policy.yaml")):
        assert tool.fails(*command).startswith(complaint)
    assert files(tool) == []


def test_policies_know_the_kinds_of_repository_there_are() -> None:
    assert set(BACKENDS) == set(SCHEMES)


def test_plans_are_saved_though_nobody_reads_them_to_their_end(
    tool: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("incusbak.cli.plan_cmd.click.echo", gone)
    with monkeypatch.context() as reader:
        reader.setattr("incusbak.cli._closed_pipe", lambda: 141)
        assert tool(*PLAN).code == 141
    assert files(tool) == list(PLANS)


def test_a_target_that_can_not_be_reached_costs_the_others_nothing(tool: Shell) -> None:
    unplug(tool)
    result = tool(*PLAN)
    assert (result.code, files(tool)) == (10, ["plan-local.json"])
    assert result.err.startswith("Error: target offsite: ")
    assert "Saved as plan-local.json." in result.err
    assert "Target:     local" in result.out


def test_the_exit_code_says_whether_any_plan_has_changes(tool: Shell) -> None:
    detailed = (*PLAN, "--detailed-exitcode")
    assert tool(*detailed).code == 2
    assert tool("apply", "plan-local.json").code == 0
    assert tool(*detailed).code == 2
    assert tool("apply", "plan-offsite.json").code == 0
    result = tool(*detailed)
    assert (result.code, result.out.count("No changes.")) == (0, 2)


def test_the_exit_code_says_whether_a_guard_blocks_any_plan(tool: Shell, two_instances: FakeIncus) -> None:
    tool(*PLAN)
    tool("apply", *PLANS)
    del two_instances.world.instances["default", "db"]
    result = tool(*PLAN, "--detailed-exitcode")
    assert (result.code, [len(planned(path)["blocks"]) for path in PLANS]) == (7, [1, 0])
    assert tool(*PLAN, "--target", "offsite").code == 0
    assert tool.fails("apply", *PLANS, code=7).startswith("protect rule db (policy.yaml:8:5) matches nothing")


def test_the_first_plan_cleans_up_for_all(tool: Shell, two_instances: FakeIncus) -> None:
    with StateJournal(default_root(), two_instances.info().fingerprint) as journal:
        journal.write(ScratchExport("0" * 32, instance_ref("default", "web"), "left"))
    tool(*PLAN)
    assert [planned(path)["summary"]["clean_up"] for path in PLANS] == [1, 0]
    assert tool("apply", *PLANS).code == 0
    assert tool(*PLAN, "--detailed-exitcode").code == 0


@pytest.mark.parametrize("form", ["json", "markdown", "html"])
def test_plans_are_shown_in_every_form(tool: Shell, form: str) -> None:
    result = tool(*PLAN, "--format", form)
    digests = [json.loads(Path(path).read_text())["digest"][:8] for path in PLANS]
    assert [digest for digest in digests if digest not in result.out] == []
    if form == "json":
        assert [plan["digest"][:8] for plan in json.loads(result.out)] == digests
    if form == "markdown":
        assert [line.split(":")[0] for line in result.out.splitlines() if line.startswith("### ")] == [
            "### Target `local`",
            "### Target `offsite`",
        ]
    if form == "html":
        assert 'id="local-step-1"' in result.out
        assert 'id="offsite-step-1"' in result.out
