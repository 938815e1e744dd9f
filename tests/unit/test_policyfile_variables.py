"""`${NAME}` stands for a value of `vars`, else of the environment; no secret is told."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from incusbak.errors import PolicyError
from incusbak.model.policies import Hooks, Latest, Policy
from incusbak.policyfile import load_policies, parse_policy

RULE = "protect: [{name: r, select: {kind: instance, names: [%s]}}]\n"


def parse(text: str, environment: Mapping[str, str] | None = None) -> Policy:
    return parse_policy("version: 1\n" + dedent(text), "p.yaml", environment=environment)


def problems(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(text, environment)
    return [line.removeprefix("p.yaml:") for line in caught.value.message.splitlines()]


def test_a_variable_is_taken_from_vars_and_else_from_the_environment() -> None:
    text = """\
        vars: {tier: gold}
        target: dir:${BASE}/x
        protect:
          - name: ${tier}-${BASE:-none}
            select: {kind: instance, where: {user.tier: "${tier}"}}
            backup: {every: "${EVERY:-1d}"}
        """
    policy = parse(text, {"BASE": "/srv", "tier": "silver"})
    [rule] = policy.protect
    assert (policy.target, rule.name, dict(rule.select.where), rule.every) == (
        "dir:/srv/x",
        "gold-/srv",
        {"user.tier": "gold"},
        timedelta(days=1),
    )


def test_a_truth_value_can_be_a_variable() -> None:
    text = """\
        protect:
          - name: r
            select: {kind: instance}
            backup:
              snapshot: ${SNAPSHOT}
        """
    assert parse(text, {"SNAPSHOT": "false"}).protect[0].options.snapshot is False


def test_a_default_stands_for_what_is_set_to_nothing() -> None:
    assert parse("target: ${BASE:-dir:/srv}", {"BASE": ""}).target == "dir:/srv"


def test_vars_may_use_the_environment_and_no_other_vars() -> None:
    text = "vars: {a: '${HOST}-x', b: '${a}'}\nprotect: [{name: '${a}', select: {kind: instance}}]\n"
    assert parse(text.replace(", b: '${a}'", ""), {"HOST": "h"}).protect[0].name == "h-x"
    assert problems(text, {"HOST": "h"}) == ["2:27: `a` is set neither in `vars` nor in the environment"]


def test_what_is_not_set_is_told_with_its_place_and_a_suggestion() -> None:
    assert problems("vars: {tier: gold}\n" + RULE % '"${teir}"') == [
        "3:54: `teir` is set neither in `vars` nor in the environment; did you mean `tier`?"
    ]


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${a b}", "${a-b}", "x${a:b}"])
def test_what_only_looks_like_a_variable_is_refused(text: str) -> None:
    [problem] = problems(RULE % f"'{text}'", {"a": "b"})
    assert "is not of the form ${NAME} or ${NAME:-default}; write $${ where" in problem


def test_a_doubled_dollar_is_the_characters_themselves() -> None:
    assert parse(RULE % '"$${NAME}-$x-$"').protect[0].select.names == ("${NAME}-$x-$",)


def test_commands_keep_their_own_variables() -> None:
    text = """\
        protect:
          - name: r
            select: {kind: instance}
            backup: {before: [["sh", "-c", "echo ${HOME}"]], after: [["sh", "-c", "echo $${x}"]]}
            rehearse: {every: 1d, probe: [["sh", "-c", "test ${HOME}"]]}
        """
    rehearse = parse(text).protect[0].rehearse
    assert rehearse is not None
    assert rehearse.probe == (("sh", "-c", "test ${HOME}"),)
    assert parse(text).protect[0].hooks == Hooks(
        (("sh", "-c", "echo ${HOME}"),), (("sh", "-c", "echo $${x}"),)
    )


def test_the_time_of_a_restore_can_be_a_variable() -> None:
    text = "restore: [{name: r, select: {kind: instance}, version: {before: '${WHEN}'}}]"
    [rule] = parse(text, {"WHEN": "20261101T000000Z"}).restore
    assert rule.version == Latest(datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "target: ${S}",
            "2:9: the value of `${S}` from the environment: it can't be used here",
        ),
        (
            "protect: [{name: r, select: {kind: instance}, backup: {every: '${S}'}}]",
            "2:63: the value of `${S}` from the environment: "
            "expected a duration such as 90m, 24h, 7d, 2w or 1d12h",
        ),
        (
            "maps: {pools: {a: '${S}'}}",
            "2:19: the value of `${S}` from the environment: it can't be used here",
        ),
    ],
)
def test_a_wrong_value_of_the_environment_is_not_shown(text: str, problem: str) -> None:
    assert problems(text, {"S": "/hunter2/"}) == [problem]


def test_a_wrong_value_of_vars_is_shown() -> None:
    assert problems("vars: {t: /srv}\ntarget: ${t}")[0].startswith("3:9: `/srv` is not a target")


def test_vars_hold_for_all_files_and_must_not_contradict(tmp_path: Path) -> None:
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text("version: 1\n" + RULE % '"${tier}"')
    two.write_text("version: 1\nvars: {tier: gold}\n")
    assert load_policies([tmp_path], environment={}).protect[0].select.names == ("gold",)
    three = tmp_path / "3.yaml"
    three.write_text("version: 1\nvars: {tier: silver}\n")
    with pytest.raises(PolicyError) as caught:
        load_policies([tmp_path], environment={})
    assert caught.value.message == f"{three}:2:14: the variable `tier` has another value at {two}:2:14"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{1: x}", 'expected text, got the number `1`; put it in quotes if text is meant: "1"'),
        ("{a-b: x}", "`a-b` can't be a variable; use letters, digits and _"),
        ("{a: 1}", 'expected text, got the number `1`; put it in quotes if text is meant: "1"'),
        ("[a]", "expected a mapping, got a list"),
        ("{a: x, a: y}", "duplicate key `a`"),
    ],
)
def test_vars_are_names_and_texts(body: str, problem: str) -> None:
    assert problems(f"vars: {body}")[0].partition(": ")[2] == problem


def test_aliases_that_multiply_take_no_time() -> None:
    lines = ["a0: &a0 ['${X}']"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert len(problems("\n".join(lines), {"X": "y"})) == 30
