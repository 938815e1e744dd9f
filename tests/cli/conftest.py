"""Fixtures of the command line's tests."""

from tests.cli.command import shell
from tests.cli.exit_scene import scene
from tests.cli.targets_scene import tool, two_instances

__all__ = ["scene", "shell", "tool", "two_instances"]
