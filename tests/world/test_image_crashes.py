"""Wherever the restore of an image dies: nothing half of it stays, and nothing of anybody else's goes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from attrs import define, field, frozen

from incusbak.cli.session import now
from incusbak.errors import IncusbakError, ServerError, Stopped
from incusbak.kinds.image import ImageKind
from incusbak.kinds.image.definition import image_ref
from incusbak.model.backups import ExportOptions, Manifest, Source
from incusbak.model.goals import RestoreOptions
from incusbak.model.refs import BackupId
from incusbak.model.results import Moved, StepEvent
from incusbak.ports import Tell, Tools
from tests.fake_incus import images
from tests.fakes import Disk, MemoryJournal, MemoryRepository, Shelf
from tests.image_samples import metadata_of, squashfs_of, unified_of
from tests.world.mortal import Killed, MortalIncus

KIND = ImageKind()
CONTENTS = {"one file": (unified_of("image"),), "two files": (metadata_of("image"), squashfs_of("image"))}
_MOST = 400


@frozen
class Files:
    repository: MemoryRepository
    backup: BackupId

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        return self.repository.open_file(self.backup, name)


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

    def tools(self, tell: Tell | None = None) -> Tools:
        return Tools(
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


@pytest.fixture(params=CONTENTS)
def contents(request: pytest.FixtureRequest) -> tuple[bytes, ...]:
    return CONTENTS[request.param]


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


def test_all_of_an_image_comes_back_to_all_its_projects(contents: tuple[bytes, ...]) -> None:
    scene = with_backup(contents)
    before = scene.look()
    scene.lose()
    scene.restore()
    assert (scene.look(), scene.records()) == (before, [])


def test_a_killed_backup_leaves_nothing(contents: tuple[bytes, ...]) -> None:
    for moment in range(1, _MOST):
        scene = Scene(contents)
        before = scene.look()
        died = scene.dies(moment, scene.back_up)
        assert (len(scene.disk.backups), scene.look(), scene.records()) == (int(not died), before, [])
        if not died:
            return
    raise AssertionError("it never got through")


def test_a_killed_import_is_undone_or_finished(contents: tuple[bytes, ...]) -> None:
    """In all projects alike; until then nobody takes it for a restored one."""
    whole, seen = with_backup(contents).look(), []
    for moment in range(1, _MOST):
        scene = with_backup(contents)
        scene.lose()
        died = scene.dies(moment, scene.restore)
        assert died or not scene.records()
        scene.recover()
        assert scene.look() in ({}, whole), moment
        assert scene.records() == [], moment
        seen.append(scene.look() == whole)
        if not died:
            break
    assert seen == sorted(seen)
    assert {*seen} == {False, True}


@pytest.mark.parametrize("before_end", [2, 6, 20])
def test_the_recovery_may_die_as_well(before_end: int) -> None:
    contents = CONTENTS["two files"]
    whole, moments = with_backup(contents).look(), moments_of_import(contents)
    for second in range(1, _MOST):
        scene = with_backup(contents)
        scene.lose()
        assert scene.dies(moments - before_end, scene.restore)
        died = scene.dies(second, scene.recover)
        scene.recover()
        assert scene.look() in ({}, whole), second
        assert scene.records() == [], second
        if not died:
            return
    raise AssertionError("it never got through")


def moments_of_import(contents: tuple[bytes, ...]) -> int:
    scene = with_backup(contents)
    scene.lose()
    assert not scene.dies(_MOST, scene.restore)
    return scene.moments


def test_after_any_death_the_image_can_be_restored(contents: tuple[bytes, ...]) -> None:
    """Also where it was in one project, with another definition."""
    whole = with_backup(contents).look()
    for moment in range(1, _MOST, 3):
        scene = changed_since(contents)
        died = scene.dies(moment, scene.restore)
        scene.recover()
        assert set(scene.look()) >= {"default"}, moment
        scene.restore()
        assert settled(scene.look()) == settled(whole), moment
        assert scene.records() == [], moment
        if not died:
            return
    raise AssertionError("it never got through")


def settled(look: dict[str, Any]) -> dict[str, Any]:
    """The same but for the date that means never: one that was set can't be unset."""
    return {
        project: ({**definition, "expires_at": definition["expires_at"][:4] > "2000"}, files)
        for project, (definition, files) in look.items()
    }


