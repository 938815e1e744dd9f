"""SPEC's table of exit codes, command by command: each code that applies to a command is reached for real."""

import ast
import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from incusbak import errors
from incusbak.cli import COMMANDS
from incusbak.errors import IncusbakError, ServerUnavailable
from tests.cli.command import ROOT
from tests.cli.exit_scene import (
    Scene,
    before,
    changed,
    damage,
    failing,
    failing_imports,
    known_damage,
    locked,
    locked_plan,
    lost,
    new_instance,
    no_notes,
    no_policy,
    nothing,
    one_import_fails,
    planned,
    planned_block,
    planned_replace,
    refuse_one_import,
    signalled,
    stale,
    stale_replace,
    strange_folder,
    unplug,
    unreachable,
    wrong_password,
)

TABLE = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 64, 75, 130, 143})
INT, TERM = signal.SIGINT, signal.SIGTERM
WEB = "instance/default/web@STAMP"
ALONE = "backup instances --images none"
PROBE = "rehearse instance web --probe"
DOING = frozenset(
    (
        "apply",
        "backup",
        "restore",
        "verify",
        "rehearse",
        "prune",
        "copy",
        "pin",
        "unpin",
        "accept",
        "undelete",
    )
)
LOOKING = {"plan", "show", "status", "explain", "schema"}
Row = tuple[str, int, Callable[[Scene], None]]
ROWS: tuple[Row, ...] = (
    ("plan -f policy.yaml", 0, nothing),
    ("plan -f restore.yaml", 1, changed),
    ("plan -f policy.yaml --detailed-exitcode", 2, new_instance),
    ("plan -f replace.yaml", 6, known_damage),
    ("plan -f block.yaml", 7, planned_block),
    ("plan -f restore.yaml", 10, unplug),
    ("plan -f bad.yaml", 64, nothing),
    ("plan -f policy.yaml", 75, unreachable),
    ("plan -f policy.yaml", 130, signalled(INT, at="GET")),
    ("apply plan.json", 0, planned),
    ("apply plan.json", 1, before(planned, failing())),
    ("apply plan.json --yes", 3, before(planned_replace, refuse_one_import)),
    ("apply plan.json", 4, stale),
    ("apply plan.json", 5, planned_replace),
    ("apply plan.json --yes", 6, before(planned_replace, damage)),
    ("apply plan.json --yes", 7, planned_block),
    ("apply plan.json", 11, locked_plan),
    ("apply policy.yaml", 64, nothing),
    ("apply plan.json", 75, before(planned, unreachable)),
    ("apply plan.json", 130, before(planned, signalled(INT))),
    ("apply plan.json", 143, before(planned, signalled(TERM))),
    ("show plan.json", 0, planned),
    ("show policy.yaml", 64, nothing),
    ("validate -f policy.yaml", 0, nothing),
    ("validate -f bad.yaml", 64, nothing),
    ("status -f policy.yaml", 0, nothing),
    ("status -f policy.yaml", 7, new_instance),
    ("status -f bad.yaml", 64, nothing),
    ("status -f policy.yaml", 75, unreachable),
    ("init", 0, no_policy),
    ("init --nonsense", 64, nothing),
    ("init", 75, unreachable),
    ("explain instance/default/web -f policy.yaml", 0, nothing),
    ("explain instance/default/web -f bad.yaml", 64, nothing),
    ("explain instance/default/web -f policy.yaml", 75, unreachable),
    ("schema policy", 0, nothing),
    ("schema nothing", 64, nothing),
    (ALONE, 0, nothing),
    (ALONE, 1, failing()),
    (ALONE, 3, failing("web")),
    (ALONE, 10, strange_folder),
    (ALONE, 11, locked),
    (ALONE, 12, wrong_password),
    ("backup everything", 64, nothing),
    (ALONE, 75, failing(error=ServerUnavailable("gone"))),
    (ALONE, 130, signalled(INT)),
    (ALONE, 143, signalled(TERM)),
    ("restore instances", 0, lost),
    ("restore instances", 1, failing_imports),
    ("restore instances", 3, one_import_fails),
    ("restore instance web --replace --yes", 4, stale_replace),
    ("restore instances --replace", 5, changed),
    ("restore instances", 6, before(damage, lost)),
    ("restore instances", 10, unplug),
    ("restore everything", 64, nothing),
    ("restore instances", 75, before(lost, unreachable)),
    ("restore instances", 130, before(lost, signalled(INT))),
    ("restore instances", 143, before(lost, signalled(TERM))),
    ("list all", 0, nothing),
    ("list all", 10, unplug),
    ("list all", 12, wrong_password),
    ("list everything", 64, nothing),
    ("verify", 0, nothing),
    ("verify instances wep", 1, nothing),
    ("verify", 6, damage),
    ("verify", 10, unplug),
    ("verify everything", 64, nothing),
    (f"{PROBE} true", 0, nothing),
    (f"{PROBE} true", 1, no_notes),
    (f"{PROBE} false --timeout 1s", 6, nothing),
    (f"{PROBE} true", 10, unplug),
    ("rehearse volume x/y", 64, nothing),
    (f"{PROBE} true", 75, unreachable),
    (f"{PROBE} true", 130, signalled(INT)),
    ("prune --keep 1", 0, nothing),
    ("prune --keep 1", 5, planned_block),
    ("prune --keep 1", 10, unplug),
    ("prune --keep 1 --yes", 11, before(planned_block, locked)),
    ("prune", 64, nothing),
    ("copy --from dir:repository --to dir:there", 0, nothing),
    ("copy --from dir:repository --to dir:there", 6, damage),
    ("copy --from dir:repository --to dir:there", 10, unplug),
    ("copy --from dir:repository --to dir:repository", 64, nothing),
    *((f"{command} {WEB}", 0, nothing) for command in ("pin", "unpin", "accept", "undelete")),
    *(
        (f"{c} instance/default/no@20260101T000000Z", 1, nothing)
        for c in ("pin", "unpin", "accept", "undelete")
    ),
    (f"pin {WEB}", 11, locked),
    *((f"{c} web", 64, nothing) for c in ("pin", "unpin", "accept", "undelete")),
)


