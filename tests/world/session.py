"""The whole tool in memory: the command line's own path over a fake server, repository and journal."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from attrs import define, evolve, field

from incusbak import codec
from incusbak.cli.going_on import Intent
from incusbak.cli.options import Settings
from incusbak.cli.planning import choose_by, load_plan, make_plan_file
from incusbak.cli.session import Session, now
from incusbak.cli.workflow import carry_out, run_now
from incusbak.engine.execution.approval import Agreed, approve
from incusbak.engine.execution.executor import short_of
from incusbak.engine.selection.care_requests import rehearse_goals
from incusbak.engine.selection.policy import Selection, selection_of
from incusbak.engine.selection.requests import Request, StoredResources, backup_goals, restore_goals
from incusbak.kinds import KINDS
from incusbak.model.backups import Catalog, ExportOptions
from incusbak.model.documents import Json
from incusbak.model.goals import RestoreOptions
from incusbak.model.inventory import Inventory
from incusbak.model.plans import PlanFile
from incusbak.model.policies import IfPresent, Latest, Policy, Volumes
from incusbak.policyfile import parse_policy
from incusbak.ports import KindContext, Repository
from tests.fake_incus import FakeIncus
from tests.fakes import Disk, MemoryJournal, MemoryRepository, Shelf


class MemorySession(Session):
    """A session whose parts are fakes; everything above them is the real thing."""

    def __init__(
        self,
        server: FakeIncus,
        repository: Repository,
        journal: MemoryJournal,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        super().__init__(Settings(quiet=True, parallel=1, log_level="error", yes=True))
        self.__dict__.update(server=server, repository=repository, journal=journal, clock=clock)

    def tools(self, owner: str) -> KindContext:
        """Nobody stays frozen in memory, so nobody needs to be woken."""
        return evolve(super().tools(owner), guard=lambda _: nullcontext())


def left_undone(plan_file: PlanFile) -> int:
    """The exit code of carrying out a plan without any trouble: 0, or what it leaves undone makes it."""
    return short_of(plan_file.plan.missed, done=bool(plan_file.plan.steps))


@define(repr=False)
class Estate:
    """One server, one repository, one journal, and commands on them, each a run of its own.

    ``clock`` tells what time it is for all of them; ``environment``: what ``${NAME}`` in policies stands for.
    """

    server: FakeIncus = field(factory=FakeIncus)
    disk: Disk = field(factory=Disk)
    shelf: Shelf = field(factory=Shelf)
    clock: Callable[[], datetime] = now
    environment: Mapping[str, str] = field(factory=dict)

    def __repr__(self) -> str:
        """Say briefly what there is: that is what a failed property shows."""
        world = self.server.world
        there = {f"{p}/{n}": f"{i.status} {i.document['devices']}" for (p, n), i in world.instances.items()}
        backups = [backup.address for backup in sorted(self.disk.backups)]
        return f"Estate({there}, volumes={list(world.volumes)}, images={list(world.images)}, {backups})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Keep hypothesis from showing every field."""
        printer.text(repr(self))

    def session(self) -> MemorySession:
        repository, journal = MemoryRepository(self.disk), MemoryJournal(self.shelf)
        return MemorySession(self.server, repository, journal, clock=self.clock)

    def plan(self, policy: str) -> PlanFile:
        return self.plan_by(parse_policy(policy, "policy.yaml", environment=self.environment))

    def plan_by(self, policy: Policy) -> PlanFile:
        session = self.session()
        return make_plan_file(session, choose_by(policy, session), policies=policy.files)

    def apply(self, plan_file: PlanFile, *, force: bool = False) -> int:
        """Carry out a plan as it is after having been saved and read again."""
        read = load_plan(codec.dump(plan_file).encode(), "plan.json")
        return carry_out(self.session(), approve(read, Agreed(), overrule=force))

    def back_up(self, *names: str, options: ExportOptions | None = None, kind: str = "instance") -> int:
        request = Request((kind,), names)

        def choose(inventory: Inventory, _: Catalog) -> Selection:
            goals, missed = backup_goals(request, inventory, options or ExportOptions(), kinds=KINDS)
            return Selection(goals, missed=missed)

        return run_now(self.session(), choose, kinds=(kind,))

    def restore(
        self,
        *names: str,
        if_present: IfPresent = IfPresent.FAIL,
        target_name: str = "",
        kind: str = "instance",
        volumes: Volumes = Volumes.MISSING,
    ) -> int:
        def choose(_: Inventory, catalog: Catalog) -> Selection:
            goals, choice = restore_goals(
                Request((kind,), names),
                StoredResources(catalog),
                version=Latest(),
                target_name=target_name,
                if_present=if_present,
                options=RestoreOptions(),
                volumes=volumes,
                kinds=KINDS,
            )
            return selection_of(goals, choice, catalog)

        more = ("volume",) if volumes is Volumes.ALL else ()
        intent = Intent("restore", f"{kind} {names} {if_present} {target_name} {volumes}", is_lasting=True)
        return run_now(self.session(), choose, kinds=(kind, "instance", *more), intent=intent)

    def rehearse(self, *names: str, probe: tuple[tuple[str, ...], ...] = (), timeout_seconds: int = 1) -> int:
        def choose(_: Inventory, catalog: Catalog) -> Selection:
            goals, choice = rehearse_goals(
                Request(("instance",), names),
                StoredResources(catalog),
                Latest(),
                probe=probe,
                timeout_seconds=timeout_seconds,
                kinds=KINDS,
            )
            return selection_of(goals, choice, catalog)

        return run_now(self.session(), choose, kinds=("instance",))

    def temporary(self) -> list[str]:
        """Everything on the server that only a run of the tool would have there."""
        world = self.server.world
        named = [
            f"{p}/{n}" for p, n in world.instances if n.startswith("incusbak-") or p.startswith("incusbak-")
        ]
        marked = [
            f"{p}/{n}: {key}"
            for (p, n), instance in world.instances.items()
            for key in instance.config
            if key.startswith("user.incusbak.")
        ]
        staged = [f"{p}/{n}: {b}" for (p, n), i in world.instances.items() for b in i.backups]
        return [*named, *marked, *staged, *(p for p in world.projects if p.startswith("incusbak-"))]


class ShuffledIncus(FakeIncus):
    """A server that answers with lists and mappings in another order each time."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._chance = random.Random(0)

    def list(self, path: str, *, project: str = "", recursion: int = 1) -> tuple[Json, ...]:
        found: list[Any] = [
            _shuffled(one, self._chance) for one in super().list(path, project=project, recursion=recursion)
        ]
        self._chance.shuffle(found)
        return tuple(found)


def _shuffled(value: Any, chance: random.Random) -> Any:
    """Mappings only: the order of a list such as ``profiles`` means something."""
    if isinstance(value, dict):
        keys: Sequence[str] = chance.sample(list(value), len(value))
        return {key: _shuffled(value[key], chance) for key in keys}
    return value
