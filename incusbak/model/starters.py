"""The policy a user starts with."""

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class StarterRule:
    """A protect rule, and how many of each kind it covers now."""

    name: str
    kinds: tuple[str, ...]
    covers: Mapping[str, int] = field(factory=dict)


@frozen
class Starter:
    """All that the policy is to say; ``projects`` are globs, ``target`` is empty where none was named."""

    server: str
    target: str
    projects: tuple[str, ...]
    rules: tuple[StarterRule, ...]
