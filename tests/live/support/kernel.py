"""The kernel objects that hold a test server: a cgroup, mounts, loop devices.

A cgroup finds and ends every process of a server, whatever became of its
parents.  The rest is here to prove that nothing is left afterwards.
"""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Poll quickly: most things these tests wait for take a few milliseconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.01)


def cgroup_root() -> Path:
    """Where cgroup2 is mounted; its place differs on machines that also have version 1."""
    for line in MOUNTS.read_text().splitlines():
        place, filesystem = line.split(" - ")
        if filesystem.split()[0] == "cgroup2":
            return Path(place.split()[4])
    raise RuntimeError("no cgroup2 file system is mounted on this machine")


def processes_in(cgroup: Path) -> list[int]:
    """All processes of a cgroup and of those below it, containers included."""
    pids: list[int] = []
    for listing in (cgroup / "cgroup.procs", *cgroup.rglob("cgroup.procs")):
        with contextlib.suppress(OSError):  # a container has just gone
            pids += map(int, listing.read_text().split())
    return sorted(set(pids))


def child_of(parent: int, candidates: Iterable[int]) -> int | None:
    """The process started by `parent`: nsenter and unshare fork, and stay outside."""
    for pid in candidates:
        with contextlib.suppress(OSError):
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
            if int(after_name.split()[1]) == parent:
                return pid
    return None


def is_stopped(pid: int) -> bool:
    """Whether SIGSTOP has reached every thread of a process."""
    states = (stat.read_text().rpartition(")")[2] for stat in Path(f"/proc/{pid}/task").glob("*/stat"))
    return all(state.split()[0] == "T" for state in states)


def remove_cgroup(cgroup: Path, timeout: float = 10) -> None:
    """SIGKILL everything in a cgroup and remove it."""
    if not cgroup.exists():
        return
    (cgroup / "cgroup.kill").write_text("1")
    events = cgroup / "cgroup.events"
    wait_until(lambda: "populated 0" in events.read_text(), timeout, f"end of processes in {cgroup}")
    below = [folder for folder in cgroup.rglob("*") if folder.is_dir()]
    for folder in (*sorted(below, reverse=True), cgroup):
        wait_until(partial(_rmdir, folder), timeout, f"removal of {folder}")


def _rmdir(folder: Path) -> bool:
    """The kernel may call a cgroup busy for a moment after its last process."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def loop_devices(folder: Path) -> list[str]:
    """Loop devices whose file lies below `folder`."""
    listing = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = (line.split(maxsplit=1) for line in listing.stdout.splitlines())
    return [device for device, file in lines if file.startswith(f"{folder}/")]


def release_loop_devices(folder: Path) -> None:
    """Wait for the kernel to let go of them by itself, then insist."""
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not loop_devices(folder), 5, "loop devices")
    for device in loop_devices(folder):
        subprocess.run(["losetup", "--detach", device], check=False)


def mounts_below(folder: Path) -> list[str]:
    """Mount points below `folder` that this process, outside any pod, can see."""
    places = (line.split()[4] for line in MOUNTS.read_text().splitlines())
    return [place for place in places if place.startswith(f"{folder}/")]
