"""Make an entity of the configuration, and finish one that a killed run had only begun."""

from collections.abc import Mapping
from contextlib import suppress
from secrets import token_hex

from ...errors import IncusbakError, ServerError, StalePlan
from ...model.actions import Recover
from ...model.documents import Json
from ...model.records import EntityCreation
from ...model.refs import ResourceRef
from ...model.results import StepResult
from ...ports import Entity, KindContext


def create_entity(tools: KindContext, entity: Entity, ref: ResourceRef, wanted: Json) -> None:
    """Make it whole, or leave a record where a part of it may be there."""
    record = EntityCreation(token_hex(6), ref, wanted)
    tools.journal.write(record)
    try:
        entity.create(tools.api, ref, wanted)
    except IncusbakError:
        with suppress(ServerError):
            if entity.inspect(tools.api, ref) is None:
                tools.journal.remove(record.id)
        raise
    tools.journal.remove(record.id)


def recover_entity(action: Recover, tools: KindContext, entity: Entity) -> StepResult:
    """Finish what was begun, if nobody has changed it.

    Raises:
        StalePlan: another run does.
    """
    record = tools.journal.take_over(action.record)
    if not isinstance(record, EntityCreation):
        raise StalePlan(f"another run deals with the leftover {action.record}")
    note = _finished(tools, entity, record)
    tools.journal.remove(record.id)
    return StepResult(note=note)


def _finished(tools: KindContext, entity: Entity, record: EntityCreation) -> str:
    ref = record.ref
    seen = entity.inspect(tools.api, ref)
    if seen is None:
        return f"{ref} was not made"
    present, wanted = entity.comparable(seen.document), entity.comparable(record.wanted)
    if present == wanted:
        return f"{ref} was made"
    if not is_begun(present, wanted):
        return f"{ref} is not as it was made: it is left as it is"
    entity.update(tools.api, ref, record.wanted, etag=seen.etag)
    return f"finished {ref}"


def is_begun(present: Json, wanted: Json) -> bool:
    """Whether something is as the first of two requests leaves it.

    That says all that is wanted, to which the server adds something of its own, but lists may lack what names
    the thing itself.
    """
    return present.keys() == wanted.keys() and all(_is_part(present[key], wanted[key]) for key in wanted)


def _is_part(present: object, wanted: object) -> bool:
    if isinstance(present, Mapping) and isinstance(wanted, Mapping):
        return wanted.items() <= present.items()
    if isinstance(present, list) and isinstance(wanted, list):
        return all(each in wanted for each in present)
    return present == wanted
