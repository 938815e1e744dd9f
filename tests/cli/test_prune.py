"""What ``prune`` shows before it does anything, for people and for programs."""

import json

from tests.cli.command import Shell
from tests.cli.exit_scene import Scene


def test_a_simulation_is_told_as_data(shell: Shell) -> None:
    result = shell("prune", "--keep", "2", "--simulate", "5", "--output", "json")
    assert result.code == 0
    found = json.loads(result.out)
    assert [each["age_days"] for each in found] == [0, 1]
    assert [each["kept_by"] for each in found] == [["last"], ["last"]]


def test_a_dry_run_is_told_as_data(scene: Scene) -> None:
    assert scene.run("backup instances --images none") == 0
    result = scene.shell("prune", "instances", "--keep", "1", "--dry-run", "--output", "json")
    steps = json.loads(result.out)["plan"]["steps"]
    assert (result.code, [step["action"]["type"] for step in steps]) == (0, ["prune", "prune"])
    assert len(scene.stamps) == 2
