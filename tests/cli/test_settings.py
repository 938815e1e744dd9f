"""Where settings come from: flags before environment before config file, each checked."""

from pathlib import Path

import click
import pytest

from incusbak.cli import COMMANDS, cli
from incusbak.model.refs import instance_ref
from incusbak.repositories import open_repository
from tests.cli.command import Shell, listed
from tests.samples import store

LIST = ("list", "instances", "--output", "json")


@pytest.fixture
def stored(shell: Shell) -> dict[str, str]:
    """Repositories ``one`` to ``four``, each with an instance of its name."""
    addresses = {}
    for name in ("one", "two", "three", "four"):
        repository = open_repository(f"dir:{shell.home / name}")
        addresses[name] = store(repository, instance_ref("default", name)).address
    store(repository, instance_ref("shop", "cart"))
    return addresses


@pytest.mark.parametrize(
    "line",
    [
        "--target dir:one list instances --output json",
        "--target=dir:one list instances --output=json",
        "list --target dir:one instances --output json",
        "list instances --output json --target=dir:one",
        "list instances --output json --target one",
        "--backend dir list instances --output json --target one",
        "--target dir:two list instances --output json --target dir:one",
        "--project shop list instances one --output json --target dir:one --project default",
    ],
)
def test_global_options_stand_before_or_after_the_command(
    shell: Shell, stored: dict[str, str], line: str
) -> None:
    assert listed(shell(*line.split())) == [stored["one"]]


def test_flags_win_over_the_environment_and_that_over_the_config_file(
    shell: Shell, stored: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(shell.home / "etc"))
    shell.file("etc/incus-backup/config.yaml", "target: dir:one\noutput: json\n")
    assert listed(shell("list", "instances")) == [stored["one"]]
    assert listed(
        shell("list", "instances", "--config", shell.file("c.yaml", "target: two\noutput: json\n"))
    ) == [stored["two"]]
    monkeypatch.setenv("INCUS_BACKUP_DIR", "two")
    assert listed(shell("list", "instances")) == [stored["two"]]
    monkeypatch.setenv("INCUS_BACKUP_TARGET", "dir:three")
    assert listed(shell("list", "instances")) == [stored["three"]]
    assert listed(shell("list", "instances", "--target", "dir:four")) == [stored["four"]]
    assert shell("list", "instances", "--output", "table").out.startswith("PROJECT")
    monkeypatch.setenv("INCUS_BACKUP_OUTPUT", "yaml")
    assert shell("list", "instances").out.startswith("- address:")


def test_the_project_comes_from_anywhere(
    shell: Shell, stored: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = "instance/shop/cart@20260301T123000Z"
    assert listed(shell(*LIST, "--target", "four", "--project", "shop")) == [cart]
    assert listed(shell(*LIST, "--target", "four", "--project", "*")) == [stored["four"], cart]
    monkeypatch.setenv("INCUS_BACKUP_PROJECT", "shop")
    assert listed(shell(*LIST, "--target", "four")) == [cart]


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_called_in_the_environment_as_their_flag_is(command: str) -> None:
    found = cli.get_command(click.Context(cli), command)
    options = [p for p in found.params if isinstance(p, click.Option)] if found else []
    assert len(options) > 0
    for option in options:
        flag = next(each for each in option.opts if each.startswith("--"))
        assert option.envvar == "INCUS_BACKUP_" + flag.strip("-").replace("-", "_").upper()


def test_maps_come_from_the_environment_and_the_config_file(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("restore", "instance", "one", "--target", "one")
    monkeypatch.setenv("INCUS_BACKUP_POOL_MAP", "fast slow")
    assert "'fast' is not of the form OLD=NEW" in shell.fails(*line)
    monkeypatch.delenv("INCUS_BACKUP_POOL_MAP")
    shell.file(".config/incus-backup/config.yaml", "network-map: [br0=br1, lan]\n")
    assert "network_map: 'lan' is not of the form OLD=NEW" in shell.fails(*line)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("taget: dir:/x\n", "config.yaml: unknown setting taget"),
        ("yes: true\n", "unknown setting yes"),
        ("force: true\n", "unknown setting force"),
        ("target: dir:/x\nparallel: many\n", "parallel: 'many' is not a valid integer"),
        ("target: dir:/x\nparallel: 0\n", "parallel: 0 is not in the range"),
        ("target: dir:/x\nparallel: true\n", "parallel: 'True' is not a valid integer"),
        ("target: dir:/x\nparallel: 2.5\n", "parallel: '2.5' is not a valid integer"),
        ("target: dir:/x\nquiet: rather\n", "quiet: 'rather' is not a valid boolean"),
        ("target: [dir:/x]\n", "target: expected one value"),
        ("target: {dir: x}\n", "target: expected one value"),
        ("compression: lz4\n", "compression: 'lz4' is not one of"),
        ("log_level: 3\n", "log_level: '3' is not one of"),
        ("target: dir:/x\ntarget: dir:/y\n", "duplicate key"),
        ("{[%\n", "config.yaml is not YAML"),
        ("- a\n", "expected `option: value` lines"),
        ("1: a\n", "expected `option: value` lines"),
    ],
)
def test_a_config_file_that_makes_no_sense_is_refused(shell: Shell, content: str, complaint: str) -> None:
    shell.file(".config/incus-backup/config.yaml", content)
    assert complaint in shell.fails("backup", "instances")


