"""The contracts of everything with an effect. Each sentence of a docstring has a contract test.

The fakes in ``tests/fakes.py`` and the real adapters pass the same suites (``tests/contract``).
"""

from .entities import Entity
from .kinds import BackupFiles, DocumentOf, DriverOf, Guard, Kind, KindContext, NetworkOf, ProfileOf
from .server import ALL_PROJECTS, IncusApi, Watch, path_of
from .storage import BackupWriter, FileWriter, Journal, Repository, Tell, unheard

__all__ = [
    "ALL_PROJECTS",
    "BackupFiles",
    "BackupWriter",
    "DocumentOf",
    "DriverOf",
    "Entity",
    "FileWriter",
    "Guard",
    "IncusApi",
    "Journal",
    "Kind",
    "KindContext",
    "NetworkOf",
    "ProfileOf",
    "Repository",
    "Tell",
    "Watch",
    "path_of",
    "unheard",
]
