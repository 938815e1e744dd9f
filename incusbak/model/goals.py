"""Goals: what shall be true of one resource. Policies and imperative commands both come down to these."""

from datetime import datetime, timedelta

from attrs import field, frozen

from .backups import ExportOptions
from .policies import Hooks, Identity, IfPresent, Latest, Maps, Version
from .refs import CONFIG, BackupId, ResourceRef


@frozen
class BackedUp:
    """A backup exists that is not older than ``max_age``; None: make one now.

    ``hooks``: what is run inside of an instance.
    """

    ref: ResourceRef
    max_age: timedelta | None
    options: ExportOptions
    hooks: Hooks = field(factory=Hooks)


@frozen
class RestoreOptions:
    """How to bring back. ``pool`` empty: the original's, mapped. ``start``: if it ran, it shall run again.

    ``project``: of what was in several projects (images), bring back only what was in this one; empty: all.
    """

    pool: str = ""
    maps: Maps = field(factory=Maps)
    identity: Identity = Identity.AUTO
    start: bool = True
    project: str = ""


@frozen
class Restored:
    """``ref`` is on the server as ``source`` holds it.

    ``insist``: restore now, even if the last restore of ``ref`` was from the same backup. ``version``:
    by which the source was chosen; None if it was named.
    """

    ref: ResourceRef
    source: BackupId
    if_present: IfPresent
    options: RestoreOptions
    insist: bool = False
    version: Version | None = None

    def is_moving(self, now: datetime) -> bool:
        """Whether the next backup of the same will be the source."""
        return isinstance(self.version, Latest) and (self.version.before or now) >= now


@frozen
class Configured:
    """The server's configuration is as ``source`` holds it, entity by entity.

    ``only``: globs of entities' addresses. ``if_present`` is about entities that are there and differ.
    ``prune``: entities the backup does not know are deleted.
    """

    source: BackupId
    if_present: IfPresent
    options: RestoreOptions
    only: tuple[str, ...] = ("*",)
    prune: bool = False
    ref: ResourceRef = CONFIG


Goal = BackedUp | Restored | Configured
