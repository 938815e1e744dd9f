"""Goals: what shall be true of one resource. Policies and imperative commands both come down to these."""

from datetime import datetime, timedelta

from attrs import field, frozen

from .backups import ExportWishes, RepositoryIdentity
from .policies import Hooks, Identity, IfPresent, Keep, Latest, Maps, Version, Volumes
from .refs import CONFIG, BackupId, ResourceRef


@frozen
class BackedUp:
    """A backup exists that is not older than ``max_age``; None: make one now.

    ``hooks``: what is run inside of an instance.
    """

    ref: ResourceRef
    max_age: timedelta | None
    options: ExportWishes
    hooks: Hooks = field(factory=Hooks)


@frozen
class Verified:
    """Every backup was read again from end to end not longer than ``max_age`` ago; None: read them now.

    A backup that is younger than that needs it not yet. ``only``: of these backups. ``whole`` false: their
    manifests and the beginnings of their files will do.
    """

    ref: ResourceRef
    max_age: timedelta | None
    only: frozenset[BackupId] | None = None
    whole: bool = True


@frozen
class Rehearsed:
    """A backup was brought up, probed and removed not longer than ``max_age`` ago; None: do it now.

    ``source`` None: the newest good one. ``probe``: commands that must succeed inside, all of them within
    ``timeout_seconds`` of the start; none: it must go on running.
    ``passed_over``: see ``Restored``.
    """

    ref: ResourceRef
    max_age: timedelta | None
    probe: tuple[tuple[str, ...], ...] = ()
    timeout_seconds: int = 300
    source: BackupId | None = None
    passed_over: tuple[BackupId, ...] = ()


@frozen
class Retained:
    """Of the backups there are those that ``keep`` wants, by the calendar of ``timezone``, and no others.

    ``purge``: what was removed is deleted for good at once, without its time of grace.
    """

    ref: ResourceRef
    keep: Keep
    timezone: str = "UTC"
    purge: bool = False


@frozen
class Copied:
    """``backups`` of another repository are in this one as well; ``size_bytes``: of all, as far as known."""

    ref: ResourceRef
    backups: tuple[BackupId, ...]
    source: RepositoryIdentity
    size_bytes: int


@frozen
class Marked:
    """A backup is pinned, or is not."""

    ref: ResourceRef
    backup: BackupId
    pinned: bool


@frozen
class Accepted:
    """A person says that a backup which holds much less than those before it is right."""

    ref: ResourceRef
    backup: BackupId


@frozen
class Undeleted:
    """A removed backup is there again."""

    ref: ResourceRef
    backup: BackupId


@frozen(order=True)
class Alias:
    """A second name, of which there is one in a project: that of an image."""

    project: str
    name: str


@frozen
class RestoreOptions:
    """How to bring back. ``pool`` empty: the original's, mapped. ``start``: if it ran, it shall run again.

    ``project``: of what was in several projects (images), bring back only what was in this one; empty: all.
    ``without_devices``: devices of an instance that are left out. ``without_aliases``: what another one has
    or gets; ``takes_aliases``: what another one has, and gives up once this one is whole.
    """

    pool: str = ""
    maps: Maps = field(factory=Maps)
    identity: Identity = Identity.AUTO
    start: bool = True
    project: str = ""
    without_devices: tuple[str, ...] = ()
    without_aliases: tuple[Alias, ...] = ()
    takes_aliases: tuple[Alias, ...] = ()


@frozen
class Restored:
    """``ref`` is on the server as ``source`` holds it.

    ``insist``: restore now, even if the last restore of ``ref`` was from the same backup. ``version``:
    by which the source was chosen; None where none did. ``passed_over``: newer ones that would have been
    chosen, were they not known to be damaged. ``volumes``: which of those that it
    uses come with it.
    """

    ref: ResourceRef
    source: BackupId
    if_present: IfPresent
    options: RestoreOptions
    insist: bool = False
    version: Version | None = None
    passed_over: tuple[BackupId, ...] = ()
    volumes: Volumes = Volumes.MISSING

    def is_moving(self, now: datetime) -> bool:
        """Whether the next backup of the same will be the source."""
        return isinstance(self.version, Latest) and (self.version.before or now) >= now


@frozen
class Configured:
    """The server's configuration is as ``source`` holds it, entity by entity.

    ``only``: globs of entities' addresses; with ``insist``, names and patterns that must each mean one, or
    exclude with ``!``. ``if_present`` is about entities that are there and differ.
    ``prune``: entities the backup does not know are deleted. ``passed_over``: see ``Restored``.
    """

    source: BackupId
    if_present: IfPresent
    options: RestoreOptions
    only: tuple[str, ...] = ("*",)
    prune: bool = False
    ref: ResourceRef = CONFIG
    passed_over: tuple[BackupId, ...] = ()
    insist: bool = False


Marking = Marked | Accepted | Undeleted
Goal = BackedUp | Copied | Verified | Rehearsed | Retained | Marking | Restored | Configured
