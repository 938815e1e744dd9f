"""``schema`` prints what editors and CI check files with; it needs neither server nor repository."""

import json

import pytest

from incusbak import codec
from incusbak.plan_schema import plan_schema
from incusbak.policyfile.schema import policy_schema
from tests.cli.command import Shell, process

SCHEMAS = [("policy", policy_schema()), ("plan", plan_schema())]


@pytest.mark.parametrize(("what", "described"), SCHEMAS)
def test_a_schema_is_printed_as_json_and_nothing_else(shell: Shell, what: str, described: object) -> None:
    result = shell("schema", what)

    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == described
    assert result.out.endswith("}\n")


@pytest.mark.parametrize(("what", "described"), SCHEMAS)
def test_a_schema_has_the_same_bytes_in_every_process(what: str, described: object) -> None:
    outputs = {
        process("-m", "incusbak", "schema", what, env={"PYTHONHASHSEED": seed}).stdout for seed in "12"
    }

    assert outputs == {codec.dump(described)}


def test_a_schema_of_something_else_is_refused(shell: Shell) -> None:
    complaint = shell.fails("schema", "polcy")

    assert complaint == "there is no schema of 'polcy'\nHint: use one of policy, plan\n"
