"""What restores of all kinds do with their journal records, and how they check what the server imported."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from attrs import evolve

from ...errors import IncusbakError, OperationFailed, Refused
from ...model.backups import Manifest
from ...model.inventory import Resource
from ...model.records import ImageImport, Phase, Restoration, VolumeRestoration
from ...model.refs import ResourceRef
from ...ports import KindContext
from ..archive.definitions import NO_NAMES, Names
from ..archive.renaming import is_above
from .attempts import Attempts
from .cleanup import begun
from .paths import path

R = TypeVar("R", Restoration, VolumeRestoration)
S = TypeVar("S", Restoration, VolumeRestoration, ImageImport)


def advance(tools: KindContext, record: R, phase: Phase) -> R:
    """Write down that the next phase begins, before anything of it is done."""
    record = evolve(record, phase=phase)
    tools.journal.write(record)
    return record


def retire(tools: KindContext, record: S, finish: Callable[[KindContext, S], object]) -> None:
    """Tidy up after what is in its place; if that fails, nothing is undone any more."""
    try:
        with begun():
            finish(tools, record)
    except IncusbakError as error:
        error.message = f"{record.ref} is restored, but not all is tidied up yet: {error.message}"
        error.hint = error.hint or "the next run finishes that"
        raise


def retire_alone(tools: KindContext, record: R, remove: Callable[[KindContext, R], object]) -> str:
    """Remove the old one, whatever has become of the new one since that was as it shall be.

    Raises:
        ServerError: not possible now; the record stays for another try.
    """
    attempts = Attempts()
    with attempts.at("removing the replaced one"):
        remove(tools, record)
    attempts.check()
    tools.journal.remove(record.id)
    return f"removed what {record.ref} replaced"


def name_snapshots(tools: KindContext, ref: ResourceRef, names: Names) -> Names:
    """Give snapshots the names back that they could not have on the way.

    Args:
        names: what they were called, and are called for now.

    Returns:
        Those of them that the server does not take, and those that it would lose others by.
    """
    kept = {}
    for name, now in names.items():
        if is_above(name):
            kept[name] = now
            continue
        try:
            tools.api.create(path(ref, "snapshots", now), {"name": name}, project=ref.project)
        except Refused:
            kept[name] = now
    return kept


def told_names(kept: Names) -> Iterator[str]:
    """Say which snapshots are called otherwise than they were."""
    for name, now in kept.items():
        why = "that is where all of them lie" if is_above(name) else "the server takes no such name"
        yield f"its snapshot {name!r} is called {now!r}, since {why}"


def check_whole(
    manifest: Manifest, imported: Resource | None, *, what: str, called: Names = NO_NAMES
) -> None:
    """See that the server took over all that was backed up.

    Args:
        what: the kind in words.
        called: snapshots that have other names for now.

    Raises:
        OperationFailed: it did not.
    """
    names = {snapshot["name"] for snapshot in imported.snapshots} if imported else set()
    missing = {
        s["name"] for s in manifest.captured.snapshots if called.get(s["name"], s["name"]) not in names
    }
    if imported is None or missing:
        without = f"snapshots {', '.join(sorted(missing))}" if imported else what
        raise OperationFailed(f"the server imported {manifest.id} without {without}")
