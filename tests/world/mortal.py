"""Runs in memory that die when they are told to, and what must be true of what they leave."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field

from incusbak.errors import Stopped
from incusbak.model.backups import Compression, ExportOptions
from incusbak.model.documents import Json
from incusbak.model.policies import IfPresent
from incusbak.model.records import Restoration
from incusbak.ports import Watch
from tests.fake_incus import FakeIncus, Instance
from tests.world.session import Estate

RESTORED, DAMAGED = b"as it was backed up", b"as it is now"
PLAIN = ExportOptions(compression=Compression.NONE)
"""Where a run dies has nothing to do with how its archive is compressed, and threads for that take time."""
_DATA = "rootfs/data"
_LASTING = 10
"""Requests that an operation outlives: it is still under way when the next run has made its plan."""
_PASSING = ("volatile.last_state.power", "volatile.apply_template", "volatile.eth0.host_name")


class Killed(BaseException):
    """The process is dead: nothing it would do from here on happens."""


class MortalIncus(FakeIncus):
    """A server whose client dies at the n-th moment: before a request, while it is carried out, after it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.world.writes_json = True  # they go through here hundreds of times
        self.moments = 0
        self.fatal = self.alarm = 0
        self.before(self.moment)
        self.after(self.moment)

    def arm(self, fatal: int) -> None:
        """Kill the next client at its n-th moment; 0: let it live."""
        self.moments, self.fatal, self.alarm = 0, fatal, 0

    def ring(self, alarm: int) -> None:
        """Interrupt the next client at its n-th moment."""
        self.moments, self.fatal, self.alarm = 0, 0, alarm

    def moment(self, *_: object) -> None:
        self.moments += 1
        if self.moments == self.alarm:
            os.kill(os.getpid(), signal.SIGINT)
        if 0 < self.fatal <= self.moments:
            raise Killed

    def _run(
        self,
        effect: Callable[[], None],
        urls: Mapping[str, Sequence[str]],
        watch: Watch | None,
        description: str = "",
    ) -> Json:
        def watched(words: str) -> None:
            try:
                self.moment()
            except Killed:
                for operation in self._running.values():
                    operation.polls = _LASTING
                raise
            if watch is not None:
                watch(words)

        return super()._run(effect, urls, watched, description)


@define
class MortalEstate(Estate):
    server: MortalIncus = field(factory=MortalIncus)

    def dies(self, fatal: int, command: Callable[[], int]) -> bool:
        """Run a command that is killed at its n-th moment; false if it ended before, and well."""
        self.server.arm(fatal)
        try:
            assert command() == 0
        except Killed:
            return True
        finally:
            self.server.arm(0)
            self.shelf.alive.clear()
        return False

    def is_interrupted(self, alarm: int, command: Callable[[], int]) -> bool:
        """Run a command that is interrupted at its n-th moment; false if it ended before, and well."""
        self.server.ring(alarm)
        try:
            assert command() == 0
        except (Stopped, KeyboardInterrupt):
            return True
        finally:
            self.server.arm(0)
            self.shelf.alive.clear()
        return False

    def web(self) -> Instance:
        return self.server.world.instance("web")

    def add_web(self, *, driver: str, status: str, **parts: Any) -> None:
        """An instance with all that a swap could lose, running unless told otherwise."""
        world = self.server.world
        world.add_pool("fast", driver)
        world.add_network("br0")
        nic = {"type": "nic", "network": "br0", "name": "eth0"}
        devices = {"root": {"type": "disk", "path": "/", "pool": "fast"}, "eth0": nic}
        config = {"boot.autostart": "true", "user.note": "kept", **parts.pop("config", {})}
        web = world.add_instance(
            "web", devices=devices, config=config, status=status, files={_DATA: RESTORED}, **parts
        )
        for number in (1, 2):
            self.server.create("instances/web/snapshots", {"name": f"s{number}"})
        web.snapshots["s2"].document["expires_at"] = "2030-01-01T00:00:00Z"

    def back_up_web(self) -> int:
        return self.back_up("web", options=PLAIN)

    def replace_web(self) -> int:
        return self.restore("web", if_present=IfPresent.REPLACE)

    def look(self) -> dict[str, Any]:
        """All of the instance that a user would miss."""
        web = self.web()
        config = {k: v for k, v in web.config.items() if k not in _PASSING}
        snapshots = {name: (s.document, s.files) for name, s in web.snapshots.items()}
        document = {k: v for k, v in web.document.items() if k not in ("config", "last_used_at")}
        return {"document": document, "config": config, "snapshots": snapshots, "files": web.files}

    def holds(self) -> set[bytes]:
        """Contents of the instance, wherever it is: under its name, or where a record brings it back from."""
        records = [r for pile in self.shelf.runs.values() for r in pile.values()]
        names = ["web", *(r.aside for r in records if isinstance(r, Restoration))]
        found = (self.server.world.instances.get(("default", name)) for name in names)
        return {each.files.get(_DATA, b"") for each in found if each is not None}

    def left(self) -> list[str]:
        """Everything that should have been gone when a run ends."""
        records = [record_id for pile in self.shelf.runs.values() for record_id in pile]
        return [*self.temporary(), *records, *map(str, self.disk.reserved)]
