"""What the README shows works as it stands there."""

import re
from pathlib import Path

from incusbak.policyfile import parse_policy

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def test_the_policies_shown_are_good() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert len(shown) > 0
    for text in shown:
        policy = parse_policy(text, "README.md")
        assert policy.target == "dir:/srv/incus-backups"
        assert [rule.name for rule in policy.protect] == ["databases", "everything-else"]


def test_every_folder_and_file_it_names_is_there() -> None:
    root = Path(__file__).parent.parent.parent
    named = re.findall(r"`((?:policies|examples|tests)/[^`*<> ]*|CHANGELOG\.md)`", README)
    assert len(named) > 1
    assert [name for name in named if not (root / name).exists()] == []
