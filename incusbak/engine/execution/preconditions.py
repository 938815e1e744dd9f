"""Whether what a plan relied on still holds, right before its steps."""

from collections.abc import Mapping

from ...errors import NoSuchBackup, StalePlan
from ...model.actions import Prune
from ...model.documents import Json
from ...model.plans import Absent, Exists, HasBackups, HasCopies, HasManifest, HasRecord, Step, Unchanged
from ...model.refs import ResourceRef
from .context import ExecutionContext
from .copy import check_source
from .remove import check_not_pinned

Definitions = Mapping[ResourceRef, Json]
"""How resources were defined when the plan was checked as a whole."""


def check(step: Step, context: ExecutionContext, *, known: Definitions | None = None) -> Definitions:
    """Check everything a step expects.

    Args:
        known: while the plan is carried out. Its earlier steps may have restarted a resource or changed
            its profiles, which gives it another ETag: what must not have changed is its definition.

    Returns:
        The definitions of the resources that must be unchanged.

    Raises:
        StalePlan: what is not as it was planned for, a line each.
    """
    broken: list[str] = []
    seen: dict[ResourceRef, Json] = {}
    for expectation in step.expects:
        try:
            if isinstance(expectation, Unchanged):
                seen |= _check_unchanged(expectation, context, known or {})
            else:
                _check_one(expectation, context)
        except StalePlan as error:
            broken.append(error.message)
    try:
        if isinstance(step.action, Prune):
            check_not_pinned(step.action, context.repository.catalog())
    except StalePlan as error:
        broken.append(error.message)
    if broken:
        raise StalePlan("\n".join(broken))
    return seen


def _check_one(
    expectation: Exists | Absent | HasManifest | HasBackups | HasCopies | HasRecord, context: ExecutionContext
) -> None:
    match expectation:
        case Exists(ref=ref, identity=identity):
            _require(_identity(context, ref) == identity, f"{ref} is not the one the plan was made for")
        case Absent(ref=ref):
            _require(context.inspect(ref) is None, f"{ref} exists by now")
        case HasManifest(backup=backup, sha256=sha256):
            try:
                stored = context.repository.manifest(backup)
            except NoSuchBackup as error:
                raise StalePlan(f"{backup} is gone") from error
            _require(stored.sha256 == sha256, f"the manifest of {backup} has changed")
        case HasBackups(backups=backups, sound=sound):
            catalog = context.repository.catalog(context.tools.clock())
            gone = [backup for backup in backups if backup not in catalog.of(backup.ref)]
            _require(not gone, f"{', '.join(map(str, gone))} is not there any more")
            bad = [backup for backup in sound if catalog.health(backup).damaged]
            _require(not bad, f"{', '.join(map(str, bad))} was found damaged")
        case HasCopies(source=source):
            check_source(expectation, context.others(source.uri))
        case HasRecord(record=record):
            journal = context.tools.journal
            known = {each.id for each in journal.leftovers()} | {e.record.id for e in journal.quarantined()}
            _require(record in known, f"the leftover {record} has been dealt with")


def _check_unchanged(expected: Unchanged, context: ExecutionContext, known: Definitions) -> Definitions:
    ref = expected.ref
    resource = context.inspect(ref)
    if resource is None:
        raise StalePlan(f"{ref} is gone")
    if kind := context.kinds.get(ref.kind):
        _require(kind.identity(resource.document) == expected.identity, f"{ref} is another one by now")
        _require(kind.generation(resource.document) == expected.generation, f"{ref} was put back in time")
    names = tuple(str(snapshot["name"]) for snapshot in resource.snapshots)
    _require(names == expected.snapshots, f"the snapshots of {ref} have changed")
    seen = {ref: kind.comparable(resource.document)} if kind else {}
    is_same = ref in known and seen[ref] == known[ref]
    _require(resource.etag == expected.etag or is_same, f"the configuration of {ref} has changed")
    more = set(resource.stops) - set(expected.stops)
    _require(not more, f"{ref} is used by {', '.join(sorted(map(str, more)))}, which runs by now")
    return seen


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StalePlan(otherwise)


def _identity(context: ExecutionContext, ref: ResourceRef) -> str | None:
    resource = context.inspect(ref)
    return None if resource is None else context.kinds[ref.kind].identity(resource.document)
