"""A server in memory with an image, runs that die, and what must be true of what they leave."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from attrs import define, field, frozen

from incusbak.cli.session import now
from incusbak.kinds.image import ImageKind
from incusbak.kinds.image.definition import image_ref
from incusbak.model.backups import ExportOptions, Manifest, Source
from incusbak.model.goals import RestoreOptions
from incusbak.model.refs import BackupId
from incusbak.ports import KindContext, Tell
from tests.fake_incus import images
from tests.fakes import Disk, MemoryJournal, MemoryRepository, Shelf
from tests.image_samples import metadata_of, squashfs_of, unified_of
from tests.world.mortal import Killed, MortalIncus

KIND = ImageKind()
CONTENTS = {"one file": (unified_of("image"),), "two files": (metadata_of("image"), squashfs_of("image"))}
MOST = 400
"""More moments than any run has."""


@frozen
class Files:
    repository: MemoryRepository
    backup: BackupId

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        return self.repository.open_file(self.backup, name)

    def checkpoint(self) -> None:
        """Nothing here takes long."""


@define
class Scene:
    """A server with an image in two projects, differently defined, and a repository."""

    contents: tuple[bytes, ...]
    server: MortalIncus = field(factory=MortalIncus)
    disk: Disk = field(factory=Disk)
    shelf: Shelf = field(factory=Shelf)
    moments: int = 0
    fingerprint: str = ""
    manifest: Manifest | None = None

    def __attrs_post_init__(self) -> None:
        world = self.server.world
        world.add_project("shop")
        add = images.add
        self.fingerprint = add(world, *self.contents, public=True, aliases=[alias("web", "the web")])
        properties = {"os": "ü"}
        add(world, *self.contents, project="shop", auto_update=True, profiles=[], properties=properties)

    def tools(self, tell: Tell | None = None) -> KindContext:
        return KindContext(
            api=self.server,
            server=self.server.server,
            journal=MemoryJournal(self.shelf),
            tell=tell or (lambda _: self.server.moment()),
            clock=now,
            owner="owner",
            guard=lambda _: nullcontext(),
        )

    def back_up(self) -> None:
        ref, repository = image_ref(self.fingerprint), MemoryRepository(self.disk)
        with repository.new_backup(ref, now()) as writer:
            captured = KIND.export(self.tools(), ref, ExportOptions(), writer)
            source = Source("f", "s", "v")
            manifest = Manifest(writer.id, source, ExportOptions(), captured, writer.files, "0")
            writer.commit(manifest)
        self.manifest = manifest

    def restore(self, tell: Tell | None = None) -> None:
        assert self.manifest is not None
        ref = image_ref(self.fingerprint)
        KIND.restore(
            self.tools(tell),
            self.manifest,
            Files(MemoryRepository(self.disk), self.manifest.id),
            to=ref,
            options=RestoreOptions(),
            current=KIND.inspect(self.server, ref),
        )

    def recover(self) -> None:
        """What the next run does first."""
        tools = self.tools()
        for record in tools.journal.leftovers():
            taken = tools.journal.take_over(record.id)
            assert taken is not None
            KIND.recover(tools, taken)

    def dies(self, fatal: int, command: Callable[[], None]) -> bool:
        """Run a command that is killed at its n-th moment; false if it ended before."""
        self.server.arm(fatal)
        try:
            command()
        except Killed:
            return True
        finally:
            self.moments = self.server.moments
            self.server.arm(0)
            self.shelf.alive.clear()
        return False

    def lose(self, *projects: str) -> None:
        for project in projects or ("default", "shop"):
            del self.server.world.images[project, self.fingerprint]

    def look(self) -> dict[str, Any]:
        """All of the image that a user would miss, by project."""
        kept = (
            "aliases",
            "auto_update",
            "expires_at",
            "profiles",
            "properties",
            "public",
            "type",
            "filename",
        )
        return {
            project: ({key: image.document[key] for key in kept}, image.files)
            for (project, _), image in self.server.world.images.items()
        }

    def records(self) -> list[str]:
        return [record_id for pile in self.shelf.runs.values() for record_id in pile]


def alias(name: str, description: str = "") -> dict[str, str]:
    return {"name": name, "description": description}


def with_backup(contents: tuple[bytes, ...]) -> Scene:
    scene = Scene(contents)
    scene.back_up()
    scene.shelf.alive.clear()
    return scene


def changed_since(contents: tuple[bytes, ...]) -> Scene:
    """An image that is gone from one project and differs in the other."""
    scene = with_backup(contents)
    scene.lose("shop")
    image = scene.server.world.images["default", scene.fingerprint]
    image.document |= {"aliases": [alias("web", "other"), alias("new")], "properties": {"os": "other"}}
    image.document |= {"expires_at": "2091-01-02T03:04:05Z"}
    return scene


def moments_of_import(contents: tuple[bytes, ...]) -> int:
    scene = with_backup(contents)
    scene.lose()
    assert not scene.dies(MOST, scene.restore)
    return scene.moments


def settled(look: dict[str, Any]) -> dict[str, Any]:
    """The same but for the date that means never: one that was set can't be unset."""
    return {
        project: ({**definition, "expires_at": definition["expires_at"][:4] > "2000"}, files)
        for project, (definition, files) in look.items()
    }
