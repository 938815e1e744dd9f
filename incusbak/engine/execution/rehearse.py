"""Carry out a rehearsal, and keep in the repository how it went."""

from ...errors import Corrupt, NotRecorded, RepositoryError, Unfit
from ...model.actions import Rehearse
from ...model.notes import Rehearsal
from ...model.refs import BackupId
from ...model.results import StepResult
from ...ports import BackupFiles, Kind, KindContext, Repository


def prove(
    action: Rehearse,
    backup: BackupId,
    tools: KindContext,
    repository: Repository,
    *,
    kind: Kind,
    files: BackupFiles,
) -> StepResult:
    """Verify a backup, then bring it up.

    Raises:
        Corrupt, Unfit: it is of no use, which is noted as well.
        NotRecorded: how it went can't be kept; nobody may rely on it.
    """
    try:
        manifest = repository.manifest(backup).manifest
        repository.check(backup, tools.tell)
        took = kind.rehearse(
            tools, manifest, files, probe=action.probe, timeout_seconds=action.timeout_seconds
        )
    except (Corrupt, Unfit) as error:
        _keep(repository, Rehearsal(backup, tools.clock(), error.message))
        raise
    note = Rehearsal(backup, tools.clock(), "", took.restore_seconds, took.boot_seconds)
    _keep(repository, note)
    return StepResult(
        note=f"{backup.timestamp} is of use: restored in {took.restore_seconds:.1f} s, "
        f"up in {took.boot_seconds:.1f} s"
    )


def _keep(repository: Repository, note: Rehearsal) -> None:
    try:
        repository.note(note)
    except RepositoryError as error:
        found = note.problem or "it came up"
        raise NotRecorded(
            f"{note.backup} was rehearsed ({found}), but that can't be recorded: {error.message}"
        ) from error
