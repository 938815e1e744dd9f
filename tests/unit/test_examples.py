"""The repository in ``examples/gitops``: its policies are good, its pipelines call what there is."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from incusbak.policyfile import load_policies

REPOSITORY = Path(__file__).parents[2] / "examples/gitops/repository"
PIPELINES = (".gitlab-ci.yml", ".github/workflows/backup.yml")
STEPS = ["ci/validate.sh", "ci/plan.sh", "ci/apply.sh"]


def texts(value: Any) -> Iterator[str]:
    """Every text in a document, in its order."""
    match value:
        case dict():
            for each in value.values():
                yield from texts(each)
        case list():
            for each in value:
                yield from texts(each)
        case str():
            yield value


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pipeline_calls_the_steps_in_their_order(pipeline: str) -> None:
    document = YAML(typ="safe").load(REPOSITORY / pipeline)
    assert [step for text in texts(document) for step in re.findall(r"ci/\S+\.sh", text)] == STEPS


def test_the_steps_are_there_to_be_called() -> None:
    assert sorted(f"ci/{path.name}" for path in (REPOSITORY / "ci").iterdir()) == sorted(STEPS)
    assert all(os.access(REPOSITORY / step, os.X_OK) for step in STEPS)


def test_the_policies_are_good_together() -> None:
    policy = load_policies([REPOSITORY / "policies"], environment={})
    assert [rule.name for rule in policy.protect] == ["web-servers"]
    assert policy.target == "dir:/srv/incus-backups"
