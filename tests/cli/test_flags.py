"""README, changelog and help name flags that there are."""

import re

import click
import pytest

from incusbak.cli import COMMANDS, cli
from tests.cli.command import ROOT, Shell

LINE = re.compile(r"incus-backup\s+((?:--?\S+\s+)*)([a-z]+)\b([^#`|<>\n]*)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
PAGES = [
    "README.md",
    *(
        str(p.relative_to(ROOT))
        for p in sorted((ROOT / "examples").rglob("*"))
        if p.suffix in {".md", ".sh", ".service"}
    ),
]


def flags_of(command: str) -> set[str]:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return {
        flag
        for param in found.params
        if isinstance(param, click.Option)
        for flag in (*param.opts, *param.secondary_opts)
    } | {"--help"}


def every_flag() -> set[str]:
    return {flag for command in COMMANDS for flag in flags_of(command)} | {
        p for each in cli.params for p in each.opts
    }


@pytest.mark.parametrize("page", PAGES)
def test_each_command_line_shown_has_flags_of_its_command(page: str) -> None:
    text = re.sub(r"\\\n\s*", " ", (ROOT / page).read_text())
    wrong = [
        f"{command} {flag}"
        for before, command, after in LINE.findall(text)
        if command in COMMANDS
        for flag in FLAG.findall(before + after)
        if flag not in flags_of(command)
    ]
    assert wrong == []


def test_each_flag_named_in_the_readme_is_one() -> None:
    text = (ROOT / "README.md").read_text()
    named = {flag for code in re.findall(r"`([^`\n]+)`", text) for flag in FLAG.findall(code)}
    assert len(named) > 10
    assert sorted(named - every_flag() - {"--tag"}) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_each_flag_of_a_command_and_names_no_other(shell: Shell, command: str) -> None:
    text = shell(command, "--help").out
    assert sorted(flag for flag in flags_of(command) if flag not in text) == []
    assert sorted(set(FLAG.findall(text)) - every_flag()) == []


def test_hints_name_flags_that_there_are() -> None:
    """In the words of messages: what is told to do can be done."""
    known = every_flag()
    wrong = {
        flag
        for path in (ROOT / "incusbak").rglob("*.py")
        for hint in re.findall(r'hint=((?:\s*f?"[^"]*")+)', path.read_text())
        for flag in FLAG.findall(re.sub("`incus [^`]*`", "", hint))
        if flag not in known
    }
    assert sorted(wrong) == []
