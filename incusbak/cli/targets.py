"""Which repositories a command with a policy is for, and how it goes through several of them."""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from attrs import evolve, frozen

from ..engine.selection.targets import policy_for
from ..errors import IncusbakError, ServerUnavailable, Stopped, UsageError
from ..model.policies import Policy, Target
from ..repositories import open_repository
from .complaints import complain
from .options import Settings

T = TypeVar("T")
_WORD = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@frozen
class TargetRun:
    """One repository: what the policy says about it, and the settings with it as their target.

    ``name``: of the policy's target; empty where ``--target`` or the policy gives a repository without one.
    """

    policy: Policy
    settings: Settings
    name: str = ""


def target_runs_of(policy: Policy, settings: Settings) -> tuple[TargetRun, ...]:
    """Take all targets of a policy, or the one that ``--target`` names; a URI wins over all of them.

    What environment or config file say is for policies that name no repository.

    Raises:
        UsageError: there is no target with that name, or two are the same repository.
    """
    settings, targets = _heeded(policy, settings), policy.targets
    wanted = settings.target
    if not targets or (wanted and settings.backend):
        return (TargetRun(policy, evolve(settings, target=wanted or policy.target)),)
    if not wanted:
        _check_distinct(targets)
        return tuple(_target_run(policy, target, settings) for target in targets)
    for target in targets:
        if target.name == wanted:
            return (_target_run(policy, target, settings),)
    if _WORD.fullmatch(wanted):  # a folder is written as ./NAME or dir:NAME
        raise _unknown(wanted, targets)
    return (TargetRun(policy, settings),)


def _heeded(policy: Policy, settings: Settings) -> Settings:
    """Leave out what was set for any policy, where this one names its own repositories."""
    if not (policy.target or policy.targets):
        return settings
    backend = settings.backend if "backend" in settings.flags else ""
    return evolve(settings, target=settings.flagged_target, backend=backend)


def only_target_run_of(policy: Policy, settings: Settings) -> TargetRun:
    """Take the one repository that a command works on.

    Raises:
        UsageError: the policy has several targets, and none is named.
    """
    target_runs = target_runs_of(policy, settings)
    if len(target_runs) > 1:
        names = ", ".join(target_run.name for target_run in target_runs)
        raise UsageError(f"the policy has several targets: {names}", hint="name one of them with --target")
    return target_runs[0]


def attempt_each(
    target_runs: Iterable[TargetRun], attempt: Callable[[TargetRun], T], *, go_on: bool = True
) -> tuple[list[tuple[TargetRun, T]], int]:
    """Do something with each repository; that one fails does not keep the others from their turn.

    Args:
        go_on: raise the first failure instead, as is always done if there is one repository only.

    Returns:
        What came of those that did not fail, and the exit code of the first failure.
    """
    target_runs = tuple(target_runs)
    done, code = [], 0
    for target_run in target_runs:
        try:
            done.append((target_run, attempt(target_run)))
        except (UsageError, Stopped, ServerUnavailable):  # not the repository's fault
            raise
        except IncusbakError as error:
            if len(target_runs) == 1 or not go_on:
                raise
            complain(f"target {target_run.name}: {error.message}", error.hint)
            code = code or error.exit_code
    return done, code


def _target_run(policy: Policy, target: Target, settings: Settings) -> TargetRun:
    return TargetRun(policy_for(policy, target), evolve(settings, target=target.uri), target.name)


def _check_distinct(targets: Iterable[Target]) -> None:
    """See that no two are one repository: each would be pruned by the rules of the other."""
    seen: dict[str, Target] = {}
    for target in targets:
        first = seen.setdefault(open_repository(target.uri).place, target)
        if first is not target:
            raise UsageError(f"{target.place}: {target.name} is the same repository as {first.name}")


def _unknown(wanted: str, targets: Iterable[Target]) -> UsageError:
    names = [target.name for target in targets]
    near = difflib.get_close_matches(wanted, names, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return UsageError(
        f"the policy has no target {wanted}; it has {', '.join(names)}",
        hint=f"{meant}A folder of that name is dir:{wanted}",
    )
