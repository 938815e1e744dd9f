"""A pod: one set of kernel namespaces for a throw-away Incus server.

Incus changes mounts, networks and cgroups of the machine it runs on.  In a
pod all of this is private: an Incus in use on the same machine is never
touched, several pods run side by side, and ending the pod's first process
ends every daemon and container in it.  If the owner of a pod is killed, the
kernel ends the pod at once; `reap` removes the folder that then remains.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path
from typing import IO, Self

from tests.live.support import addresses, claims, kernel
from tests.live.support.client import IncusError

PATH = "/usr/libexec/incus:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net")

# Joins the cgroup, then becomes the given command.  $1: cgroup
ENTER_CGROUP = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'

# The first process of the pod.  The cgroup tree shows version 2 only, because
# containers leave waste behind in version 1.  Its loop reaps orphans.
#
# It also ends forced stops that hang.  Where version 2 lacks the pids controller,
# Incus freezes a container before it kills it.  Linux (6.18) may go on calling the
# cgroup frozen if it is thawed while its processes die, and liblxc waits for ever
# for the opposite.  To freeze it once more, and thaw it, puts that right.
HOLDER = r"""
set -e
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
hostname pod
: >"$1/ready"
set +e
while :; do
    sleep 1 & wait $!
    for cgroup in /sys/fs/cgroup/lxc.payload.*; do
        [ -f "$cgroup/cgroup.freeze" ] || continue
        state=$(cat "$cgroup/cgroup.events" "$cgroup/cgroup.freeze")
        [ "$state" = $'populated 0\nfrozen 1\n0' ] || continue
        echo 1 >"$cgroup/cgroup.freeze"
        echo 0 >"$cgroup/cgroup.freeze"
    done
done
"""


ON_DISK = Path("/var/tmp/incusbak-pods")


def base_folder() -> Path:
    """Where pods keep their state.  Short: a unix socket path has at most 107 bytes."""
    return Path(os.environ.get("INCUSBAK_PODS", ON_DISK))


def _cgroup_of(state: Path) -> Path:
    """Named after the whole path, so pods of different bases cannot meet."""
    return kernel.cgroup_root() / f"incusbak{str(state).replace('/', '_')}"


def _remove(state: Path) -> None:
    """Remove all that is left of a pod whose first process has ended."""
    kernel.remove_cgroup(_cgroup_of(state))
    kernel.release_loop_devices(state)
    if leaked := kernel.mounts_below(state):
        raise RuntimeError(f"mounts of a pod are seen outside of it: {leaked}")
    shutil.rmtree(state)


def reap() -> list[str]:
    """Remove pods whose owner has died without doing so."""
    return [name for base in {base_folder(), ON_DISK} for name in claims.reap(base, _remove)]


class Pod:
    """Namespaces and a cgroup, empty at first.  Create it in a thread that outlives it.

    `bindir`: folder with the `incusd` and `incus` to use instead of the machine's.
    """

    def __init__(self, bindir: Path | None = None) -> None:
        self.path = f"{bindir}:{PATH}" if bindir else PATH
        self._claim = claims.Claim(base_folder())
        self.state = self._claim.path
        self.cgroup = _cgroup_of(self.state)
        self.cgroup.mkdir()
        self._address: str | None = None
        self._holder = self._start_holder()
        try:
            kernel.wait_until(self._is_ready, 20, "start of the pod")
        except BaseException:
            self.stop()
            raise
        init = kernel.child_of(self._holder.pid, kernel.processes_in(self.cgroup))
        assert init is not None
        self.init = init

    def _start_holder(self) -> subprocess.Popen[bytes]:
        """The kernel signals death of the parent to setpriv and what it becomes, unshare."""
        die_with_parent = ["setpriv", "--pdeathsig", "KILL"]
        enter = ["sh", "-c", f"[ $PPID = {os.getpid()} ] && {ENTER_CGROUP}", "sh", str(self.cgroup)]
        unshare = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--propagation", "private"]
        hold = ["bash", "-c", HOLDER, "pod", str(self.state)]
        with (self.state / "holder.log").open("wb") as log:
            return subprocess.Popen(
                [*die_with_parent, *enter, *unshare, *hold],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_ready(self) -> bool:
        if self._holder.poll() is not None:
            raise RuntimeError("the pod did not start: " + (self.state / "holder.log").read_text())
        return (self.state / "ready").exists()

    def command(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
        """The command that runs `argv` inside the pod, for use with subprocess."""
        variables = [f"{name}={value}" for name, value in {"PATH": self.path, **(env or {})}.items()]
        enter = ["nsenter", "--target", str(self.init), *NAMESPACES]
        return ["sh", "-c", ENTER_CGROUP, "sh", str(self.cgroup), *enter, "env", *variables, *argv]

    def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the pod and return its output."""
        done = subprocess.run(
            self.command(argv, env), stdin=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode:
            raise IncusError(f"{' '.join(argv)}: exit code {done.returncode}: {done.stderr.strip()}")
        return done

    def inside(self, path: Path) -> Path:
        """The path by which this process sees a path of the pod, mounts of the pod included."""
        return Path(f"/proc/{self.init}/root{path}")

    def processes(self) -> list[int]:
        """Every process of the pod, by the process ids of the machine."""
        return kernel.processes_in(self.cgroup)

    def mount_tmpfs(self, folder: Path, size: str, inodes: int | None = None) -> None:
        """Put a small file system over a folder, so that it can be filled up.

        `size` as mount takes it ("8m").  Subfolders are made again, since daemons expect theirs.
        """
        folder.mkdir(parents=True, exist_ok=True)
        kept = [entry for entry in folder.iterdir() if entry.is_dir()]
        options = f"size={size},mode=711" + (f",nr_inodes={inodes}" if inodes else "")
        self.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
        if kept:
            self.run("mkdir", *map(str, kept))

    def address(self) -> str:
        """The IP address of the pod.  Its link to the machine is made on first use."""
        if self._address is None:
            self._address = self._link()
        return self._address

    def _link(self) -> str:
        name, network = self._add_link()
        outer, inner = network.hosts()
        subprocess.run(["ip", "address", "add", f"{outer}/{network.prefixlen}", "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        self.run("ip", "address", "add", f"{inner}/{network.prefixlen}", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        return str(inner)

    def _add_link(self) -> tuple[str, IPv4Network]:
        """Try names until one is free: that also gives each pod a network of its own."""
        complaint = ""
        for number in islice(addresses.free_numbers(addresses.networks_in_use()), 100):
            name = f"incusbak{number}"
            add = ["ip", "link", "add", name, "type", "veth"]
            peer = ["peer", "name", "eth0", "netns", str(self.init)]
            added = subprocess.run([*add, *peer], capture_output=True, text=True, check=False)
            if added.returncode == 0:
                return name, addresses.network_of(number)
            complaint = added.stderr.strip()
        raise RuntimeError(f"cannot create a network link: {complaint or 'no network is free'}")

    def stop(self) -> None:
        """End everything in the pod and remove every trace of it."""
        self._holder.kill()
        self._holder.wait()
        _remove(self.state)
        self._claim.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
