"""Exit code 4 says that nothing was changed: so it is not that of what was."""

from typing import Any

import pytest

from incusbak.cli import workflow
from incusbak.errors import ChangedMeanwhile, Disturbed, ServerError, StalePlan
from incusbak.kinds import ENTITIES
from incusbak.model.records import ImageImport
from incusbak.model.refs import ResourceRef
from tests.fake_incus import FakeIncus
from tests.world.image_scene import with_backup
from tests.world.test_crash_recovery import with_backup as with_instance
from tests.world.test_unfinished_business import dead_after
from tests.world.volume_scene import make_scene

ETAG = ChangedMeanwhile("ETag doesn't match")


def test_the_last_unmark_of_an_image() -> None:
    scene = with_backup((b"image",))
    scene.lose("shop")

    def is_unmark(method: str, path: str) -> bool:
        records = [record for pile in scene.shelf.runs.values() for record in pile.values()]
        is_whole = any(isinstance(record, ImageImport) and not record.projects for record in records)
        return method == "PUT" and path.startswith("images/") and is_whole

    scene.server.fail_on(is_unmark, ETAG)
    with pytest.raises(Disturbed) as caught:
        scene.restore()
    assert "is restored, but not all is tidied up yet" in caught.value.message
    assert caught.value.exit_code == 1


def test_the_last_unmark_of_a_volume_replace() -> None:
    scene = make_scene()
    scene.back_up()
    scene.change()
    scene.server.fail_on(lambda method, path: method == "PUT" and path.endswith("custom/data"), ETAG)
    with pytest.raises(ServerError) as caught:
        scene.restore()
    assert "is restored, but not all is tidied up yet" in caught.value.message
    assert caught.value.exit_code == 1


def test_an_entity_that_was_made_and_then_changed_by_others() -> None:
    fake = FakeIncus()
    ref = ResourceRef("profile", project="default", name="own")

    def disturb(method: str, path: str) -> None:
        if (method, path) == ("POST", "profiles"):
            fake.world.profiles["default", "own"]["description"] = "another one's"

    fake.after(disturb)
    fake.fail_on(lambda method, _: method == "PUT", ETAG)
    with pytest.raises(Disturbed):
        ENTITIES["profile"].create(fake, ref, {"config": {}, "description": "", "devices": {}})


def test_a_leftover_that_another_run_removes_meanwhile_is_nobody_s_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    estate = with_instance()
    dead_after(estate, "POST", "instances/web")
    codes = iter((StalePlan.exit_code,))

    def carry_out(*arguments: Any, **more: Any) -> int:
        code = done(*arguments, **more)
        return next(codes, code)

    done = workflow.carry_out
    monkeypatch.setattr(workflow, "carry_out", carry_out)
    assert estate.back_up("web") == 0
