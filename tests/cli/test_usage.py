"""What the command line takes, and that everything else is refused with 64 before anything is touched."""

import re
from pathlib import Path

import pytest

from incusbak.cli import COMMANDS, SUMMARIES
from tests.cli.command import ROOT, Shell, process

WRONG = [
    ("--quiet", "Missing command"),
    ("--bogus", "No such option"),
    ("nope", "there is no command 'nope'; known: plan, apply"),
    ("list instances --bogus", "No such option"),
    ("list instances --output xml", "'xml' is not one of"),
    ("backup", "Missing argument"),
    ("backup toasters", "'toasters' is not a kind of resource"),
    ("backup instances --parallel 0", "not in the range"),
    ("backup instances --parallel many", "not a valid integer"),
    ("backup instances --compression lz4", "'lz4' is not one of"),
    ("backup instances --log-level loud", "'loud' is not one of"),
    ("backup instances --lock-wait -1", "not in the range"),
    ("backup instances --stall-timeout 0", "not in the range"),
    ("backup instances", "no repository is named"),
    ("backup instances --target s3:bucket", "unknown kind of repository 's3' (known: dir:, restic:)"),
    ("backup instances --target restic:rest:http://u:p@host/", "the target holds a password"),
    ("backup instances --target dir:", "names no place"),
    ("verify --read-data 101%", "'101%' is not none, all, or a part such as 10%"),
    ("verify --read-data some", "'some' is not none, all, or a part such as 10%"),
    ("list instances --backend restic --target dir:/x", "--backend restic does not go with"),
    ("restore instance", "`instance` takes exactly one name"),
    ("restore instance a b", "`instance` takes exactly one name"),
    ("restore instances --version 2026-01-01", "is not a timestamp of the form YYYYMMDDThhmmssZ"),
    ("restore instances --version 20261301T000000Z", "is not a timestamp"),
    ("restore instances --version=", "is not a timestamp"),
    ("restore instances --replace --skip-existing", "contradict each other"),
    ("restore instances --latest --version 20260101T000000Z", "--latest and --version contradict each other"),
    ("restore instances --at 2d --version 20260101T000000Z", "--version and --at contradict each other"),
    ("restore instances --at yesterday", "--at: 'yesterday' is not a time: a timestamp such as"),
    ("restore instances --at 2026-13-01", "'2026-13-01' is not a time"),
    ("restore instances --at 99999999999999d", "is not a time"),
    ("restore instances --at 2d --timezone Mars", "unknown time zone 'Mars'"),
    ("restore instances --pool-map fast", "is not of the form OLD=NEW"),
    ("restore instances --network-map =x", "is not of the form OLD=NEW"),
    *((f"restore instances --map-{what} a=b", "No such option") for what in ("pool", "network", "project")),
    ("restore instances --map-profile a=b", "No such option"),
    ("restore instances --volumes some", "'some' is not one of"),
    ("restore volumes --volumes all", "--volumes goes with `restore instance` and `restore instances` only"),
    ("restore all --volumes none", "--volumes goes with `restore instance` and `restore instances` only"),
    ("restore instances --volumes all --skip-existing", "contradict each other"),
    ("restore instances --identity new", "'new' is not one of"),
    ("restore volume data", "'data' is not a volume"),
    ("backup volumes a/b/c", "'a/b/c' is not a volume"),
    ("backup all web", "`all` takes no names"),
    ("backup instance", "`instance` takes exactly one name"),
    ("list volume a/b c/d", "`volume` takes exactly one name"),
    ("verify image a b", "`image` takes exactly one name"),
    ("prune instance web --keep 3", "'web' is not a kind of resource"),
    ("prune toasters --keep 3", "'toasters' is not a kind of resource"),
    ("backup volumes --images all", "--images goes with all and instances, not with volumes"),
    ("backup instances --images some", "'some' is not one of"),
    ("restore all --apply", "--apply goes with `restore config` only"),
    ("restore instances --prune-config", "--prune-config goes with `restore config` and `restore all` only"),
    ("restore images --target-name x", "--target-name goes with one instance or volume only"),
    ("plan", "Missing option '-f'"),
    ("plan -f policy.yaml --format pdf", "'pdf' is not one of"),
    ("plan -f nothing.yaml", "can't read the policy nothing.yaml: No such file or directory"),
    ("validate", "Missing option '-f'"),
    ("schema", "Missing argument 'policy|plan'"),
    ("schema policy plan", "unexpected extra argument"),
    ("apply", "Missing argument 'PLAN.json...'"),
    ("apply nothing.json", "nothing.json can't be read: No such file or directory"),
    ("apply .", ". can't be read: Is a directory"),
    ("show nothing.json", "nothing.json can't be read"),
    ("apply plan.json --approve", "requires an argument"),
]


