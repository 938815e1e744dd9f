"""Places for repositories, one of each kind: what is true of one must be of all."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import frozen

from incusbak.model.refs import BackupId
from incusbak.ports import Repository
from incusbak.repositories import Caller, open_repository
from tests.fakes import Disk, MemoryRepository
from tests.samples import ARCHIVE

SECOND = timedelta(seconds=1)


@frozen
class Place:
    """A place for one repository.

    ``open`` gives what another process would have, ``unusable`` one that is not mounted; ``damage`` changes
    a stored file (None: removes it).
    """

    open: Callable[[str], Repository]
    unusable: Callable[[], Repository]
    damage: Callable[[BackupId, str, bytes | None], None]


@pytest.fixture(params=["memory", "dir"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        disk = Disk()
        return Place(
            open=lambda command: MemoryRepository(disk, command=command),
            unusable=lambda: MemoryRepository(Disk(usable=False)),
            damage=MemoryRepository(disk).damage,
        )
    root = tmp_path / "repository"

    def damage(backup: BackupId, name: str, data: bytes | None) -> None:
        path = root / "instances" / backup.ref.project / backup.ref.name / backup.timestamp / name
        path.unlink() if data is None else path.write_bytes(data)

    return Place(
        open=lambda command: open_repository(f"dir:{root}", Caller(command)),
        unusable=lambda: open_repository(f"dir:{tmp_path}/not/mounted"),
        damage=damage,
    )


@pytest.fixture
def repository(place: Place) -> Repository:
    return place.open("")


def content(repository: Repository, backup: BackupId, name: str = ARCHIVE) -> bytes:
    with repository.open_file(backup, name) as chunks:
        return b"".join(chunks)
