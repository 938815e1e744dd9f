"""From the command line to a plan file, and plan files on disk."""

import fnmatch
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from .. import __version__, codec
from ..engine.observation.evidence import gather
from ..engine.observation.inventory import with_volumes
from ..engine.planning.planner import make_plan, summarize
from ..engine.planning.validation import Known, flaws, too_deep
from ..engine.planning.world import PlanContext, World
from ..engine.resumption import finished, unreported
from ..engine.selection.expectations import judge, unmatched_maps, unmatched_only
from ..engine.selection.policy import Selection, only_goals, only_missed, select_goals
from ..engine.selection.stored import documents_to_read
from ..errors import Corrupt, PlanFormatError, RepositoryError
from ..kinds import ENTITIES, KINDS
from ..model.actions import Discard, Recover
from ..model.backups import Catalog, RepositoryIdentity
from ..model.documents import Json
from ..model.facts import Evidence
from ..model.goals import Goal, Restored
from ..model.inventory import Inventory
from ..model.plans import Meta, PlanFile, ServerIdentity
from ..model.policies import Policy, PolicyFile
from ..model.refs import BackupId
from ..render import printable
from .complaints import about
from .offline import check_there
from .output import put_out
from .session import Session

_LONGEST_VERSION = 20
_PLAN_COLUMNS, _WIDEST_PLAN = 80, 120

Choose = Callable[[Inventory, Catalog], Selection]
"""Say what shall be true, given what there is, and what that leaves out."""


def choose_by(policy: Policy, session: Session) -> Choose:
    """Make the choice that a policy's rules make."""

    def choose(inventory: Inventory, catalog: Catalog) -> Selection:
        if policy.restore and not policy.protect:
            check_there(session, catalog)
        asked = documents_to_read(policy, inventory, catalog, kinds=session.kinds)
        damaged: dict[BackupId, str] = {}
        selection = select_goals(
            policy,
            inventory,
            catalog,
            kinds=session.kinds,
            documents=read_documents(session, asked, damaged),
        )
        return evolve(selection, damaged=damaged)

    return choose


def read_documents(
    session: Session, backups: Iterable[BackupId], damaged: dict[BackupId, str] | None = None
) -> dict[BackupId, Json]:
    """Read what manifests say of their resources; one that can't be read is passed over with a warning.

    Args:
        damaged: takes those that are damaged, if somebody else is to tell of them.
    """
    found: dict[BackupId, Json] = {}
    for backup in sorted(backups):
        try:
            found[backup] = session.repository.manifest(backup).manifest.captured.resource
        except Corrupt as error:
            if damaged is None:
                session.warn(about(backup, error.message))
            else:
                damaged[backup] = error.message
        except RepositoryError as error:  # it is not known to match, so a rule leaves it out
            session.warn(about(backup, error.message))
    return found


def make_plan_file(
    session: Session,
    choose: Choose,
    *,
    policies: tuple[PolicyFile, ...] = (),
    only: str = "*",
    kinds: Collection[str] = (),
    goes_on: str = "",
) -> PlanFile:
    """Observe, choose goals, plan.

    Args:
        kinds: what to look at on the server; all kinds if empty.
        goes_on: the key of the interrupted runs to go on with, if any.
    """
    looked_at = {name: kind for name, kind in session.kinds.items() if not kinds or name in kinds}
    catalog = session.catalog()
    inventory, now = session.observe(looked_at), session.clock()
    seen = _Seen(inventory, catalog, sees_volumes="volume" in looked_at)
    chosen = _choose(session, choose, seen, only=only, now=now)
    selection = chosen.selection
    world = World(
        chosen.inventory,
        chosen.catalog,
        chosen.evidence,
        session.kinds,
        now,
        session.entities,
        sensitive=selection.sensitive,
        finished=finished(session.journal.unfinished(), goes_on, catalog.repository_id, now),
    )
    asked = {goal.ref.address for goal in chosen.goals}
    covered = len(asked.union(fnmatch.filter(selection.addresses, only)))
    origin = _origin(session, chosen.catalog, selection, policies, covered=covered)
    plan = make_plan(chosen.goals, world, origin)
    meta = Meta(created=now.strftime("%Y-%m-%dT%H:%M:%SZ"), tool_version=__version__)
    return PlanFile(meta=meta, digest=codec.digest(plan), plan=plan)


@frozen
class _Seen:
    """What there is; of volumes only that they are used, where nobody asked for them."""

    inventory: Inventory
    catalog: Catalog
    sees_volumes: bool


@frozen
class _Chosen:
    """What is asked for, and what was seen that it can be planned from."""

    selection: Selection
    goals: tuple[Goal, ...]
    inventory: Inventory
    catalog: Catalog
    evidence: Evidence


