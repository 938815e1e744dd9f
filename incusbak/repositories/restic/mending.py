"""What new backups share with earlier ones must be there: restic believes its index, and never looks.

A listing tells of packs that are lost, cut or overgrown. Of bytes that changed within a pack only ``verify``
knows: once it has found some, what is stored is read again before it counts.
"""

import threading
from collections.abc import Iterable, Mapping

from ...errors import Corrupt
from ...model.backups import StoredFile
from ...model.refs import BackupId
from ...model.results import Phased, Transferred
from ...ports import Tell
from ..reading import verified
from .content import Content, is_distrusted
from .snapshots import Snapshot
from .store import Store

_HEAL = (
    "`restic check --read-data` names the packs that are damaged, `restic repair packs ID` takes them out of "
    "use (before restic 0.16: move data/??/ID away, then `restic rebuild-index`); then back up again"
)


class Mender:
    """Keeps new backups from sharing what is lost."""

    def __init__(self, store: Store, content: Content) -> None:
        self._store, self._content = store, content
        self._looking = threading.Lock()
        self._seen_for = 0

    def look(self) -> str:
        """Compare index and packs, once while the repository is held, and mend one that promises too much.

        Returns:
            What was wrong, told to the first one who asks; empty if nothing was.

        Raises:
            Corrupt: that did not mend it.
            RepositoryLocked: others are at work, so that it can't be mended.
        """
        with self._looking:
            if self._content.is_held and self._seen_for == self._content.holding:
                return ""
            found = self._store.broken_promises()
            if found:
                self._store.mend_index()
                self._refuse(self._store.broken_promises())
            self._seen_for = self._content.holding
        return _told(found)

    def _refuse(self, left: Iterable[str]) -> None:
        if some := "; ".join(sorted(left)[:3]):
            raise Corrupt(
                f"{self._store.place.uri}: the index can't be mended, new backups would rely on it: {some}",
                hint="see what `restic check` says of it",
            )

    def proved(self, backup: BackupId, files: Mapping[StoredFile, Snapshot], tell: Tell) -> bool:
        """Read again what was stored where earlier backups are known to be damaged; tell whether that was so.

        Raises:
            Corrupt: it shares what is damaged.
        """
        if not is_distrusted(self._content.known()):
            return False
        tell(Phased(f"reading {backup} again, as others here are damaged"))
        for stored, snapshot in files.items():
            self._read(backup, stored, snapshot, tell)
        return True

    def _read(self, backup: BackupId, stored: StoredFile, snapshot: Snapshot, tell: Tell) -> None:
        try:
            with self._store.reading(snapshot, stored.name, f"{backup}: {stored.name}") as chunks:
                for chunk in verified(backup, stored, chunks):
                    tell(Transferred(len(chunk)))
        except Corrupt as error:
            message = f"{error.message}; it shares that with earlier backups, so it is not kept"
            raise Corrupt(message, hint=_HEAL) from error


def _told(found: frozenset[str]) -> str:
    if not found:
        return ""
    some = "; ".join(sorted(found)[:3]) + ("; …" if len(found) > 3 else "")
    return (
        f"the repository had lost data ({some}): its index was mended, so that new backups rely on none of "
        "it; `incus-backup verify` tells which earlier ones did"
    )
