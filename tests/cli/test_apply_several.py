"""Several plans are all checked first, and then each carried out whatever becomes of the others."""

import json
from pathlib import Path

import pytest

from tests.cli.command import Shell
from tests.cli.targets_scene import PLAN, PLANS, POLICY, backed_up, unplug


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
