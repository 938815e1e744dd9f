"""What ``rehearse`` takes on the command line."""

import json

import pytest

from tests.cli.command import Shell
from tests.cli.exit_scene import Scene, no_notes, refuse_one_import


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("volume", "default/data"), "'volume' is not a kind of resource"),
        (("instance", "web", "--at", "2d", "--version", "20260101T000000Z"), "contradict each other"),
        (("instances", "--at", "yesterday"), "--at: 'yesterday' is not a time"),
        (("instance",), "`instance` takes exactly one name"),
        (("instance", "web", "db"), "`instance` takes exactly one name"),
        (("instance", "web", "--probe", "sh -c 'open"), "No closing quotation"),
        (("instance", "web", "--probe", ""), "a command begins with the name of a program"),
        (("instance", "web", "--timeout", "90"), "expected a duration such as 90m"),
        (("instance", "web", "--version", "yesterday"), "yesterday"),
    ],
)
def test_what_can_not_be_meant_is_refused(shell: Shell, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in shell.fails("rehearse", *arguments)


def test_where_there_is_no_repository_nothing_can_be_rehearsed(shell: Shell) -> None:
    target = f"dir:{shell.home}/repository"
    assert "there is no repository" in shell.fails("rehearse", "instance", "web", "--target", target, code=10)


def test_a_probe_that_goes_on_failing_is_told_once(scene: Scene) -> None:
    result = scene.shell("rehearse", "instance", "web", "--probe", "false", "--timeout", "2s")
    assert result.code == 6
    # that it is run, that it is waited for, how it ended, and the report
    assert len([line for line in result.err.splitlines() if "false" in line]) <= 5, result.err


def test_of_what_could_not_be_recorded_nothing_else_is_said(scene: Scene) -> None:
    no_notes(scene)
    rehearse = ("rehearse", "instance", "web", "--probe", "true")
    result = scene.shell(*rehearse)
    assert result.code == 1
    assert "can't be recorded" in result.err
    assert "is of use" not in result.out + result.err
    assert "unfit" not in result.out
    [found] = json.loads(scene.shell(*rehearse, "--output", "json").out)
    assert found["fit"] is None


@pytest.mark.parametrize(
    ("names", "meant"),
    [((), ["db", "web"]), (("w*",), ["web"]), (("*", "!web"), ["db"]), (("web", "db"), ["db", "web"])],
)
def test_names_are_globs_after_the_plural(scene: Scene, names: tuple[str, ...], meant: list[str]) -> None:
    result = scene.shell("rehearse", "instances", *names, "--dry-run", "--output", "json")
    steps = json.loads(result.out)["plan"]["steps"]
    assert [step["address"].rpartition("/")[2] for step in steps] == meant


def test_of_several_a_version_means_the_newest_that_is_not_after_it(scene: Scene) -> None:
    first = scene.stamps[0]
    assert scene.run("backup instances --images none") == 0
    for words in (("--version", first), ("--at", first)):
        shown = scene.shell("rehearse", "instances", "web", "db", *words, "--dry-run", "--output", "json")
        steps = json.loads(shown.out)["plan"]["steps"]
        assert [step["action"]["backup"].rpartition("@")[2] <= first for step in steps] == [True, True]
    early = scene.shell("rehearse", "instances", "--at", "20200101T000000Z")
    assert (early.code, "no backup from 20200101T000000Z or earlier" in early.err) == (1, True)


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest(scene: Scene) -> None:
    refused = scene.shell("rehearse", "instances", "wbe")
    assert (refused.code, "did you mean web?" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("space", "code", "hint"),
    [
        ({"total": 64 << 20}, 0, ""),  # an empty one: what is used is left out
        (
            {"total": 100, "used": 100},
            1,
            "Hint: make room there, or rehearse on a server where the pool has more",
        ),
    ],
)
def test_what_a_pool_has_no_room_for_is_refused_with_what_helps(
    scene: Scene, space: dict[str, int], code: int, hint: str
) -> None:
    scene.fake.world.space["default"] = space
    result = scene.shell("rehearse", "instance", "web", "--probe", "true")
    assert (result.code, hint in result.err) == (code, True), result.err


def test_quietly_only_what_did_not_come_up_and_was_not_done_is_told(scene: Scene) -> None:
    assert scene.shell("rehearse", "instance", "web", "--probe", "true", "-q").out == ""
    refuse_one_import(scene)
    result = scene.shell("rehearse", "instances", "--probe", "true", "-q", "--parallel", "1")
    assert [line.split()[1] for line in result.out.splitlines()] == ["RESULT", "unknown"]
    assert "Done:" not in result.err
    assert result.err.splitlines()[-1].startswith("Incomplete: 1 done, 1 failed, 0 not tried, in ")
