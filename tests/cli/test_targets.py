"""A policy with several targets on the command line: a plan for each, and several plans applied."""

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from incusbak.model.records import ScratchExport
from incusbak.model.refs import instance_ref
from incusbak.state import StateJournal, default_root
from tests.cli.command import Result, Shell
from tests.fake_incus import FakeIncus

POLICY = """
version: 1
targets:
  local: dir:local
  offsite: {uri: "dir:mnt/offsite", keep: {monthly: 12}}
protect:
  - {name: all, select: {kind: instance, names: [web]}, backup: {every: 24h, images: none}, keep: {last: 3}}
  - {name: db, select: {kind: instance, names: [db]}, targets: [local]}
"""
PLAN = ("plan", "-f", "policy.yaml")
PLANS = ("plan-local.json", "plan-offsite.json")


@pytest.fixture
def fake() -> FakeIncus:
    """A server with two instances."""
    fake = FakeIncus()
    for name in ("db", "web"):
        fake.world.add_instance(name)
    return fake


@pytest.fixture
def tool(fake: FakeIncus, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The program with that server, and a disk for the repository off-site."""
    monkeypatch.setattr("incusbak.cli.session.connect", lambda *_, **__: fake)
    shell.file("policy.yaml", POLICY)
    (shell.home / "mnt").mkdir()
    return shell


def unplug(tool: Shell) -> None:
    """Take the disk of the repository off-site away."""
    (tool.home / "mnt").rename(tool.home / "elsewhere")


def planned(path: str) -> Any:
    return json.loads(Path(path).read_text())["plan"]


def files(tool: Shell) -> list[str]:
    return sorted(path.name for path in tool.home.glob("*.json"))


def backed_up(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder, "instances/default").iterdir())


# -- plan -------------------------------------------------------------------------------------------


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


def test_a_kind_of_repository_that_is_unknown_is_found_before_anything_is_planned(tool: Shell) -> None:
    tool.file("policy.yaml", POLICY.replace("dir:mnt/offsite", "tape:0"))
    tool.fails(*PLAN)
    assert files(tool) == []


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


def test_the_exit_code_says_whether_a_guard_blocks_any_plan(tool: Shell, fake: FakeIncus) -> None:
    tool(*PLAN)
    tool("apply", *PLANS)
    del fake.world.instances["default", "db"]
    result = tool(*PLAN, "--detailed-exitcode")
    assert (result.code, [len(planned(path)["blocks"]) for path in PLANS]) == (7, [1, 0])
    assert tool(*PLAN, "--target", "offsite").code == 0
    assert tool.fails("apply", *PLANS, code=7).startswith("protect rule db (policy.yaml:8:5) matches nothing")


def test_the_first_plan_cleans_up_so_that_no_later_one_is_stale(tool: Shell, fake: FakeIncus) -> None:
    with StateJournal(default_root(), fake.info().fingerprint) as journal:
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


# -- apply ------------------------------------------------------------------------------------------


def test_several_plans_are_carried_out_in_order(tool: Shell) -> None:
    tool(*PLAN)
    result = tool("apply", *PLANS, "-f", "policy.yaml")
    assert result.code == 0
    assert (backed_up("local"), backed_up("mnt/offsite")) == (["db", "web"], ["web"])
    told = [line for line in result.err.splitlines() if line.startswith("plan-")]
    assert told == [
        f"plan-local.json, for dir:{tool.home}/local:",
        f"plan-offsite.json, for dir:{tool.home}/mnt/offsite:",
    ]


@pytest.mark.parametrize("order", [PLANS, PLANS[::-1]])
def test_one_that_fails_does_not_keep_the_next_from_being_carried_out(
    tool: Shell, order: tuple[str, ...]
) -> None:
    tool(*PLAN)
    unplug(tool)
    result = tool("apply", *order)
    assert (result.code, backed_up("local")) == (3, ["db", "web"])
    assert "Error: plan-offsite.json: " in result.err


def test_if_all_fail_alike_that_is_the_exit_code(tool: Shell) -> None:
    tool(*PLAN)
    assert tool("apply", *PLANS).code == 0
    assert tool("apply", *PLANS).code == 4
    unplug(tool)
    assert tool("apply", *PLANS).code == 1


def test_nothing_is_begun_if_any_plan_is_not_as_it_was_written(tool: Shell) -> None:
    tool(*PLAN)
    path = Path("plan-offsite.json")
    path.write_text(path.read_text().replace('"reason": "', '"reason": "edited ', 1))
    assert "was edited after it was written" in tool.fails("apply", *PLANS)
    assert not Path("local").exists()


def test_nothing_is_begun_if_any_plan_is_of_other_policies(tool: Shell) -> None:
    tool(*PLAN)
    tool.file("policy.yaml", POLICY + "# changed\n")
    tool(*PLAN, "--target", "local", "--out", "plan-local.json")
    complaint = tool.fails("apply", *PLANS, "-f", "policy.yaml", code=4)
    assert "policy.yaml differs" in complaint
    assert not Path("local").exists()


def test_each_plan_needs_an_approval_that_fits(tool: Shell) -> None:
    tool(*PLAN)
    first, second = (json.loads(Path(path).read_text())["digest"] for path in PLANS)
    complaint = tool.fails("apply", *PLANS, "--approve", first[:8], code=5)
    assert f"the approval is for {first[:8]}, this plan is {second[:8]}" in complaint
    assert not Path("local").exists()
    assert tool("apply", *PLANS, "--approve", second[:8], "--approve", first[:12]).code == 0


def test_the_same_plan_twice_is_a_mistake(tool: Shell) -> None:
    tool(*PLAN)
    complaint = tool.fails("apply", "plan-local.json", "./plan-local.json")
    assert "./plan-local.json is the same plan as plan-local.json" in complaint


def test_a_dry_run_shows_all_of_them(tool: Shell) -> None:
    tool(*PLAN)
    result = tool("apply", *PLANS, "--dry-run")
    assert (result.code, result.out.count("To carry out exactly this plan:")) == (0, 2)
    assert not Path("local").exists()


def test_approvals_come_from_the_environment_and_the_config_file(
    tool: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(*PLAN)
    first, second = (json.loads(Path(path).read_text())["digest"] for path in PLANS)
    config = tool.file("config.yaml", f"approve: {'a' * 8}\n")
    tool.fails("apply", "plan-local.json", "--config", config, code=5)
    monkeypatch.setenv("INCUS_BACKUP_APPROVE", f"{first} {second}")
    assert tool("apply", *PLANS).code == 0


# -- what else there is about a policy ----------------------------------------------------------------


STATUS = ("status", "-f", "policy.yaml")


def test_status_tells_of_every_target_and_sums_up_once(tool: Shell) -> None:
    tool(*PLAN)
    tool("apply", "plan-local.json")
    result = tool(*STATUS)
    assert result.code == 7
    lines = result.out.splitlines()
    assert [line for line in lines if line.startswith("Target ")] == [
        "Target local: dir:" + str(tool.home / "local"),
        "Target offsite: dir:" + str(tool.home / "mnt/offsite"),
    ]
    assert [line for line in lines if line.startswith("Status")] == [
        "Status of 2 targets: 3 protected, 0 overdue, 1 without a backup, 0 unprotected."
    ]
    assert [line.split()[-1] for line in lines if line.startswith("instance/")] == ["ok", "ok", "missing"]
    assert tool(*STATUS, "--target", "local").code == 0
    tool("apply", "plan-offsite.json")
    assert tool(*STATUS).code == 0


def test_status_as_data_is_a_list_unless_one_target_is_named(tool: Shell) -> None:
    def told(output: str, *more: str) -> Result:
        return tool(*STATUS, "--output", output, *more)

    found = json.loads(told("json").out)
    assert [(each["target"], len(each["protected"])) for each in found] == [("local", 2), ("offsite", 1)]
    as_yaml = YAML(typ="safe").load(told("yaml").out)
    assert [each["target"] for each in as_yaml] == ["local", "offsite"]
    assert json.loads(told("json", "--target", "offsite").out)["target"] == "offsite"
    assert "target" not in json.loads(told("json", "--target", "dir:other").out)


def test_metrics_of_all_targets_are_one_file(tool: Shell) -> None:
    text = tool(*STATUS, "--output", "prometheus").out
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert len(families) == text.count("# HELP") == text.count("# TYPE")
    broken = families["incus_backup_promises_broken"].samples
    assert {sample.labels["repository"]: sample.value for sample in broken} == {
        f"dir:{tool.home}/local": 2,
        f"dir:{tool.home}/mnt/offsite": 1,
    }


def test_a_page_has_a_part_for_each_target(tool: Shell) -> None:
    page = tool(*STATUS, "--output", "html").out
    assert page.count("<!doctype html>") == 1
    assert page.index("Target local") < page.index("Target offsite")


def test_a_target_that_can_not_be_reached_is_an_error_beside_what_can_be_seen(tool: Shell) -> None:
    tool("apply", *PLANS)
    unplug(tool)
    result = tool(*STATUS)
    assert result.code == 10
    assert "Error: target offsite: " in result.err
    assert "Target local" in result.out


def test_half_of_what_there_is_is_not_given_to_programs(tool: Shell) -> None:
    tool.file("status.prom", "as it was\n")
    unplug(tool)
    assert tool(*STATUS, "--output", "prometheus", "--write", "status.prom").code == 10
    assert Path("status.prom").read_text() == "as it was\n"
    tool.fails(*STATUS, "--output", "json", code=10)


def test_explain_tells_where_a_resource_goes_and_how_long_it_is_kept(tool: Shell) -> None:
    result = tool("explain", "instance/default/web", "-f", "policy.yaml")
    lines = result.out.splitlines()
    assert [line for line in lines if line.startswith("Target ")] == [
        "Target local: dir:local",
        "Target offsite: dir:mnt/offsite",
    ]
    assert [line.split()[1:] for line in lines if line.startswith("  keep")] == [
        ["last:", "3", "policy.yaml:7"],
        ["monthly:", "12", "policy.yaml:5"],
    ]


def test_explain_says_that_only_another_target_has_it(tool: Shell) -> None:
    explain = ("explain", "instance/default/db", "-f", "policy.yaml")
    told = tool(*explain).out
    assert "Covered by rule db" in told
    assert "No rule for this target means it; one for another target does." in told
    assert [each["coverage"] for each in json.loads(tool(*explain, "--output", "json").out)] == [
        "protected",
        "elsewhere",
    ]
    assert "target" in tool(*explain, "--output", "table").out
    assert json.loads(tool(*explain, "--output", "json", "--target", "local").out)["target"] == "local"


def test_list_is_of_one_repository(tool: Shell) -> None:
    tool(*PLAN)
    tool("apply", *PLANS)
    complaint = tool.fails("list", "instances", "-f", "policy.yaml")
    assert complaint == (
        "the policy has several targets: local, offsite\nHint: name one of them with --target\n"
    )
    listed = ("list", "instances", "-f", "policy.yaml", "--output", "json", "--target")
    assert [row["kept_by"] for row in json.loads(tool(*listed, "offsite").out)] == [["monthly"]]
    assert [row["kept_by"] for row in json.loads(tool(*listed, "local").out)] == [[], ["last"]]


def test_validate_asks_neither_server_nor_repositories(shell: Shell) -> None:
    shell.file("policy.yaml", POLICY)
    assert shell("validate", "-f", "policy.yaml").code == 0
    shell.file("policy.yaml", POLICY.replace("targets: [local]", "targets: [lokal]"))
    assert "did you mean `local`?" in shell.fails("validate", "-f", "policy.yaml")