@pytest.mark.parametrize(("line", "complaint"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_command_line_is_refused(shell: Shell, line: str, complaint: str) -> None:
    assert complaint in shell.fails(*line.split())


def test_a_complaint_names_the_help_to_read(shell: Shell) -> None:
    assert "Hint: see `incus-backup backup --help`" in shell.fails("backup", "instances", "--bogus")


# -- places where no repository may be, and servers that are not there --------------------------------


@pytest.mark.parametrize("line", ["backup instances", "restore instances", "list instances"])
def test_a_target_whose_disk_is_not_mounted(shell: Shell, line: str) -> None:
    complaint = shell.fails(*line.split(), "--target", "dir:missing/repository", code=10)
    assert f"{shell.home}/missing is not there" in complaint
    assert "Hint: check --target, and that the disk it lies on is mounted" in complaint
    assert not (shell.home / "missing").exists()


@pytest.mark.parametrize("line", ["backup instances", "restore instances", "list instances"])
def test_a_target_that_holds_other_things(shell: Shell, line: str) -> None:
    shell.file("photos/cat.jpg", "")
    complaint = shell.fails(*line.split(), "--target=dir:photos", code=10)
    assert "holds other things ('cat.jpg')" in complaint
    assert [path.name for path in (shell.home / "photos").iterdir()] == ["cat.jpg"]


@pytest.mark.parametrize("line", ["backup instances", "restore instances", "plan -f p.yaml"])
def test_a_server_that_is_not_there(shell: Shell, line: str) -> None:
    shell.file("p.yaml", "version: 1\nprotect: [{name: all, select: {kind: instance}}]\n")
    complaint = shell.fails(*line.split(), "--target", "dir:new", code=75)
    assert re.match(r"remote local \(/.*\): No such file or directory\n", complaint)
    assert "Hint: check that the Incus daemon runs and is reachable" in complaint
    assert not (shell.home / "new").exists()


def test_a_remote_that_is_not_known(shell: Shell) -> None:
    complaint = shell.fails("backup", "instances", "--target", "dir:new", "--remote", "far")
    assert "no remote 'far'" in complaint


# -- help ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(shell: Shell, command: str) -> None:
    for flag in ("--help", "-h"):
        result = shell(command, flag)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith(f"Usage: incus-backup {command} ")
        assert "--target URI" in result.out


def test_the_registry_holds_the_command_modules() -> None:
    modules = sorted(path.stem for path in (ROOT / "incusbak/cli").glob("*_cmd.py"))
    assert sorted({place.partition(":")[0] for place in COMMANDS.values()}) == modules


def test_the_readme_shows_the_help_as_it_is() -> None:
    shown = re.search(
        r"<!-- help -->\n```\n(.*?)```\n<!-- /help -->", Path(ROOT / "README.md").read_text(), re.S
    )
    assert shown is not None
    assert shown[1] == process("-m", "incusbak", "--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_help(shell: Shell, command: str) -> None:
    text = " ".join(shell(command, "--help").out.partition("\n\n")[2].split())
    assert text.startswith(f"{SUMMARIES[command]} ")
    assert list(SUMMARIES) == list(COMMANDS)


def test_help_does_not_wait_for_heavy_libraries() -> None:
    code = "import sys; from incusbak.cli import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    loaded = set(process("-c", code).stderr.split())
    assert "click" in loaded
    assert loaded & {"pylxd", "requests", "deepdiff", "jinja2", "cattrs", "rich"} == set()


def test_the_version_is_told(shell: Shell) -> None:
    result = shell("--version")
    assert (result.code, result.out) == (0, "incus-backup 0.1.0\n")


# -- validate and show --------------------------------------------------------------------------------


def test_a_good_policy_is_called_good(shell: Shell) -> None:
    policy = shell.file("p.yaml", "version: 1\nprotect:\n  - {name: all, select: {kind: instance}}\n")
    result = shell("validate", "-f", policy)
    assert (result.code, result.out) == (0, f"{policy}: good, 1 rule\n")
    assert shell("validate", "-q", "-f", policy).out == ""


def test_every_problem_of_every_policy_is_told_with_its_place(shell: Shell) -> None:
    shell.file("d/a.yaml", "version: 1\nprotect:\n  - {name: all, select: {kind: toaster}}\nprotest: []\n")
    shell.file("d/b.yaml", "version: 2\n")
    complaint = shell.fails("validate", "-f", "d")
    places = re.findall(r"^(?:Error: )?(d/[ab]\.yaml:\d+:\d+)", complaint, re.M)
    assert places == ["d/a.yaml:3:32", "d/a.yaml:4:1", "d/b.yaml:1:10"]
    assert "validate -f POLICY" in complaint
