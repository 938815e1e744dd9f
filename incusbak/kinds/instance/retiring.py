"""Remove the instance that was replaced, unless it may be needed still."""

from ...errors import ServerError
from ...model.documents import Json
from ...model.records import Phase, Restoration
from ...model.refs import ResourceRef, instance_ref
from ...ports import KindContext
from ..common.cleanup import mention
from ..common.marks import BY, RUN
from . import dependent_volumes, lifecycle


def aside_of(record: Restoration) -> ResourceRef:
    return instance_ref(record.ref.project, record.aside)


def by_hand(verb: str, ref: ResourceRef, *more: str) -> str:
    return " ".join(["incus", verb, ref.name, *more, "--project", ref.project])


def is_old_one(document: Json | None, record: Restoration) -> bool:
    """Whether this is the instance to be replaced; the new one has the same uuid, but a mark."""
    if document is None or record.victim is None or lifecycle.mark(document, RUN):
        return False
    same = lifecycle.uuid(document) == lifecycle.uuid(record.victim)
    return same and lifecycle.mark(document, BY) in ("", record.id)


def retire(tools: KindContext, record: Restoration) -> None:
    """Remove the old one with its volumes, unless it may be needed still."""
    aside = aside_of(record)
    if is_old_one(lifecycle.find(tools.api, aside), record):
        if is_kept_for(tools, record):
            raise ServerError(
                f"it is kept as {aside.name}, since {record.ref} does not run",
                hint=f"when it is needed no more: `{by_hand('delete --force', aside)}`",
            )
        mention(tools, "removing the replaced one")
        lifecycle.remove(tools.api, aside)
    dependent_volumes.retire(tools, record)


def is_kept_for(tools: KindContext, record: Restoration) -> bool:
    """Whether the new one does not run that should, so that the old one may be needed."""
    new = lifecycle.find(tools.api, record.ref)
    may_be_needed = record.start and record.phase is not Phase.RETIRING
    return may_be_needed and not (new and lifecycle.is_running(new))
