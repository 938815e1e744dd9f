"""Copy backups from one repository into another, as they are."""

from ...errors import Corrupt, RepositoryError, StalePlan
from ...model.actions import Copy
from ...model.plans import HasCopies
from ...model.refs import BackupId
from ...model.results import Phased, StepResult, Transferred
from ...ports import KindContext, Repository
from .verify import in_number, noting_damage


def check_source(expected: HasCopies, source: Repository) -> None:
    """See that it is the repository the plan was made for, and still has what is to be copied.

    Raises:
        StalePlan: it is not, or has not.
    """
    catalog = source.catalog()
    if catalog.repository_id != expected.source.id:
        raise StalePlan(f"{expected.source.uri} is another repository by now")
    if gone := [backup for backup in expected.backups if backup not in catalog.of(backup.ref)]:
        raise StalePlan(f"{', '.join(map(str, gone))} is not in {expected.source.uri} any more")


def transfer(action: Copy, tools: KindContext, source: Repository, repository: Repository) -> StepResult:
    """Copy one backup after the other; one that is damaged does not keep the others from it.

    Raises:
        Corrupt: some are damaged; the message names each with what is wrong. Nothing of them is kept.
    """
    there = set(repository.catalog().of(action.ref))
    damage, remarks = [], []
    for backup in (backup for backup in action.backups if backup not in there):
        tools.tell(Phased(f"copying {backup.timestamp}"))
        try:
            with source.lock(writing=False), noting_damage(backup, tools, source):
                remarks.append(_transfer(backup, tools, source, repository))
        except Corrupt as error:
            damage.append(error.message)
    if damage:
        raise Corrupt("\n".join(damage))
    told = dict.fromkeys(filter(None, remarks))
    return StepResult(note="; ".join((f"copied {in_number(len(action.backups))}", *told)))


def _transfer(backup: BackupId, tools: KindContext, source: Repository, repository: Repository) -> str:
    """Every byte is compared with its checksum on the way, before the backup can be seen.

    Returns:
        What has to be said of it.
    """
    manifest = source.manifest(backup).manifest
    with repository.new_backup(backup.ref, backup.created) as writer:
        if writer.id != backup:
            raise RepositoryError(f"{backup} can't be copied: another run makes one of that name")
        for stored in manifest.files:
            with source.open_file(backup, stored.name) as chunks, writer.file(stored.name) as file:
                for chunk in chunks:
                    file.write(chunk)
                    tools.tell(Transferred(len(chunk)))
        if source.catalog().health(backup).shrunk:
            for note in source.notes(backup):
                repository.note(note)
        writer.commit(manifest, tools.tell)
    return writer.remark