def _choose(session: Session, choose: Choose, seen: _Seen, *, only: str, now: datetime) -> _Chosen:
    """Choose goals and read what they need; again, as long as that finds damage that nobody knew."""
    inventory, catalog = seen.inventory, seen.catalog
    damaged: dict[BackupId, str] = {}
    while True:
        selection = choose(inventory, catalog)
        goals = only_goals(selection.goals, only)
        if any(isinstance(goal, Restored) for goal in goals) and not seen.sees_volumes:
            inventory = with_volumes(session.server, inventory)
        evidence = _evidence(session, goals, inventory, catalog, now=now)
        found = {**selection.damaged, **evidence.damaged}
        if found.keys() <= damaged.keys():
            break
        damaged |= found
        catalog = catalog.knowing(found)
    found_wrong = judge(_unmatched(session, selection, goals, evidence, only), selection.expect.unmatched)
    selection = evolve(
        selection,
        warnings=(*selection.warnings, *damaged.values(), *found_wrong.warnings),
        unmet=(*selection.unmet, *found_wrong.unmet),
        missed=only_missed(selection.missed, only, session.kinds),
    )
    return _Chosen(selection, goals, inventory, catalog, evidence)


def _unmatched(
    session: Session, selection: Selection, goals: Sequence[Goal], evidence: Evidence, only: str
) -> tuple[str, ...]:
    """Say what was named besides rules and matches nothing: by --only, by maps."""
    manifests, entities = evidence.manifests, session.entities
    if only != "*":  # maps may be for what it leaves out
        named = (*selection.addresses, *(goal.ref.address for goal in selection.goals))
        known = (*named, *(missed.address for missed in selection.missed))
        return unmatched_only(only, known, goals, manifests, entities)
    return tuple(unmatched_maps(goals, manifests, session.kinds, entities))


def only_steps(plan_file: PlanFile, *, cleaning: bool) -> PlanFile:
    """Take the steps that clean up, or all others, as a plan of their own."""
    plan = plan_file.plan
    steps = [step for step in plan.steps if isinstance(step.action, Recover | Discard) == cleaning]
    kept = {step.id for step in steps}
    steps = [evolve(step, after=tuple(id for id in step.after if id in kept)) for step in steps]
    missed = () if cleaning else plan.missed
    plan = evolve(plan, steps=tuple(steps), missed=missed, summary=summarize(steps))
    return evolve(plan_file, plan=plan, digest=codec.digest(plan))


def _evidence(
    session: Session, goals: Iterable[Goal], inventory: Inventory, catalog: Catalog, *, now: datetime
) -> Evidence:
    return gather(
        goals,
        api=session.server,
        repository=session.repository,
        inventory=inventory,
        catalog=catalog,
        kinds=session.kinds,
        entities=session.entities,
        now=now,
        unreported=unreported(session.journal.unfinished(), session.repository, catalog.repository_id, now),
    )


def _origin(
    session: Session,
    catalog: Catalog,
    selection: Selection,
    policies: tuple[PolicyFile, ...],
    *,
    covered: int,
) -> PlanContext:
    return PlanContext(
        server=_server_identity(session),
        repository=RepositoryIdentity(catalog.repository_id, session.repository.uri),
        policies=policies,
        drift=selection.drift,
        warnings=selection.warnings,
        blocks=selection.blocks,
        unmet=selection.unmet,
        covered=covered,
        missed=selection.missed,
        guards=selection.guards,
    )


def _server_identity(session: Session) -> ServerIdentity:
    info = session.server_info
    return ServerIdentity(info.fingerprint, info.name, session.server.remote_name)


def load_plan(text: bytes, source: str) -> PlanFile:
    """Read a plan file and see that it is as it was written.

    Raises:
        PlanFormatError: see there.
    """
    try:
        data = codec.load(text, dict[str, Any])
        if data.get("format_version") != 1:
            version = repr(data.get("format_version"))[:_LONGEST_VERSION]
            raise codec.BadDocument(f"$.format_version: plan format {version}, this version reads 1")
        plan_file = codec.from_data(data, PlanFile)
    except codec.BadDocument as error:
        raise _no_plan(source, str(error)) from error
    plan = plan_file.plan
    if flaw := next(too_deep(plan), ""):
        raise _no_plan(source, flaw)
    if codec.digest(plan) != plan_file.digest:
        raise _no_plan(source, "$.digest: was edited after it was written: its digest does not match")
    if found := "; ".join(flaws(plan, Known(KINDS, ENTITIES))):
        raise _no_plan(source, found)
    if summarize(plan.steps) != plan.summary:
        raise _no_plan(source, "$.plan.summary: does not count the steps that the plan has")
    return plan_file


def _no_plan(source: str, reason: str) -> PlanFormatError:
    return PlanFormatError(f"{source}: {printable(reason)}")


def save_plan(plan_file: PlanFile, path: str) -> None:
    """Write a plan durably, in one step; what is no regular file is left as it is."""
    put_out(codec.dump(plan_file), path)


def use_colour(*, err: bool = False) -> bool:
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR")


def columns(*, err: bool = False, otherwise: int = 0) -> int:
    """How wide the terminal is; ``otherwise`` where there is none."""
    stream = sys.stderr if err else sys.stdout
    return shutil.get_terminal_size().columns if stream.isatty() else otherwise


def plan_columns(*, err: bool = False) -> int:
    """How wide plans are: as the terminal, but not so wide that nobody can read them."""
    return min(columns(err=err, otherwise=_PLAN_COLUMNS), _WIDEST_PLAN)
