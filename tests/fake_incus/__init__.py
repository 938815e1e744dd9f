"""An Incus server in memory: what it keeps, its rules, and the ways in which it can fail.

Every rule was seen on real servers; ``tests/contract`` holds both to the same statements.
"""

from .api import FakeIncus
from .world import Instance, Snapshot, World

__all__ = ["FakeIncus", "Instance", "Snapshot", "World"]
