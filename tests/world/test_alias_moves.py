"""An alias changes hands last and in one step: whatever comes between, it is somebody's."""

from collections.abc import Callable
from typing import Any

import pytest

from incusbak.errors import ServerError
from incusbak.model.policies import IfPresent
from tests.fake_incus import FakeIncus, images
from tests.image_samples import unified_of
from tests.world.mortal import Killed
from tests.world.session import Estate

MINI = [{"name": "mini", "description": ""}]


@pytest.fixture
def estate() -> Estate:
    """An image whose backup had the alias that another one has by now."""
    estate = Estate()
    world = estate.server.world
    first = images.add(world, unified_of("v1"), aliases=[dict(each) for each in MINI])
    assert estate.back_up(kind="image") == 0
    del world.images["default", first]
    images.add(world, unified_of("v2"), aliases=[dict(each) for each in MINI])
    return estate


def holders(server: FakeIncus) -> dict[str, list[str]]:
    found = server.world.images.items()
    return {name: [alias["name"] for alias in image.document["aliases"]] for (_, name), image in found}


def restore(estate: Estate) -> int:
    return estate.restore(kind="image", if_present=IfPresent.REPLACE)


@pytest.mark.parametrize("failure", [ServerError("no"), Killed()])
def test_a_run_that_ends_before_the_alias_has_moved_loses_nothing(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    real: Callable[..., Any] = estate.server.replace

    def replace(path: str, *rest: Any, **more: Any) -> None:
        if path.startswith("images/aliases/"):
            raise failure
        real(path, *rest, **more)

    with monkeypatch.context() as broken:
        broken.setattr(FakeIncus, "replace", lambda _, *rest, **more: replace(*rest, **more))
        if isinstance(failure, Killed):
            with pytest.raises(Killed):
                restore(estate)
        else:
            assert restore(estate) == 1
    old, new = sorted(holders(estate.server).values())
    assert (old, new) == ([], ["mini"])  # both are there, and the one that had it still has it
    estate.shelf.alive.clear()
    assert restore(estate) == 0
    [first] = {backup.ref.name for backup in estate.disk.backups}
    assert holders(estate.server)[first] == ["mini"]
    assert sorted(holders(estate.server).values()) == [[], ["mini"]]
