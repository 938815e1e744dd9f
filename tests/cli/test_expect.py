"""Nothing is called in order where nothing is covered: rules, globs and maps that match nothing."""

import pytest

from tests.cli.command import Shell
from tests.fake_incus import FakeIncus

HEAD = "version: 1\ntarget: dir:repository\n"
RULE = "protect: [{{name: web, select: {{{select}}}, backup: {{images: none}}}}]\n"
PLAN, STATUS = ("plan", "-f", "policy.yaml"), ("status", "-f", "policy.yaml")


def policy(tool: Shell, select: str, *, more: str = "") -> None:
    tool.file("policy.yaml", HEAD + RULE.format(select=f"kind: instance, {select}") + more)


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("select", "reason"),
    [
        ("names: [wbe]", "matches nothing on the server; did you mean `web`?"),
        ("names: ['wbe*']", "matches nothing on the server; did you mean `web`?"),
        ("where: {user.tier: gold}", "matches nothing on the server"),
        ("projects: ['shop-*']", "matches nothing on the server"),
        (
            "projects: [defualt]",
            "project defualt can't be seen on the server: it is not there, or this client",
        ),
        ("projects: [default, shop]", "a certificate can be restricted to some projects"),
    ],
)
def test_a_rule_that_names_something_and_matches_nothing_ends_with_7(
    tool: Shell, select: str, reason: str
) -> None:
    policy(tool, select)
    planned, status = tool(*PLAN), tool(*STATUS)
    assert (planned.code, status.code) == (7, 7)
    assert "Everything is as it should be" not in planned.out
    assert reason in words(planned.out)
    assert reason in words(status.out)
    assert tool("apply", "plan.json").code == 0


@pytest.mark.parametrize(
    ("names", "code", "told"),
    [
        (
            "[web, dbb]",
            7,
            "protect rule web (policy.yaml:3:11): nothing on the server is called dbb; did you mean",
        ),
        ("[web, 'dbb*']", 0, "nothing on the server is called dbb*; did you mean `db`?"),
        ("[web, '*']", 0, ""),
        ("[web, '!dbb']", 0, ""),
    ],
    ids=["a name", "a pattern", "all", "an exclusion"],
)
def test_a_name_that_means_nothing_beside_others_that_do_is_told(
    tool: Shell, names: str, code: int, told: str
) -> None:
    policy(tool, f"names: {names}")
    for command in (PLAN, STATUS):
        result = tool(*command)
        assert "nothing on the server" in result.out or not told
        assert told in words(result.out)
    assert tool(*PLAN).code == code
    assert tool("apply", "plan.json").code == 0


def test_so_it_is_in_a_restore_rule(tool: Shell) -> None:
    policy(tool, "names: ['*']")
    assert (tool(*PLAN).code, tool("apply", "plan.json").code) == (0, 0)
    back = "restore: [{name: back, select: {kind: instance, names: [web, dbb]}, if_present: skip}]\n"
    policy(tool, "names: ['*']", more=back)
    planned = tool(*PLAN)
    assert planned.code == 7
    assert (
        "restore rule back (policy.yaml:4:11): nothing in the repository is called dbb; did you mean `db`?"
        in (words(planned.out))
    )


@pytest.mark.parametrize(
    ("severity", "code", "told"), [("ok", 0, False), ("warn", 0, True), ("fail", 7, True)]
)
def test_how_it_is_taken_is_said_in_the_policy(tool: Shell, severity: str, code: int, told: bool) -> None:
    policy(tool, "names: [wbe]", more=f"expect: {{unmatched: {severity}}}\n")
    for command in (PLAN, STATUS):
        result = tool(*command)
        assert (result.code, "matches nothing" in result.out) == (code, told)


@pytest.mark.parametrize(
    ("severity", "code", "counted"), [("ok", 0, False), ("warn", 0, True), ("fail", 7, True)]
)
def test_what_no_rule_covers_is_counted_in_the_last_line(
    tool: Shell, severity: str, code: int, counted: bool
) -> None:
    policy(tool, "names: [web]", more=f"expect: {{unprotected: {severity}}}\n")
    tool(*PLAN)
    tool("apply", "plan.json")
    planned = tool(*PLAN)
    last = planned.out.splitlines()[-1]
    assert (planned.code, "1 is covered by no rule." in last) == (code, counted)
    status = tool(*STATUS)
    assert (status.code, f"{int(counted)} unprotected." in status.out) == (code, True)


