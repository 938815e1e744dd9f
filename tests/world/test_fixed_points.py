"""For every kind of goal: a plan has something to do, and once that is done there is nothing more to do."""

import pytest

from incusbak.model.plans import PlanFile
from tests.world.full_estate import backed_up_estate, changed_estate, full_estate
from tests.world.policy_texts import FIRST_BACKUP
from tests.world.session import Estate

pytestmark = pytest.mark.no_cover  # see tests/conftest.py
ALL = '{kind: [instance, volume, image, config], projects: ["*"]}'


def protect(select: str, backup: str = "{}") -> str:
    return f"version: 1\nprotect:\n  - {{name: p, select: {select}, backup: {backup}}}\n"


def restore(select: str, more: str = "if_present: replace", rest: str = "") -> str:
    return f"version: 1\nrestore:\n  - {{name: r, select: {select}, {more}}}\n{rest}\n"


def kinds(plan_file: PlanFile) -> set[str]:
    """What the steps of a plan do with which kind of thing."""
    return {f"{step.id.split(':')[0]} {step.address.split('/')[0]}" for step in plan_file.plan.steps}


def check(estate: Estate, policy: str, wanted: set[str]) -> None:
    plan_file = estate.plan(policy)
    assert kinds(plan_file) == wanted
    assert estate.apply(plan_file) == 0
    again = estate.plan(policy).plan
    assert (again.steps, again.drift.overdue) == ((), ())
    assert estate.temporary() == []


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (protect("{kind: instance}"), {"back-up instance", "back-up volume", "back-up image"}),
        (protect("{kind: instance}", "{images: none, attached_volumes: false}"), {"back-up instance"}),
        (protect("{kind: instance, projects: [bare]}", "{snapshot: false}"), {"back-up instance"}),
        (protect("{kind: instance, projects: [shop]}", "{optimized: true}"), {"back-up instance"}),
        (protect('{kind: volume, projects: ["*"]}', "{compression: xz}"), {"back-up volume"}),
        (protect("{kind: image}"), {"back-up image"}),
        (protect("{kind: config}"), {"back-up config"}),
        (protect(ALL), {f"back-up {kind}" for kind in ("instance", "volume", "image", "config")}),
    ],
)
def test_what_was_never_backed_up_is_backed_up_once(policy: str, wanted: set[str]) -> None:
    check(full_estate(), policy, wanted)


def test_what_is_overdue_is_backed_up_once() -> None:
    """An image whose definition is stored is never due again: its content can't change."""
    wanted = {f"back-up {kind}" for kind in ("instance", "volume", "config")}
    check(backed_up_estate(), protect(ALL, "{every: 24h}"), wanted)


INSTANCES, VOLUMES = '{kind: instance, projects: ["*"]}', '{kind: volume, projects: ["*"]}'
IMAGES, CONFIG = '{kind: image, projects: ["*"]}', "{kind: config}"
DB = "{kind: instance, names: [db]}"
NEEDED = "{kind: [volume, config]}"


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (restore(INSTANCES), {"restore instance", "replace instance"}),
        (restore(INSTANCES, "if_present: skip"), {"restore instance"}),
        (restore(DB, "if_present: fail"), {"restore instance"}),
        (restore(DB, f"version: {FIRST_BACKUP}"), {"restore instance"}),
        (restore(DB, "version: {before: 2026-01-02T00:00:00Z}"), {"restore instance"}),
        (restore(DB, "to: {name: copy}"), {"restore instance"}),
        (restore(DB, "to: {project: bare}"), {"restore instance"}),
        (restore(DB, "to: {pool: fast}"), {"restore instance"}),
        (restore("{kind: instance, names: [web]}", "to: {name: copy}"), {"restore instance"}),
        (
            restore("{kind: instance, names: [web]}", "to: {name: copy}, identity: regenerate"),
            {"restore instance"},
        ),
        (restore("{kind: instance, names: [db]}", "identity: preserve"), {"restore instance"}),
        (restore(DB, rest="maps: {pools: {big: default}, projects: {default: bare}}"), {"restore instance"}),
        (restore(DB, rest="maps: {profiles: {default: web}, networks: {br1: uplink}}"), {"restore instance"}),
        (restore(VOLUMES), {"restore volume", "replace volume"}),
        (restore(VOLUMES, "if_present: skip"), {"restore volume"}),
        (restore("{kind: volume, names: [big/spare]}", "to: {pool: fast, name: new}"), {"restore volume"}),
        (restore("{kind: volume, names: [big/spare]}", "to: {project: shop}"), {"restore volume"}),
        (restore(IMAGES), {"replace image"}),
        (restore(IMAGES, "if_present: skip"), {"replace image"}),
        (restore(CONFIG), {"create profile", "update profile", "update network"}),
        (restore(CONFIG, "if_present: skip"), {"create profile"}),
        (restore(CONFIG, rest="maps: {networks: {br1: uplink}}"), {"create profile", "update profile"}),
        (
            restore(ALL),
            {
                *("create profile", "update profile", "update network", "replace image"),
                *("restore volume", "replace volume", "restore instance", "replace instance"),
            },
        ),
        (
            restore(ALL, "if_present: skip"),
            {"create profile", "replace image", "restore volume", "restore instance"},
        ),
    ],
)
def test_what_went_or_changed_is_brought_back_once(policy: str, wanted: set[str]) -> None:
    check(changed_estate(), policy, wanted)
