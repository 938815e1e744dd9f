"""Wherever the restore of an image dies: nothing half of it stays, and nothing of anybody else's goes."""

from collections.abc import Iterator

import pytest

from incusbak.errors import IncusbakError, ServerError, Stopped
from incusbak.kinds.image.definition import image_ref
from incusbak.model.results import StepEvent, Transferred
from tests.fake_incus import images
from tests.world.image_scene import (
    CONTENTS,
    KIND,
    MOST,
    Scene,
    changed_since,
    moments_of_import,
    settled,
    with_backup,
)
from tests.world.mortal import Killed


@pytest.fixture(params=CONTENTS)
def contents(request: pytest.FixtureRequest) -> tuple[bytes, ...]:
    return CONTENTS[request.param]


def test_all_of_an_image_comes_back_to_all_its_projects(contents: tuple[bytes, ...]) -> None:
    scene = with_backup(contents)
    before = scene.look()
    scene.lose()
    scene.restore()
    assert (scene.look(), scene.records()) == (before, [])


def test_a_killed_backup_leaves_nothing(contents: tuple[bytes, ...]) -> None:
    for moment in range(1, MOST):
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
    for moment in range(1, MOST):
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
    for second in range(1, MOST):
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


def test_after_any_death_the_image_can_be_restored(contents: tuple[bytes, ...]) -> None:
    """Also where it was in one project, with another definition."""
    whole = with_backup(contents).look()
    for moment in range(1, MOST, 3):
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


def test_an_interrupted_restore_leaves_all_as_it_was(contents: tuple[bytes, ...]) -> None:
    before = changed_since(contents).look()
    for number in range(1, MOST):
        scene = changed_since(contents)
        told = iter(range(1, MOST))

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
    for number in range(1, MOST):
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
    numbers = iter(range(1, MOST))
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
        if isinstance(what, Transferred):
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
    for moment in range(1, MOST):
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
