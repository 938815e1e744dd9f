"""What an instance asks for by keys of its own configuration, or of its profiles. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from ...model.policies import Hooks

PREFIX = "user.incus-backup."
PROTECT, BEFORE, AFTER = (PREFIX + name for name in ("protect", "before", "after"))
_UNFIT = re.compile("[\0\ud800-\udfff]")
"""What no word of a command can hold."""
_TRUTH = {"true": True, "false": False}

Commands = tuple[tuple[str, ...], ...]


@frozen
class Wishes:
    """What is asked for; ``protect`` None: nothing. ``problems``: keys that can't be understood, in words."""

    protect: bool | None = None
    before: Commands = ()
    after: Commands = ()
    problems: tuple[str, ...] = ()

    def added_to(self, hooks: Hooks) -> Hooks:
        """The rule's own come first on the way in and last on the way out."""
        return evolve(hooks, before=(*hooks.before, *self.before), after=(*self.after, *hooks.after))


def wishes_of(config: Mapping[str, str]) -> Wishes:
    """Read the keys; one that makes no sense is named and passed over."""
    problems = []
    protect = _TRUTH.get(config.get(PROTECT, ""))
    if protect is None and config.get(PROTECT):
        problems.append(f"{PROTECT} is neither true nor false")
    commands: dict[str, Commands] = {}
    for key in (BEFORE, AFTER):
        try:
            commands[key] = _commands(config.get(key) or "[]")
        except ValueError as error:
            problems.append(f'{key} is not a JSON list of commands such as [["sync"]]: {error}')
    return Wishes(protect, commands.get(BEFORE, ()), commands.get(AFTER, ()), tuple(problems))


def _commands(text: str) -> Commands:
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, list) or not all(_is_command(command) for command in found):
        raise ValueError("it holds something else")
    return tuple(tuple(command) for command in found)


def _is_command(found: Any) -> bool:
    if not isinstance(found, list) or not all(isinstance(w, str) and not _UNFIT.search(w) for w in found):
        return False
    return bool(found and found[0].strip())
