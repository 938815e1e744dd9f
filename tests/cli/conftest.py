"""Fixtures of the command line's tests."""

from tests.cli.command import shell

__all__ = ["shell"]
