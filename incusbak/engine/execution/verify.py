"""Read backups again from end to end, and keep what was found in the repository."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from attrs import define, field

from ...errors import Corrupt, NoSuchBackup, RepositoryError
from ...model.actions import Verify
from ...model.notes import Inspection
from ...model.refs import BackupId
from ...model.results import Phased, StepResult, Transferred
from ...ports import Kind, KindContext, Repository


def inspect(action: Verify, tools: KindContext, repository: Repository, kind: Kind) -> StepResult:
    """Read, or look at, every backup of a step, also after one that is damaged or can't be read.

    Raises:
        Corrupt: some are damaged; the message names each with what is wrong.
        RepositoryError: some can't be read, which says nothing of their worth; damage is named as well.
    """
    damage: list[str] = []
    unread: list[RepositoryError] = []
    caveats: set[str] = set()
    for backup in action.backups:
        try:
            problem = _look(action, backup, tools, repository, kind)
            caveats |= set() if problem or not action.whole else _caveats(backup, repository, kind)
        except RepositoryError as error:
            if type(error) is not RepositoryError:
                raise  # it is about all of the repository
            unread.append(_named(backup, error))
        else:
            damage += [problem] if problem else []
    if unread:
        raise RepositoryError("\n".join([*damage, *(e.message for e in unread)]), hint=unread[0].hint)
    if damage:
        raise Corrupt("\n".join(damage))
    count = len(action.backups)
    if not action.whole:
        return StepResult(note=f"looked at {in_number(count)}: nothing is missing at first sight")
    words = "1 backup is as it was written" if count == 1 else f"{count} backups are as they were written"
    return StepResult(note="; ".join([words, *sorted(caveats)]))


def unread_line(backup: object) -> str:
    """How the line about a backup begins that could not be read; one about damage names it and a colon."""
    return f"{backup} can't be read: "


def _look(action: Verify, backup: BackupId, tools: KindContext, repository: Repository, kind: Kind) -> str:
    """Say what is wrong with one backup, empty when nothing is, and keep what was found."""
    if action.whole:
        problem = _problem(backup, tools, repository, kind)
        _note(backup, problem, tools, repository)
        return problem
    return quick_check(backup, tools, repository) or _known_problem(backup, repository)


def _known_problem(backup: BackupId, repository: Repository) -> str:
    """What was wrong when it was read last: a look at its beginning does not tell that it is whole again."""
    last = [note for note in repository.notes(backup) if isinstance(note, Inspection)][-1:]
    return next((_in_words(backup, Corrupt(note.problem)) for note in last if note.problem), "")


def _named(backup: BackupId, error: RepositoryError) -> RepositoryError:
    words = " ".join(error.message.split())
    return RepositoryError(unread_line(backup) + words, hint=error.hint)


def in_number(count: int) -> str:
    return f"{count} backup{'' if count == 1 else 's'}"


def quick_check(
    backup: BackupId, tools: KindContext, repository: Repository, *, opening: bool = False
) -> str:
    """Say what is wrong with a backup at first sight, and keep that; empty when nothing is.

    Args:
        opening: see as well whether its files can be read where they begin.
    """
    tools.tell(Phased(f"looking at {backup.timestamp}"))
    try:
        repository.quick_check(backup)
        for stored in repository.manifest(backup).manifest.files if opening else ():
            with repository.open_file(backup, stored.name) as chunks:
                next(chunks, None)
    except NoSuchBackup:
        raise
    except Corrupt as error:
        problem = _in_words(backup, error)
        _note(backup, problem, tools, repository)
        return problem
    return ""


@contextmanager
def noting_damage(backup: BackupId, tools: KindContext, repository: Repository) -> Iterator[None]:
    """Keep in the repository that a backup is damaged, where that shows while it is used."""
    try:
        yield
    except Corrupt as error:
        _note(backup, _in_words(backup, error), tools, repository)
        raise


def _caveats(backup: BackupId, repository: Repository, kind: Kind) -> set[str]:
    manifest = repository.manifest(backup).manifest
    return {f"{backup.timestamp}: {words}" for words in kind.caveats(manifest)}


def _note(backup: BackupId, problem: str, tools: KindContext, repository: Repository) -> None:
    with suppress(RepositoryError):  # one that can only be read is verified all the same
        repository.note(Inspection(backup, tools.clock(), problem))


def _in_words(backup: BackupId, error: Corrupt, file: str = "") -> str:
    """Name the backup and the file, in one line."""
    words = " ".join(error.message.split())
    if words.startswith(str(backup)):
        return words
    return ": ".join(filter(None, (str(backup), file, words)))


def _problem(backup: BackupId, tools: KindContext, repository: Repository, kind: Kind) -> str:
    """Say what is wrong with a backup; empty when nothing is. Each of its files is read once."""
    tools.tell(Phased(f"reading {backup.timestamp}"))
    files = _ReadFiles(repository, backup, tools)
    try:
        manifest = repository.manifest(backup).manifest
        kind.examine(manifest, files)
        for stored in manifest.files:
            if stored.name not in files.read:
                with files.open(stored.name) as chunks:
                    for _ in chunks:
                        pass
    except NoSuchBackup:
        raise
    except Corrupt as error:
        return _in_words(backup, error, files.last)
    return ""


@define
class _ReadFiles:
    """The files of one backup: which were read to their end, and which was opened last."""

    _repository: Repository
    _backup: BackupId
    _tools: KindContext
    read: set[str] = field(factory=set)
    last: str = "manifest.json"

    @contextmanager
    def open(self, name: str) -> Iterator[Iterator[bytes]]:
        if name not in {stored.name for stored in self._repository.manifest(self._backup).manifest.files}:
            raise Corrupt(f"does not list {name}")
        self.last = name
        with self._repository.open_file(self._backup, name) as chunks:
            yield self._counted(name, chunks)

    def checkpoint(self) -> None:
        self._tools.checkpoint()

    def _counted(self, name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._tools.tell(Transferred(len(chunk)))
            yield chunk
        self.read.add(name)
