"""A repository that is not there, such as a disk that is not mounted, is not taken for an empty one."""

import pytest

from tests.cli.command import Shell

RESTORE = """
version: 1
target: dir:gone
restore: [{name: all, select: {kind: instance}}]
"""


@pytest.mark.parametrize(
    "command",
    [
        "restore instance web",
        "restore instances",
        "restore volume default/data",
        "restore images",
        "restore config",
        "restore all",
        "list all",
        "list all --removed",
        "list instances web --output json",
        "plan -f restore.yaml",
        "plan -f restore.yaml --no-out --detailed-exitcode",
    ],
)
def test_a_repository_that_is_not_there_is_told(tool: Shell, command: str) -> None:
    tool.file("restore.yaml", RESTORE)
    complaint = tool.fails(*command.split(), "--target", "dir:gone", code=10)
    assert complaint.startswith(f"there is no repository at dir:{tool.home}/gone yet\nHint: check --target")


def test_a_policy_that_protects_as_well_makes_the_repository(tool: Shell) -> None:
    tool.file("both.yaml", RESTORE + "protect: [{name: web, select: {kind: instance}}]\n")
    result = tool("plan", "-f", "both.yaml")
    assert (result.code, "new: made by the first backup" in result.out) == (0, True), result.err
    assert "restore rule all (both.yaml:4:11) matches nothing in the repository" in result.out