def test_an_empty_config_file_says_nothing(shell: Shell, stored: dict[str, str]) -> None:
    shell.file(".config/incus-backup/config.yaml", "# nothing yet\n")
    assert listed(shell(*LIST, "--target", "one")) == [stored["one"]]


def test_a_config_file_that_was_named_must_be_there(shell: Shell) -> None:
    assert "nothing.yaml can't be read" in shell.fails(*LIST, "--target", "x", "--config", "nothing.yaml")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("PARALLEL", "many", "not a valid integer"),
        ("LOG_LEVEL", "loud", "is not one of"),
        ("YES", "perhaps", "not a valid boolean"),
        ("OUTPUT", "xml", "is not one of"),
    ],
)
def test_a_wrong_value_in_the_environment_is_refused(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(f"INCUS_BACKUP_{name}", value)
    assert complaint in shell.fails("list", "instances", "--target", "x")


def test_unknown_variables_of_the_environment_are_nobodys_business(
    shell: Shell, stored: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCUS_BACKUP_STATE_DIR", str(shell.home / "state"))
    monkeypatch.setenv("INCUS_BACKUP_PASSWORD", "x")
    assert listed(shell(*LIST, "--target", "one")) == [stored["one"]]


def test_a_relative_target_is_to_the_present_folder(shell: Shell, stored: dict[str, str]) -> None:
    assert listed(shell(*LIST, "--target", f"dir:{Path('one')}")) == [stored["one"]]
    assert listed(shell(*LIST, "--target", "dir:~/one")) == [stored["one"]]


NAMES_ITS_OWN = """
version: 1
target: dir:own
protect: [{name: all, select: {kind: instance}, backup: {images: none}}]
"""


@pytest.mark.usefixtures("two_instances")
@pytest.mark.parametrize("set_by", ["dir", "target", "config"])
def test_only_a_flag_names_another_repository_than_the_policy(
    tool: Shell, monkeypatch: pytest.MonkeyPatch, set_by: str
) -> None:
    """What is set for every command must not have a policy look at a place that it does not mean."""
    tool.file("policy.yaml", NAMES_ITS_OWN)
    match set_by:
        case "dir":
            monkeypatch.setenv("INCUS_BACKUP_DIR", "other")
        case "target":
            monkeypatch.setenv("INCUS_BACKUP_TARGET", "dir:other")
        case "config":
            tool.file(".config/incus-backup/config.yaml", "target: dir:other\n")
    own, other = f"dir:{tool.home}/own", f"dir:{tool.home}/other"
    plan, status = ("plan", "-f", "policy.yaml"), ("status", "-f", "policy.yaml")
    assert f"Repository: {own} (new: made by" in " ".join(tool(*plan).out.split())
    assert tool("apply", "plan.json").code == 0
    told = tool(*status)
    assert (told.code, f"Repository {own}: 2 backups" in told.out) == (0, True)
    explain = ("explain", "instance/default/web", "-f", "policy.yaml")
    assert f"Backups in {own}" in tool(*explain).out
    assert f"Backups in {other}" in tool(*explain, "--target", other).out
    told = tool(*status, "--target", other)
    assert (told.code, f"Repository {other}: 0 backups" in told.out) == (7, True)
    assert tool("list", "instances").err.startswith(f"Error: there is no repository at {other}")


@pytest.mark.usefixtures("two_instances")
def test_several_targets_are_not_overridden_by_the_environment_either(
    tool: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCUS_BACKUP_TARGET", "local")
    assert tool("plan", "-f", "policy.yaml").out.count("Target: ") == 2
    assert tool("status", "-f", "policy.yaml", "--output", "json").out.startswith("[")
