"""A session for what only the repository is needed for: it works when the server is lost."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NoReturn

from ..errors import RepositoryMissing, ServerUnavailable
from ..model.backups import Catalog
from ..model.documents import Document, Json
from ..model.inventory import Inventory, ServerInfo
from ..ports import Kind, Watch
from ..state import StateJournal, default_root
from .session import Session

NOBODY = ServerInfo("", "", "")


def existing_catalog(session: Session) -> Catalog:
    """Read the catalog of a repository that must be there.

    Raises:
        RepositoryMissing: it is not.
    """
    catalog = session.catalog()
    check_there(session, catalog)
    return catalog


def check_there(session: Session, catalog: Catalog) -> None:
    """See that a catalog is of a repository.

    Raises:
        RepositoryMissing: it is of none.
    """
    if not catalog.repository_id:
        raise RepositoryMissing(f"there is no repository at {session.repository.uri} yet")


class NoServer:
    """An ``IncusApi`` that nobody answers."""

    remote_name = ""

    def info(self) -> ServerInfo:
        return NOBODY

    def get(self, path: str, *, project: str = "") -> Document:
        _refuse(path)

    def list(self, path: str, *, project: str = "", recursion: int = 1) -> tuple[Json, ...]:
        _refuse(path)

    def create(self, path: str, body: Json, *, project: str = "", watch: Watch | None = None) -> Json:
        _refuse(path)

    def replace(
        self, path: str, body: Json, *, project: str = "", etag: str = "", watch: Watch | None = None
    ) -> None:
        _refuse(path)

    def delete(self, path: str, *, project: str = "") -> None:
        _refuse(path)

    def download(self, path: str, *, project: str = "", body: Json | None = None) -> NoReturn:
        _refuse(path)

    def upload(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        headers: Mapping[str, str],
        project: str = "",
        watch: Watch | None = None,
    ) -> Json:
        _refuse(path)


def _refuse(path: str) -> NoReturn:
    raise ServerUnavailable(f"/1.0/{path}: this plan is for a repository alone")


class OfflineSession(Session):
    """See the module."""

    @cached_property
    def server(self) -> NoServer:
        return NoServer()

    def observe(self, kinds: Mapping[str, Kind]) -> Inventory:
        """There is nothing to be seen."""
        return Inventory(NOBODY)

    @cached_property
    def journal(self) -> StateJournal:
        return StateJournal(default_root(), "no-server")
