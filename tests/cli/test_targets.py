"""What other commands tell of a policy with several targets."""

import json
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from tests.cli.command import Result, Shell
from tests.cli.targets_scene import PLAN, PLANS, POLICY, unplug

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
        "Target local",
        "Target offsite",
    ]
    assert [line for line in lines if line.startswith("Backups in ")] == [
        f"Backups in dir:{tool.home}/local",
        f"Backups in dir:{tool.home}/mnt/offsite",
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
