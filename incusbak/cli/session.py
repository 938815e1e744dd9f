"""The composition root: makes the server, the repository and the journal from the settings."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property

import click

from ..engine.observation.inventory import observe
from ..errors import UsageError
from ..kinds import ENTITIES, KINDS
from ..model.backups import Catalog
from ..model.inventory import Inventory, ServerInfo
from ..ports import Entity, IncusApi, Kind, KindContext, Repository
from ..repositories import Caller, open_repository
from ..state import StateJournal, default_root
from .complaints import say, shown
from .options import Settings

_PATIENCE_SECONDS = 60.0
"""How long a repository that can't be reached is tried again; there is no progress to be seen in that."""


class Session:
    """Everything with an effect that one command uses, made when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def clock(self) -> datetime:
        """Tell the time."""
        return now()

    @property
    def kinds(self) -> dict[str, Kind]:
        return dict(KINDS)

    @property
    def entities(self) -> dict[str, Entity]:
        return dict(ENTITIES)

    @cached_property
    def server(self) -> IncusApi:
        from ..incus import connect  # here, as pylxd takes long to load and many commands need no server

        trace = self.trace if self.settings.log_level == "debug" else None
        return connect(self.settings.remote, on_trace=trace, stall_seconds=self.settings.stall_timeout)

    @cached_property
    def server_info(self) -> ServerInfo:
        return self.server.info()

    def observe(self, kinds: Mapping[str, Kind]) -> Inventory:
        """See the server as far as these kinds go."""
        return observe(self.server, self.journal, kinds)

    @cached_property
    def repository(self) -> Repository:
        return self._open(self.target)

    def catalog(self) -> Catalog:
        """See what the repository holds, and what of it is dated in the future."""
        return self.repository.catalog(self.clock())

    def other(self, uri: str) -> Repository:
        """One to copy from."""
        return self._open(uri)

    def _open(self, uri: str) -> Repository:
        command = " ".join(["incus-backup", *sys.argv[1:]])[:200]
        patience = min(_PATIENCE_SECONDS, self.settings.stall_timeout)
        return open_repository(uri, Caller(command, default_root(), patience))

    @cached_property
    def journal(self) -> StateJournal:
        return StateJournal(default_root(), self.server_info.fingerprint)

    @property
    def target(self) -> str:
        target, backend = self.settings.target, self.settings.backend
        if not target:
            raise UsageError("no repository is named", hint="use --target dir:/path, or INCUS_BACKUP_DIR")
        if backend and ":" not in target:
            return f"{backend}:{target}"
        if backend and not target.startswith(f"{backend}:"):
            raise UsageError(f"--backend {backend} does not go with --target {target}")
        return target

    def tools(self, owner: str) -> KindContext:
        from .guarding import guard_for  # here for the same reason as `connect`

        return KindContext(
            api=self.server,
            server=self.server_info,
            journal=self.journal,
            tell=lambda _: None,
            clock=self.clock,
            owner=owner,
            guard=guard_for(self.settings.remote),
        )

    def trace(self, line: str) -> None:
        say(click.style(f"debug: {shown(line)}", dim=True))

    def info(self, line: str) -> None:
        """Tell something the user may like to know."""
        if not self.settings.quiet:
            say(shown(line))

    @cached_property
    def _warned(self) -> set[str]:
        return set()

    def warn(self, line: str) -> None:
        """Tell once, however often a command comes across it."""
        if self.settings.log_level != "error" and line not in self._warned:
            self._warned.add(line)
            say(f"{click.style('Warning:', fg='yellow')} {shown(line)}")

    @property
    def is_interactive(self) -> bool:
        return sys.stdin.isatty() and sys.stderr.isatty()


def now() -> datetime:
    return datetime.now(UTC)
