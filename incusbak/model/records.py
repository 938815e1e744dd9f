"""Journal records: what a run is about to make that must not outlive it.

A record is written before the thing it names exists and removed after the thing is gone, so whatever
a killed run left is named by a record, and the next run can finish or undo it.
"""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from .documents import Json
from .policies import Hooks
from .refs import BackupId, ResourceRef


class Phase(StrEnum):
    """How far a restore got."""

    IMPORTING = "importing"
    """Only the new instance is being made; the old one, if any, is untouched."""
    SWAPPING = "swapping"
    """The old one is being stopped and set aside, the new one put in its place."""
    COMPLETE = "complete"
    """The new one is whole and in its place; what is left is to retire the old one."""
    RETIRING = "retiring"
    """The new one was seen to be as it shall be: what becomes of it from now on is nobody's here."""


@frozen
class ScratchExport:
    """A backup staged by the server; removed by name from its instance or volume."""

    id: str
    ref: ResourceRef
    name: str


@frozen
class ScratchInstance:
    """A temporary copy of ``source`` that is exported and removed.

    ``source_was_frozen`` tells whether the user had frozen the source before the copy: if not, and the
    server died while it held it frozen, the next run unfreezes it.
    """

    id: str
    ref: ResourceRef
    source: ResourceRef
    source_was_frozen: bool = False


@frozen
class ScratchRestore:
    """What is brought up from the backup ``source`` for a rehearsal, and removed."""

    id: str
    ref: ResourceRef
    source: BackupId


@frozen
class Restoration:
    """An instance on its way in, maybe in place of another.

    ``temporary``/``aside`` are the names used on the way (same project as ``ref``). ``victim`` is the full
    document of the instance being replaced, None when the name was free. ``start``: the new one shall run;
    ``frozen``: and then stand still, as it did when it was backed up.
    ``source``: the address of the backup it comes from. ``volumes``: all that volumes which are part of the
    new one are called on the way. ``scratch``: the project into which it is imported first, to be moved from
    there; empty where it comes in straight. ``widened``: the limit of the victim's root disk may be raised
    for the while, since the server had no room there for what it keeps itself.
    """

    id: str
    ref: ResourceRef
    temporary: str
    aside: str
    phase: Phase
    start: bool
    victim: Json | None = None
    source: str = ""
    volumes: tuple[ResourceRef, ...] = ()
    scratch: str = ""
    widened: bool = False
    frozen: bool = False


@frozen
class ScratchVolume:
    """A temporary copy of the volume ``source`` that is exported and removed.

    ``snapshot``: name of a temporary snapshot of the source, made to copy from; empty where there is none.
    ``paused``: running instances that are frozen for the last pass of the copy, and must not stay so.
    """

    id: str
    ref: ResourceRef
    source: ResourceRef
    snapshot: str = ""
    paused: tuple[ResourceRef, ...] = ()


@frozen
class VolumeUser:
    """An instance or profile with a device on a volume, as it was; ``ran``: the instance was running.

    ``widened``: as in ``Restoration``.
    """

    ref: ResourceRef
    document: Json
    ran: bool = False
    widened: bool = False


@frozen
class VolumeRestoration:
    """A volume on its way in, maybe in place of another; as ``Restoration``.

    ``users``: who uses the victim. They are stopped and their devices taken away for the swap.
    """

    id: str
    ref: ResourceRef
    temporary: str
    aside: str
    phase: Phase
    victim: Json | None = None
    users: tuple[VolumeUser, ...] = ()
    source: str = ""


@frozen
class ImageImport:
    """An image on its way into projects that did not have it."""

    id: str
    ref: ResourceRef
    projects: tuple[str, ...]


@frozen
class PendingHooks:
    """Commands that are run around a backup of ``ref``: those ``after`` it are still owed."""

    id: str
    ref: ResourceRef
    hooks: Hooks


@frozen
class EntityCreation:
    """An entity of the configuration on its way in, which may take two requests, to be as ``wanted``."""

    id: str
    ref: ResourceRef
    wanted: Json


Record = (
    ScratchExport
    | ScratchInstance
    | ScratchRestore
    | Restoration
    | ScratchVolume
    | VolumeRestoration
    | ImageImport
    | PendingHooks
    | EntityCreation
)


@frozen
class Quarantined:
    """A leftover that could not be cleaned up, and is left alone until there is a reason to try it again.

    ``why``: what the server said; ``hint``: what a person can do. ``remains``: what there was of it then, see
    ``engine.leftovers.as_seen``.
    """

    record: Record
    why: str
    hint: str
    since: datetime
    remains: str
