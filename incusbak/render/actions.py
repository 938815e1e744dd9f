"""What a step does, in words."""

import shlex
from collections.abc import Sequence

from ..model.actions import (
    Accept,
    Action,
    BackUp,
    Copy,
    Create,
    Delete,
    Discard,
    Pin,
    Prune,
    Purge,
    Recover,
    Rehearse,
    Replace,
    Restore,
    Undelete,
    Update,
    Verify,
)
from ..model.backups import Compression, ExportOptions
from ..model.goals import RestoreOptions
from ..model.plans import Stay
from ..model.policies import Hooks, Identity
from ..model.refs import BackupId, ResourceRef
from ..plain_text import printable
from .wording import brief_duration


def deed(action: Action) -> tuple[str, str]:
    """The symbol of what is done, as OpenTofu's, and the words for it."""
    match action:
        case BackUp():
            return "+", "back up"
        case Copy(backups=backups):
            return "+", f"copy {_count(backups)}"
        case Verify(backups=backups, whole=True):
            return "<=", f"read {_count(backups)} again from end to end"
        case Verify(backups=backups):
            return "<=", f"look at {_count(backups)}"
        case Rehearse(backup=backup):
            what = backup.timestamp if backup else "the backup that was made"
            return "<=", f"rehearse {what}: bring it up aside, probe it, remove it"
        case Prune(backups=backups):
            return "-", f"remove {_count(backups)}"
        case Pin(backup=backup, pinned=pinned):
            return "~", f"{'keep' if pinned else 'no longer keep'} {backup.timestamp} whatever the rules say"
        case Accept(backup=backup):
            return "~", f"take {backup.timestamp} for what it shall be, though it holds next to nothing"
        case Undelete(backup=backup):
            return "+", f"take back the removal of {backup.timestamp}"
        case Purge(backups=backups):
            return "-", f"delete {_count(backups)} for good"
        case Restore(source=source, to=to):
            return "+", f"restore from {_source(source, to)}"
        case Replace(source=source, to=to):
            return "-/+", f"replace from {_source(source, to)}"
        case Recover():
            return "~", "finish or undo what a killed run left"
        case Discard():
            return "-", "remove a temporary resource"
        case Create(source=source):
            return "+", f"create as in {printable(source.address)}"
        case Update(source=source):
            return "~", f"change to what {printable(source.address)} holds"
        case Delete():
            return "-", "delete"


def _count(backups: Sequence[BackupId]) -> str:
    return f"{len(backups)} backup{'' if len(backups) == 1 else 's'}"


def _source(source: BackupId, to: ResourceRef) -> str:
    return printable(source.timestamp if source.ref == to else source.address)


def untouched(stay: Stay) -> str:
    """Say that a volume stays as it is, and how that would be otherwise."""
    if stay.backup is None:
        return f"{stay.ref} stays as it is: there is no good backup of that time or before"
    backup = stay.backup.timestamp if stay.backup.ref == stay.ref else stay.backup.address
    return f"{stay.ref} stays as it is; --volumes all (in a policy: volumes) brings {backup} back"


def settings(action: Action) -> list[str]:
    """How it is done, where that is not as usual."""
    match action:
        case BackUp(options=options, hooks=hooks):
            return [*_export_settings(options), *_hooks(hooks)]
        case Rehearse(probe=probe, timeout_seconds=timeout_seconds):
            return [_probes(probe, timeout_seconds)]
        case Prune(backups=backups, keep=keep):
            return [
                *(f"removes {backup.timestamp}" for backup in backups),
                *(f"keeps {each.backup.timestamp} ({', '.join(each.reasons)})" for each in keep),
            ]
        case Copy(backups=backups) | Purge(backups=backups):
            return [backup.timestamp for backup in backups]
        case Restore(options=options) | Replace(options=options):
            return _restore_settings(options)
        case _:
            return []


def _export_settings(options: ExportOptions) -> list[str]:
    settings = []
    if not options.snapshot:
        settings.append("from the moving tree, not a point in time")
    if options.optimized:
        settings.append("in the storage driver's own format")
    if options.compression is not Compression.ZSTD:
        settings.append(f"compression {options.compression.value}")
    return settings


def _hooks(hooks: Hooks) -> list[str]:
    """Say what is run inside of an instance."""
    ways = (("before", hooks.before), ("after", hooks.after))
    return [
        f"{when} it runs {', '.join(shlex.join(command) for command in commands)}"
        for when, commands in ways
        if commands
    ]


def _probes(probe: Sequence[Sequence[str]], timeout_seconds: int) -> str:
    if not probe:
        return "it must start and go on running"
    return f"within {brief_duration(timeout_seconds)} it must pass {', '.join(map(shlex.join, probe))}"


def _restore_settings(options: RestoreOptions) -> list[str]:
    settings = []
    if options.pool:
        settings.append(f"to the pool {options.pool}")
    for what in ("pools", "networks", "projects", "profiles"):
        renamed = getattr(options.maps, what)
        settings += [f"{what[:-1]} {old} becomes {renamed[old]}" for old in sorted(renamed)]
    if options.identity is Identity.REGENERATE:
        settings.append("gets a new identity")
    settings += [f"without its device {name}" for name in options.without_devices]
    settings += [f"without the alias {a.name} (project {a.project})" for a in options.without_aliases]
    settings += [f"takes the alias {a.name} (project {a.project}) over" for a in options.takes_aliases]
    if not options.start:
        settings.append("left stopped")
    return settings
