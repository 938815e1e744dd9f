"""A record of the journal on disk: a file of JSON for what a run is about to make on a server."""

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from .codec import BadDocument, dump, load
from .errors import RepositoryError
from .model.records import Record
from .model.refs import unsafe_reason

_SUFFIX = ".json"


@frozen
class Quarantine:
    """Why a record is set aside; see ``model.records.Quarantined``."""

    why: str
    hint: str
    since: datetime
    remains: str


@frozen
class JournalEntry:
    """A record as it lies on disk, with who wrote it."""

    record: Record
    host: str
    pid: int
    written: datetime
    quarantine: Quarantine | None = None
    format_version: int = 1


def file_name(record_id: str) -> str:
    """The name of a record's file.

    Raises:
        RepositoryError: no file can be called so.
    """
    if reason := unsafe_reason(record_id):
        raise RepositoryError(f"a journal record can't be called {record_id!r}: {reason}")
    return f"{record_id}{_SUFFIX}"


def is_record(name: str) -> bool:
    """Whether a file is a record by its name."""
    return name.endswith(_SUFFIX) and not name.startswith(".")


def write_record(record: Record, quarantine: Quarantine | None) -> bytes:
    """Give what is to lie on disk, as written by this process."""
    entry = JournalEntry(record, socket.gethostname(), os.getpid(), datetime.now(UTC), quarantine)
    return dump(entry).encode("utf-8", "surrogatepass")


def read_record(data: bytes, path: Path) -> JournalEntry:
    """Read what lies at a path.

    Raises:
        RepositoryError: it is no record.
    """
    try:
        return load(data, JournalEntry)
    except BadDocument as error:
        raise RepositoryError(
            f"the journal record {path} can't be understood: {error}",
            hint="it names something a killed run left on the server: remove that by hand, then the file",
        ) from error
