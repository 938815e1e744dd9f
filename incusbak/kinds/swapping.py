"""What restores of all kinds do with their journal records, and how they check what the server imported."""

from collections.abc import Callable
from typing import TypeVar

from attrs import evolve

from ..errors import IncusbakError, OperationFailed
from ..model.backups import Manifest
from ..model.inventory import Resource
from ..model.records import ImageImport, Phase, Restoration, VolumeRestoration
from ..ports import Tools
from .tidying import begun

R = TypeVar("R", Restoration, VolumeRestoration)
S = TypeVar("S", Restoration, VolumeRestoration, ImageImport)


def advance(tools: Tools, record: R, phase: Phase) -> R:
    """Write down that the next phase begins, before anything of it is done."""
    record = evolve(record, phase=phase)
    tools.journal.write(record)
    return record


def retire(tools: Tools, record: S, finish: Callable[[Tools, S], object]) -> None:
    """Tidy up after what is in its place; if that fails, nothing is undone any more."""
    try:
        with begun():
            finish(tools, record)
    except IncusbakError as error:
        error.message = f"{record.ref} is restored, but not all is tidied up yet: {error.message}"
        error.hint = error.hint or "the next run finishes that"
        raise


def check_whole(manifest: Manifest, imported: Resource | None, *, what: str) -> None:
    """See that the server took over all that was backed up.

    Raises:
        OperationFailed: it did not; ``what`` is the kind in words.
    """
    names = {snapshot["name"] for snapshot in imported.snapshots} if imported else set()
    missing = {snapshot["name"] for snapshot in manifest.captured.snapshots} - names
    if imported is None or missing:
        without = f"snapshots {', '.join(sorted(missing))}" if imported else what
        raise OperationFailed(f"the server imported {manifest.id} without {without}")