def test_an_interrupted_restore_leaves_all_as_it_was(contents: tuple[bytes, ...]) -> None:
    before = changed_since(contents).look()
    for number in range(1, _MOST):
        scene = changed_since(contents)
        told = iter(range(1, _MOST))

        def stop(_: StepEvent, told: Iterator[int] = told, number: int = number) -> None:
            if next(told) == number:
                raise Stopped

        try:
            scene.restore(stop)
        except Stopped:
            assert (scene.look(), scene.records()) == (before, []), number
        else:
            return
    raise AssertionError("it never got through")


def test_a_restore_that_fails_leaves_all_as_it_was(contents: tuple[bytes, ...]) -> None:
    """Or, where the server failed after it had done the last thing, all as it was to be."""
    before = changed_since(contents).look()
    failed = 0
    for number in range(1, _MOST):
        scene = changed_since(contents)
        if not fails(scene, number):
            break
        failed += 1
        scene.shelf.alive.clear()
        scene.recover()
        found = settled(scene.look())
        assert found in (settled(before), settled(with_backup(contents).look())), number
        assert scene.records() == [], number
    assert failed > 10


def fails(scene: Scene, number: int) -> bool:
    """Restore on a server whose n-th request fails, and no other."""
    scene.server.forgive()
    numbers = iter(range(1, _MOST))
    scene.server.fail_on(lambda *_: next(numbers) == number, ServerError("out of order"))
    try:
        scene.restore()
    except IncusbakError:
        return True
    finally:
        scene.server.forgive()
    return False


def test_what_someone_else_imported_meanwhile_stays() -> None:
    scene = with_backup(CONTENTS["one file"])
    scene.lose()

    def die_in_the_upload(what: StepEvent) -> None:
        if isinstance(what, Moved):
            scene.server.arm(1)
            raise Killed

    with pytest.raises(Killed):
        scene.restore(die_in_the_upload)
    scene.server.arm(0)
    scene.shelf.alive.clear()
    assert (len(scene.records()), scene.look()) == (1, {})
    images.add(scene.server.world, *scene.contents, project="shop", filename="theirs")
    scene.recover()
    assert [*scene.look()] == ["shop"]
    assert scene.records() == []


def test_an_upload_that_ends_after_its_run_is_undone(contents: tuple[bytes, ...]) -> None:
    """The server goes on for a while, and does not say with which image."""
    for moment in range(1, _MOST):
        scene = with_backup(contents)
        scene.lose()
        if scene.dies(moment, scene.restore) and scene.server._running:
            break
    assert scene.look() == {}
    scene.recover()
    assert (scene.look(), scene.server._running) == ({}, {})


def test_an_import_without_a_record_is_not_taken_for_an_image() -> None:
    """It is neither seen nor overwritten; the message tells how to be rid of it."""
    scene = with_backup(CONTENTS["one file"])
    for document in (image.document for image in scene.server.world.images.values()):
        document["properties"] = {"user.incusbak.run": "0123456789ab"}
    ref = image_ref(scene.fingerprint)
    assert KIND.inspect(scene.server, ref) is None
    assert [*KIND.observe(scene.server, "*")] == []
    before = scene.look()
    with pytest.raises(IncusbakError, match=f"incus image delete {scene.fingerprint} --project shop"):
        scene.restore()
    assert (scene.look(), scene.records()) == (before, [])


def test_damaged_content_is_not_backed_up(contents: tuple[bytes, ...]) -> None:
    scene = Scene(contents)
    scene.server.spoil = lambda content: content.replace(b"image", b"1mage", 1)
    with pytest.raises(ServerError, match="damaged"):
        scene.back_up()
    assert scene.disk.backups == {}


def test_cut_content_is_not_backed_up(contents: tuple[bytes, ...]) -> None:
    scene = Scene(contents)
    scene.server.spoil = lambda content: content[: len(content) * 2 // 3]
    with pytest.raises(ServerError):
        scene.back_up()
    assert scene.disk.backups == {}
