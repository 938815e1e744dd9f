"""``explain`` as a command: its forms of output, and what it refuses before it looks at anything."""

import json

import pytest
from ruamel.yaml import YAML

from tests.cli.command import Shell
from tests.world.explain_scene import WEB, make_estate

POLICY = (
    "version: 1\nprotect:\n  - {name: web, select: {kind: instance, names: [web]}, backup: {every: 24h}}\n"
)


@pytest.fixture
def explain(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in which server and repository are in memory."""
    estate = make_estate()
    monkeypatch.setattr("incusbak.cli.explain_cmd.Session", lambda _: estate.session())
    shell.file("p.yaml", POLICY)
    return shell


def test_by_default_it_is_told_as_text(explain: Shell) -> None:
    result = explain("explain", WEB.address, "-f", "p.yaml")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[:2] == ["instance/default/web", "  Covered by rule web (p.yaml:3:5)."]
    assert ["every", "1d", "p.yaml:3"] in [line.split() for line in lines]
    assert ["expect.unprotected", "warn", "built-in", "default"] in [line.split() for line in lines]


def test_what_is_unprotected_is_no_error(explain: Shell) -> None:
    result = explain("explain", "instance/default/db", "-f", "p.yaml")
    assert (result.code, result.err) == (0, "")
    assert "Unprotected: no rule covers it." in result.out


def test_other_programs_get_a_line_for_each_fact_or_data(explain: Shell) -> None:
    def told(output: str) -> str:
        return explain("explain", WEB.address, "-f", "p.yaml", "--output", output).out

    assert [line.split()[0] for line in told("table").splitlines()[:4]] == [
        "WHAT",
        "repository",
        "coverage",
        "rule",
    ]
    data = json.loads(told("json"))
    assert (data["address"], data["coverage"]) == (WEB.address, "protected")
    assert data["settings"][0]["origin"] == {
        "type": "written",
        "place": {"file": "p.yaml", "line": 3, "column": 66},
    }
    assert YAML(typ="safe").load(told("yaml")) == data


def test_an_unknown_resource_is_an_error_with_near_misses(explain: Shell) -> None:
    complaint = explain.fails("explain", "instance/default/wob", "-f", "p.yaml", code=1)
    message, hint = complaint.splitlines()
    assert message == "instance/default/wob is neither on the server nor in the repository"
    assert hint.startswith("Hint: did you mean instance/default/web")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("web", "'web': unknown kind 'web'"),
        ("instance/web", "'instance/web' is not of the form instance/PROJECT/NAME"),
        ("image/", "'image/': a name is empty"),
        ("project/shop", "project/shop is part of the configuration, which rules mean as one: `config`"),
    ],
)
def test_what_is_no_address_is_refused_with_the_forms_there_are(shell: Shell, address: str, why: str) -> None:
    complaint = shell.fails("explain", address, "-f", shell.file("p.yaml", POLICY), "--target", "dir:x")
    assert complaint.startswith(why)
    assert (
        "Hint: an address is instance/PROJECT/NAME, volume/PROJECT/POOL/NAME, config, or image" in complaint
    )


def test_it_needs_a_policy_an_address_and_a_repository(shell: Shell) -> None:
    assert "Missing option '-f'" in shell.fails("explain", WEB.address)
    assert "Missing argument 'ADDRESS'" in shell.fails("explain", "-f", "p.yaml")
    assert "can't read the policy" in shell.fails("explain", WEB.address, "-f", "nothing.yaml")
    policy = shell.file("p.yaml", POLICY)
    assert "no repository is named" in shell.fails("explain", WEB.address, "-f", policy)
    shell.fails("explain", WEB.address, "-f", policy, "--target", "dir:x", code=75)