def test_a_rule_of_everything_that_matches_nothing_is_a_warning(tool: Shell) -> None:
    tool.file("policy.yaml", HEAD + "protect: [{name: all, select: {kind: volume}}]\n")
    result = tool(*PLAN)
    assert (result.code, "protect rule all (policy.yaml:3:11) matches nothing" in result.out) == (0, True)
    assert "No changes, as nothing is covered. 2 are covered by no rule." in result.out
    assert tool(*STATUS).code == 0


def test_so_is_one_of_everything_in_a_project_that_is_there(tool: Shell, two_instances: FakeIncus) -> None:
    two_instances.world.add_project("shop")
    policy(tool, "projects: [shop]")
    assert tool(*PLAN).code == tool(*STATUS).code == 0


def test_only_and_maps_that_match_nothing_end_with_7(tool: Shell) -> None:
    policy(tool, "names: ['*']")
    result = tool(*PLAN, "--only", "instance/default/wbe")
    assert result.code == 7
    assert "matches nothing that the policy is about; did you mean `instance/default/web`?" in words(
        result.out
    )
    assert tool(*PLAN).code == tool("apply", "plan.json").code == 0
    assert tool(*PLAN, "--only", "instance/*/web").code == 0
    back = "restore: [{name: back, select: {kind: instance}, if_present: skip}]\n"
    policy(tool, "names: ['*']", more=f"{back}maps: {{pools: {{nope: x}}}}\n")
    result = tool(*PLAN)
    assert result.code == 7
    assert "the pool map nope=x changes nothing of what is restored" in result.out
    policy(tool, "names: ['*']", more=f"{back}maps: {{pools: {{default: x}}}}\n")
    assert tool(*PLAN).code == 0


def test_a_map_of_a_command_that_changes_nothing_is_refused_before_anything_is_done(tool: Shell) -> None:
    at = ("--target", "dir:repository")
    assert tool("backup", "instances", *at).code == 0
    restore = ("restore", "instances", "--replace", "--yes", *at)
    told = tool.fails(*restore, "--network-map", "nope=x", code=7)
    assert told.startswith("the network map nope=x changes nothing of what is restored")
    assert "--force" not in told
    assert tool(*restore, "--dry-run", "--network-map", "nope=x").code == 7


def test_a_restore_rule_is_held_to_the_same_by_the_repository(tool: Shell) -> None:
    assert tool("backup", "instances", "--target", "dir:repository").code == 0
    rule = "restore: [{name: back, select: {kind: instance, names: [wbe]}, if_present: skip}]\n"
    tool.file("policy.yaml", HEAD + rule)
    for command in (PLAN, STATUS):
        result = tool(*command)
        assert result.code == 7
        assert "matches nothing in the repository; did you mean `web`?" in words(result.out)


def test_a_command_that_names_a_project_it_can_not_see_fails(tool: Shell) -> None:
    told = tool.fails("backup", "instances", "--project", "shop", "--target", "dir:repository", code=1)
    assert told.startswith("project shop can't be seen on the server")


def test_a_command_with_nothing_to_do_does_not_call_that_in_order(tool: Shell) -> None:
    result = tool("backup", "volumes", "--target", "dir:repository")
    assert (result.code, result.err) == (0, "No changes: there is nothing of what was asked for.\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "protect: [{name: a, select: {kind: instance, names: [web, '!web']}}]",
            "exclude all that they name",
        ),
        ("protect: [{name: a, select: {kind: instance, projects: ['!*']}}]", "`projects` exclude all"),
        (
            "protect: [{name: a, select: {kind: volume, names: [data]}}]",
            "volumes are named POOL/NAME, not data",
        ),
        (
            "restore: [{name: a, select: {kind: instance, names: [a/b]}}]",
            "no instance has a name with a slash",
        ),
        ("protect: []\nmaps: {pools: {a: b}}", "there is no restore rule"),
    ],
)
def test_validate_finds_what_can_not_match_anything(shell: Shell, text: str, reason: str) -> None:
    shell.file("policy.yaml", f"{HEAD}{text}\n")
    assert reason in shell.fails("validate", "-f", "policy.yaml", code=7)
    shell.file("policy.yaml", f"{HEAD}{text}\nexpect: {{unmatched: warn}}\n")
    assert shell("validate", "-f", "policy.yaml").code == 0
