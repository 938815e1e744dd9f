"""Carry out a rehearsal, and keep in the repository how it went."""

from contextlib import suppress

from ..errors import Corrupt, RepositoryError, Unfit
from ..model.actions import Rehearse
from ..model.notes import Rehearsal
from ..model.results import Made
from ..ports import BackupFiles, Kind, Repository, Tools


def prove(action: Rehearse, tools: Tools, repository: Repository, kind: Kind, files: BackupFiles) -> Made:
    """Verify a backup, then bring it up.

    Raises:
        Corrupt, Unfit: it is of no use, which is noted as well.
    """
    try:
        manifest = repository.manifest(action.backup).manifest
        repository.check(action.backup, tools.tell)
        took = kind.rehearse(
            tools, manifest, files, probe=action.probe, timeout_seconds=action.timeout_seconds
        )
    except (Corrupt, Unfit) as error:
        _keep(repository, Rehearsal(action.backup, tools.clock(), error.message))
        raise
    _keep(
        repository,
        Rehearsal(action.backup, tools.clock(), "", took.restore_seconds, took.boot_seconds),
    )
    return Made(
        note=f"{action.backup.timestamp} is of use: restored in {took.restore_seconds:.1f} s, "
        f"up in {took.boot_seconds:.1f} s"
    )


def _keep(repository: Repository, note: Rehearsal) -> None:
    """One that can only be read is rehearsed all the same."""
    with suppress(RepositoryError):
        repository.note(note)
