"""Fixtures of the command line's tests."""

from tests.cli.command import shell
from tests.cli.targets_scene import tool, two_instances

__all__ = ["shell", "tool", "two_instances"]
