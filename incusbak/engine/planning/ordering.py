"""An order in which steps may run: the plan's usual one, as far as what they wait for allows it. Pure."""

from collections.abc import Callable, Iterable
from typing import Any

from attrs import evolve

from ...model.actions import Replace, Restore
from ...model.plans import Step


def in_order(steps: Iterable[Step], place: Callable[[Step], Any]) -> tuple[Step, ...]:
    """Sort by ``place``, but no step before one it comes after.

    Where steps wait for each other in a circle (two network ACLs that name each other), the first of them
    waits no longer: the server then says whether it can be made.
    """
    waiting = sorted(steps, key=place)
    known = {step.id for step in waiting}
    waiting = [after_these(step, (id for id in step.after if id in known)) for step in waiting]
    done: list[Step] = []
    ids: set[str] = set()
    while waiting:
        ready = next((step for step in waiting if ids.issuperset(step.after)), None)
        step = ready or waiting[0]
        waiting.remove(step)
        done.append(after_these(step, (id for id in step.after if id in ids)))
        ids.add(step.id)
    return tuple(done)


def after_these(step: Step, ids: Iterable[str]) -> Step:
    """Let a step wait for these and no others."""
    after = tuple(ids)
    return step if after == step.after else evolve(step, after=after)


def newest_first(restores: Iterable[Restore | Replace]) -> list[Restore | Replace]:
    """Sort by the age of the backups: of several that can't be together, the newest was there last."""
    by_name = sorted(restores, key=lambda action: action.to)
    return sorted(by_name, key=lambda action: action.source.timestamp, reverse=True)