@pytest.mark.parametrize(("line", "code", "arrange"), ROWS, ids=[f"{line}: {code}" for line, code, _ in ROWS])
def test_each_code_is_reached_with_output_of_one_shape(
    scene: Scene, line: str, code: int, arrange: Callable[[Scene], None]
) -> None:
    """What was done is a list, whatever came between; what can't be looked at has no output."""
    if arrange is wrong_password and not shutil.which("restic"):
        pytest.skip("there is no restic to tell a wrong password")
    arrange(scene)
    scene.patch.setenv("INCUS_BACKUP_OUTPUT", "json")
    result = scene.shell(*scene.words(line))
    assert (result.code, _shape(result.out)) == (code, _expected_shape(line, code)), result.err


def _shape(out: str) -> type | None:
    return type(json.loads(out)) if out.startswith(("[", "{")) else None


def _expected_shape(line: str, code: int) -> type | None:
    command = line.split()[0]
    if command in DOING or (command == "list" and code == 0):
        return list
    return dict if command in LOOKING and code in (0, 2, 6, 7) else None


def test_every_command_and_every_code_is_there() -> None:
    reached: dict[str, set[int]] = {command: set() for command in COMMANDS}
    for line, code, _ in ROWS:
        reached[line.split()[0]].add(code)
    assert [command for command, codes in reached.items() if not {0, 64} <= codes] == []
    assert set().union(*reached.values()) == TABLE


# -- the tables agree ---------------------------------------------------------------------------------


def test_the_readme_has_the_codes_that_there_are() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| ", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == TABLE


def test_the_errors_have_the_codes_that_their_tree_says() -> None:
    tree = ast.get_docstring(ast.parse(Path(errors.__file__).read_text())) or ""
    said = dict(re.findall(r"(\w+) +(\d+)(?: |$)", tree, re.MULTILINE))
    kinds = {
        name: str(kind.exit_code)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, IncusbakError)
    }
    assert {name: said.get(name) for name in kinds} == kinds
    assert {int(code) for code in kinds.values()} <= TABLE
