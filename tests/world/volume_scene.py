"""A volume with every sort of user, in memory, and runs on it that die or are stopped when told to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from attrs import define, field, frozen

from incusbak.cli.session import now
from incusbak.errors import Stopped
from incusbak.kinds.volume import VolumeKind
from incusbak.model.backups import Captured, ExportOptions, Manifest, Source
from incusbak.model.goals import RestoreOptions
from incusbak.model.records import VolumeRestoration
from incusbak.model.refs import BackupId, ResourceRef, volume_ref
from incusbak.model.results import StepEvent, StepResult
from incusbak.ports import KindContext
from tests.fake_incus.world import Content
from tests.fakes import Disk, MemoryJournal, MemoryRepository, Shelf
from tests.world.mortal import PLAIN, Killed, MortalIncus

KIND = VolumeKind()
REF = volume_ref("default", "fast", "data")
BACKED_UP, SINCE = b"as it was backed up", b"as it is since"
_KEY = ("default", "fast", "data")
_DEVICE = {"type": "disk", "pool": "fast", "source": "data", "path": "/data"}
_PASSING = ("volatile.last_state.power",)
_LASTING = 15
"""Requests after which every operation of a dead run has ended."""


@frozen
class _Files:
    repository: MemoryRepository
    backup: BackupId

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        return self.repository.open_file(self.backup, name)

    def checkpoint(self) -> None:
        """Nothing here takes long."""


@define
class Scene:
    """``stop_at``: the n-th sign of progress of the next run is answered with ``Stopped``."""

    server: MortalIncus
    disk: Disk = field(factory=Disk)
    shelf: Shelf = field(factory=Shelf)
    guarded: list[Sequence[ResourceRef]] = field(factory=list)
    stop_at: int = 0
    manifest: Manifest | None = None

    # -- what is there ------------------------------------------------------------------------------

    def furnish(self, content_type: str = "filesystem") -> "Scene":
        world = self.server.world
        config = {"size": str(len(BACKED_UP))} if content_type == "iso" else {"user.note": "kept"}
        made = {"content_type": content_type, "description": "of the shop"}
        world.add_volume("data", pool="fast", config=config, **made)
        world.contents[_KEY] = Content({self.file: BACKED_UP})
        if content_type != "iso":
            for name in ("s1", "s2"):
                expiry = {"name": name, "expires_at": "2040-01-01T00:00:00Z"}
                self.server.create("storage-pools/fast/volumes/custom/data/snapshots", expiry)
        world.add_profile("p", devices={"data": dict(_DEVICE)})
        world.add_project("other", {"features.storage.volumes": "false", "features.profiles": "false"})
        disk = {"data": dict(_DEVICE), "more": {**_DEVICE, "path": "/more"}}
        world.add_instance("direct", status="Running", devices=disk)
        world.add_instance("through", status="Running", profiles=["default", "p"])
        world.add_instance("brief", status="Running", devices=disk, ephemeral=True)
        world.add_instance("cold", status="Frozen", devices=disk)
        world.add_instance("idle", devices=disk)
        world.add_instance("far", project="other", status="Running", devices=disk)
        return self

    @property
    def file(self) -> str:
        """Path of the one file; of what has none, the whole."""
        is_files = self.server.world.volumes[_KEY]["content_type"] == "filesystem"
        return "dir/data" if is_files else ""

    def change(self) -> None:
        self.server.world.contents[_KEY].files[self.file] = SINCE

    def look(self) -> dict[str, Any]:
        """All that a user would miss, and all that a run may leave."""
        world = self.server.world
        volumes = {key: {**document} for key, document in world.volumes.items()}
        for document in volumes.values():
            if document["content_type"] == "iso":
                document.pop("created_at")
        return {
            "volumes": volumes,
            "contents": {key: (c.files, c.snapshots, c.backups) for key, c in world.contents.items()},
            "instances": {name: _look(i.document) for name, i in sorted(world.instances.items())},
            "profiles": dict(world.profiles),
            "projects": sorted(world.projects),
            "records": [record for pile in self.shelf.runs.values() for record in pile],
            "unfinished": set(self.disk.reserved),
        }

    def is_safe(self) -> bool:
        """Whether the content is there, under its name or where a record brings it back from."""
        records = [r for pile in self.shelf.runs.values() for r in pile.values()]
        names = ["data", *(r.aside for r in records if isinstance(r, VolumeRestoration))]
        found = (self.server.world.contents.get(("default", "fast", name)) for name in names)
        return any({BACKED_UP, SINCE} & {*each.files.values()} for each in found if each is not None)

    # -- runs ---------------------------------------------------------------------------------------

    def tools(self) -> KindContext:
        told = 0

        def tell(_: StepEvent) -> None:
            nonlocal told
            told += 1
            if told == self.stop_at:
                raise Stopped

        @contextmanager
        def guard(refs: Sequence[ResourceRef]) -> Iterator[None]:
            self.guarded.append(refs)
            yield

        server, journal = self.server, MemoryJournal(self.shelf)
        return KindContext(server, server.server, journal, tell, now, "owner", guard)

    def back_up(self, options: ExportOptions | None = None) -> Captured:
        options = options or PLAIN
        with MemoryRepository(self.disk).new_backup(REF, now()) as writer:
            captured = KIND.export(self.tools(), REF, options, writer)
            source = Source("f", "s", "v")
            self.manifest = Manifest(writer.id, source, options, captured, writer.files, "0")
            writer.commit(self.manifest)
        return captured

    def restore(self, to: ResourceRef = REF, options: RestoreOptions | None = None) -> StepResult:
        """Bring the last backup back, in place of what is there."""
        assert self.manifest is not None
        tools, files = self.tools(), _Files(MemoryRepository(self.disk), self.manifest.id)
        current = KIND.inspect(self.server, to)
        wanted = options or RestoreOptions()
        return KIND.restore(tools, self.manifest, files, to=to, options=wanted, current=current)

    def recover(self) -> None:
        """Do what the next run begins with."""
        self.shelf.alive.clear()
        tools = self.tools()
        for leftover in tools.journal.leftovers():
            record = tools.journal.take_over(leftover.id)
            assert record is not None
            KIND.recover(tools, record)
        for _ in range(_LASTING):
            self.server.info()

    def dies(self, fatal: int, run: Callable[[], object]) -> bool:
        """Have a run killed at its n-th moment; false if it ended before, and well."""
        self.server.arm(fatal)
        try:
            run()
        except Killed:
            return True
        finally:
            self.server.arm(0)
            self.disk.reserved.clear()
        return False

    def is_stopped(self, at: int, run: Callable[[], object]) -> bool:
        """Have a run stopped at its n-th sign of progress; false if it ended before, and well."""
        self.stop_at = at
        try:
            run()
        except Stopped:
            return True
        finally:
            self.stop_at = 0
        return False


def make_scene(
    *, driver: str = "dir", extensions: Sequence[str] = ("direct_backup",), content: str = "filesystem"
) -> Scene:
    scene = Scene(MortalIncus(extensions=[*extensions, "backup_iso"]))
    scene.server.world.add_pool("fast", driver)
    return scene.furnish(content)


def _look(document: dict[str, Any]) -> dict[str, Any]:
    config = {k: v for k, v in document["config"].items() if k not in _PASSING}
    return {**{k: v for k, v in document.items() if k != "last_used_at"}, "config": config}
