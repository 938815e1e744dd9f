"""The ready policies in ``policies/``."""

from pathlib import Path

import pytest

from incusbak.model.policies import Keep
from incusbak.policyfile import load_policies

FOLDER = Path(__file__).parent.parent.parent / "policies"
FILES = sorted(FOLDER.glob("*.yaml"))
TWO_TARGETS = FOLDER / "two-targets.yaml"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_policy_loads_and_begins_by_saying_what_it_is_for(file: Path) -> None:
    policy = load_policies([file], environment={})
    assert len(policy.protect) + len(policy.restore) > 0
    uris = [policy.target] if policy.target else [target.uri for target in policy.targets]
    assert uris[0] == "dir:/srv/incus-backups"
    assert file.read_text().startswith("# ")
    assert f"\n#   incus-backup plan -f policies/{file.name}" in file.read_text().replace(
        "SHOP_PROJECT=shop ", ""
    )
    assert f"\nname: {file.stem}\n" in file.read_text()


def test_there_is_a_ready_policy_for_each_situation() -> None:
    assert [file.stem for file in FILES] == [
        "clone-production-to-staging",
        "images-and-configuration",
        "restore-everything",
        "single-host",
        "two-targets",
        "web-and-database",
    ]


@pytest.mark.parametrize("file", [file for file in FILES if file != TWO_TARGETS], ids=lambda file: file.stem)
def test_the_target_of_a_ready_policy_comes_from_the_environment(file: Path) -> None:
    name = "PRODUCTION_BACKUPS" if file.stem.startswith("clone") else "INCUS_BACKUP_TARGET"
    assert load_policies([file], environment={name: "dir:/mnt"}).target == "dir:/mnt"


def test_both_targets_come_from_the_environment_and_keep_what_suits_them() -> None:
    where = {"LOCAL_BACKUPS": "dir:/near", "OFFSITE_BACKUPS": "dir:/far"}
    targets = load_policies([TWO_TARGETS], environment=where).targets
    assert [(target.name, target.uri) for target in targets] == [
        ("local", "dir:/near"),
        ("offsite", "dir:/far"),
    ]
    near, far = (target.keep for target in targets)
    assert (near, far) == (Keep(hourly=24, daily=7), Keep(daily=7, weekly=4, monthly=12))
