"""The units in ``examples/systemd``: sound, confined, and without anybody's consent."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.systemd_units import FOLDER, PROGRAM, read_unit

SERVICE, TIMER = read_unit(FOLDER / "incus-backup.service"), read_unit(FOLDER / "incus-backup.timer")
REMOTE = read_unit(FOLDER / "incus-backup.service.d/remote.conf")
HIGHEST_EXPOSURE = {"local": 10, "remote": 15}
"""In tenths, of 100; where a network is reached there is more."""

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


def analyze(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    argv = ["systemd-analyze", *arguments]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(params=["local", "remote"])
def units(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The units with a program that is there, in a folder called by where the server is."""
    folder = tmp_path / str(request.param)
    folder.mkdir()
    for name in ("incus-backup.service", "incus-backup.timer"):
        (folder / name).write_text((FOLDER / name).read_text().replace(PROGRAM, sys.executable))
    if request.param == "remote":
        drop_ins = folder / "incus-backup.service.d"
        shutil.copytree(FOLDER / drop_ins.name, drop_ins)
        for drop_in in drop_ins.iterdir():
            drop_in.write_text(drop_in.read_text().replace(PROGRAM, sys.executable))
    return folder


@needs_systemd
def test_systemd_has_nothing_to_say_against_the_units(units: Path) -> None:
    told = analyze("verify", "./incus-backup.service", "./incus-backup.timer", folder=units)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_the_service_little_exposed(units: Path) -> None:
    if "--offline" not in analyze("--help", folder=units).stdout:
        pytest.skip("this systemd-analyze can't look at files")
    threshold = f"--threshold={HIGHEST_EXPOSURE[units.name]}"
    told = analyze("security", "--offline=true", threshold, "./incus-backup.service", folder=units)
    assert told.returncode == 0, told.stdout + told.stderr


def test_only_the_drop_in_for_retention_agrees_beforehand() -> None:
    none, plan, apply = read_unit(FOLDER / "incus-backup.service.d/retention.conf").commands
    assert (none, plan) == ([], SERVICE.commands[0])  # the empty one forgets those of the service
    assert apply == [*SERVICE.commands[1], "--yes"]


@pytest.mark.parametrize(
    ("planned", "saved", "applied", "code"),
    [
        (0, ["plan.json"], 0, 0),
        (0, ["plan-a.json", "plan-b.json"], 3, 3),
        (10, ["plan-a.json"], 0, 10),
        (64, [], 0, 64),
    ],
)
def test_with_several_targets_what_could_be_planned_is_applied(
    tmp_path: Path, planned: int, saved: list[str], applied: int, code: int
) -> None:
    (tmp_path / "plan-of-yesterday.json").touch()
    program = tmp_path / "incus-backup"
    lines = [
        "#!/bin/sh",
        'echo "$@" >> told',
        f"[ $1 = plan ] || exit {applied}",
        f"touch {' '.join(saved)} x",
        f"exit {planned}",
    ]
    program.write_text("\n".join(lines))
    program.chmod(0o755)
    none, [*shell, script] = read_unit(FOLDER / "incus-backup.service.d/targets.conf").commands
    script = (
        script.replace("$$", "$").replace(PROGRAM, str(program)).replace("/run/incus-backup", str(tmp_path))
    )
    assert (none, subprocess.run([*shell, script], check=False).returncode) == ([], code)
    plan, *apply = (tmp_path / "told").read_text().splitlines()
    assert plan.split() == [*SERVICE.commands[0][1:-1], "plan.json"]
    assert apply == ([f"apply {' '.join(saved)}"] if saved else [])


def test_the_service_plans_and_applies_with_nobody_to_agree() -> None:
    assert SERVICE.one("Service", "Type") == "oneshot"
    plan, apply = SERVICE.commands
    assert (plan[:2], apply[:2]) == ([PROGRAM, "plan"], [PROGRAM, "apply"])
    assert plan[plan.index("--out") + 1] == apply[2]
    assert {"--yes", "-y", "--force", "--approve", "--detailed-exitcode"} & {*plan, *apply} == set()
    assert SERVICE.one("Service", "StandardInput") == "null"
    consents = {"INCUS_BACKUP_YES", "INCUS_BACKUP_FORCE", "INCUS_BACKUP_APPROVE"}
    assert set(SERVICE.one("Service", "UnsetEnvironment").split()) == consents
    assert (SERVICE.environment.keys() | REMOTE.environment.keys()) & consents == set()


def test_only_what_was_stopped_counts_as_a_success_besides_0() -> None:
    assert SERVICE.one("Service", "SuccessExitStatus") == "143"


def test_the_service_may_write_what_it_has_to_and_nothing_else() -> None:
    repository = SERVICE.one("Service", "ReadWritePaths")
    assert SERVICE.environment["INCUS_BACKUP_TARGET"] == f"dir:{repository}"
    assert SERVICE.one("Unit", "RequiresMountsFor") == repository
    folders = [SERVICE.one("Service", f"{kind}Directory") for kind in ("State", "Cache", "Runtime")]
    used = [SERVICE.environment["INCUS_BACKUP_STATE_DIR"], SERVICE.environment["SHIV_ROOT"]]
    used.append(str(Path(SERVICE.commands[1][2]).parent))
    bases = ("/var/lib", "/var/cache", "/run")
    assert [f"{base}/{name}" for base, name in zip(bases, folders, strict=True)] == used


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("PrivateDevices", "yes"),
        ("PrivateNetwork", "yes"),
        ("PrivateTmp", "yes"),
        ("ProtectHome", "yes"),
        ("ProtectSystem", "strict"),
        ("RestrictAddressFamilies", "AF_UNIX"),
        ("UMask", "0077"),
        ("User", "incus-backup"),
    ],
)
def test_the_service_is_confined(key: str, value: str) -> None:
    assert SERVICE.one("Service", key) == value


def test_a_remote_server_is_reached_over_the_network_only() -> None:
    assert REMOTE.one("Service", "PrivateNetwork") == "no"
    assert REMOTE.one("Service", "RestrictAddressFamilies") == "AF_INET AF_INET6"
    assert REMOTE.one("Service", "SupplementaryGroups") == ""


def test_there_is_time_to_clean_up() -> None:
    stall_minutes = 10
    assert SERVICE.one("Service", "TimeoutStartSec") == "infinity"
    assert int(SERVICE.one("Service", "TimeoutStopSec").removesuffix("min")) > stall_minutes


def test_the_timer_catches_up_and_does_not_start_everywhere_at_once() -> None:
    assert TIMER.one("Timer", "Persistent") == "yes"
    assert TIMER.one("Timer", "RandomizedDelaySec") == "15min"
    assert TIMER.one("Install", "WantedBy") == "timers.target"
