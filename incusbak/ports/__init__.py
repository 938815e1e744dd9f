"""The contracts of everything with an effect. Each sentence of a docstring has a contract test.

The fakes in ``tests/fakes.py`` and the real adapters pass the same suites (``tests/contract``).
"""

from .kinds import BackupFiles, DriverOf, Entity, Guard, Kind, NetworkOf, Tools
from .server import ALL_PROJECTS, IncusApi, Watch, path_of
from .storage import BackupWriter, FileWriter, Journal, Repository, Tell

__all__ = [
    "ALL_PROJECTS",
    "BackupFiles",
    "BackupWriter",
    "DriverOf",
    "Entity",
    "FileWriter",
    "Guard",
    "IncusApi",
    "Journal",
    "Kind",
    "NetworkOf",
    "Repository",
    "Tell",
    "Tools",
    "Watch",
    "path_of",
]
