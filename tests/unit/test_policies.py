"""The ready policies in ``policies/``."""

from pathlib import Path

import pytest

from incusbak.policyfile import load_policies

FOLDER = Path(__file__).parent.parent.parent / "policies"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_policy_loads_and_begins_by_saying_what_it_is_for(file: Path) -> None:
    policy = load_policies([file])
    assert len(policy.protect) + len(policy.restore) > 0
    assert file.read_text().startswith("# ")
    assert f"name: {file.stem}\n" in file.read_text()


def test_there_are_ready_policies() -> None:
    assert {"single-host", "restore-everything"} <= {file.stem for file in FILES}
