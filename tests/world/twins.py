"""Build a scene once and begin many runs with the same one."""

from copy import deepcopy
from threading import Condition, RLock
from typing import Protocol, TypeVar

from tests.fake_incus import FakeIncus
from tests.fakes import Disk, Shelf


class Scene(Protocol):
    """What all scenes in memory have."""

    @property
    def server(self) -> FakeIncus: ...
    @property
    def disk(self) -> Disk: ...
    @property
    def shelf(self) -> Shelf: ...


S = TypeVar("S", bound=Scene)


def twin(scene: S) -> S:
    """Copy a scene with all that is in it; only locks are new, since nobody holds them."""
    fresh = {id(scene.server._lock): RLock(), id(scene.disk.changing): Condition()}
    return deepcopy(scene, fresh)
