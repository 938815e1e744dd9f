"""The bytes of a plan do not depend on the order of anything whose order means nothing."""

import hashlib
import os
import random
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from incusbak import codec
from incusbak.errors import Unplannable
from incusbak.policyfile import load_policies
from incusbak.render import FORMS, render_plan
from tests.few import few
from tests.world.estates import estates
from tests.world.full_estate import changed_estate
from tests.world.policy_texts import ENVIRONMENT, Policy, as_yaml, policies
from tests.world.session import Estate

_PLACE = re.compile(r"policy\.yaml:\d+:\d+")
ROOT = Path(__file__).parents[2]


def told(estate: Estate, text: str) -> bytes:
    """What a policy leads to, places in it aside: the bytes of the plan, or why there is none."""
    try:
        plan = evolve(estate.plan(text).plan, policies=())
    except Unplannable as error:
        return _without_places("\n".join(sorted(error.message.splitlines()))).encode()
    return _without_places(codec.canonical(plan).decode()).encode()


def _without_places(text: str) -> str:
    return _PLACE.sub("policy.yaml", text)


@few
@given(estates(), policies())
def test_what_the_server_answers_may_come_in_any_order(estate: Estate, policy: Policy) -> None:
    """Lists of things and keys of mappings are shuffled at each request."""
    text = as_yaml(policy)
    assert len({told(estate, text) for _ in range(3)}) == 1


@few
@given(estates(least=1), policies(), st.randoms(use_true_random=False))
def test_backups_may_come_in_any_order(estate: Estate, policy: Policy, chance: random.Random) -> None:
    text = as_yaml(policy)
    before = told(estate, text)
    backups = list(estate.disk.backups.items())
    chance.shuffle(backups)
    estate.disk.backups = dict(backups)
    assert told(estate, text) == before


def reordered(value: Any, chance: random.Random) -> Any:
    """Put the keys of mappings in another order; that of lists means something."""
    if isinstance(value, Mapping):
        keys = chance.sample(list(value), len(value))
        return {key: reordered(value[key], chance) for key in keys}
    return [reordered(each, chance) for each in value] if isinstance(value, list) else value


@few
@given(estates(), policies(), st.randoms(use_true_random=False))
def test_keys_of_a_policy_may_come_in_any_order(
    estate: Estate, policy: Policy, chance: random.Random
) -> None:
    assert told(estate, as_yaml(reordered(policy, chance))) == told(estate, as_yaml(policy))


# -- files --------------------------------------------------------------------------------------------


def files_of(policy: Policy) -> dict[str, Policy]:
    """Put each rule in a file of its own, with the defaults of its file, and all else in another one."""
    rules = {
        rule["name"]: {section: [rule]}
        for section in ("protect", "restore")
        for rule in policy.get(section, ())
    }
    rest = {key: value for key, value in policy.items() if key not in ("protect", "restore", "defaults")}
    defaults = {"defaults": policy["defaults"]} if "defaults" in policy else {}
    return {"rest": rest} | {name: {"version": 1, **defaults, **rule} for name, rule in rules.items()}


def plan_by_files(estate: Estate, files: Mapping[str, Policy], order: Sequence[str]) -> bytes:
    """Plan by files in some order, which the plan tells; empty if there is no plan."""
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_text(as_yaml(content))
        policy = load_policies([Path(folder, name) for name in order], environment=ENVIRONMENT)
        try:
            found = estate.plan_by(policy).plan
        except Unplannable:
            return b""
        assert [Path(file.path).name for file in found.policies] == list(order)
        return codec.canonical(evolve(found, policies=())).replace(folder.encode(), b"")


def shuffled(files: Mapping[str, Policy], chance: random.Random) -> list[str]:
    """Put files in another order, those with protect rules in the same one among each other."""
    names = chance.sample(list(files), len(files))
    protecting = iter([name for name in files if "protect" in files[name]])
    return [next(protecting) if "protect" in files[name] else name for name in names]


@few
@given(estates(), policies(), st.randoms(use_true_random=False))
def test_only_among_protect_rules_the_order_of_files_means_something(
    estate: Estate, policy: Policy, chance: random.Random
) -> None:
    """A resource belongs to the first rule that selects it; nothing else is decided by what comes first."""
    files = files_of(policy)
    assert plan_by_files(estate, files, shuffled(files, chance)) == plan_by_files(estate, files, list(files))


# -- processes ----------------------------------------------------------------------------------------

MUCH = """
version: 1
sensitive: [user.tier]
maps: {pools: {big: fast}}
protect:
  - {name: all, select: {kind: [instance, volume, image, config], projects: ["*"]}, backup: {every: 1h}}
restore:
  - name: back
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    version: 20260101T000000Z
    if_present: replace
"""


def tell() -> None:
    """Print how large a plan is, and the hash of it and of all that is shown of it."""
    plan_file = changed_estate().plan(MUCH)
    shown = "".join(render_plan(plan_file, form=form, path="plan.json") for form in FORMS)
    digest = hashlib.sha256(codec.canonical(plan_file.plan) + shown.encode()).hexdigest()
    print(len(plan_file.plan.steps), digest)


def test_every_process_makes_the_same_plan() -> None:
    """Sets and dictionaries are ordered by ``PYTHONHASHSEED``."""
    program = f"from {__name__} import tell; tell()"
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(told) == 1
    steps, _, _ = told.pop().partition(" ")
    assert int(steps) > 10
