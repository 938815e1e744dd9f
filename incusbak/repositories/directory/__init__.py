"""Backups as plain files in a folder: with ``tar``, ``sha256sum`` and ``incus`` alone all can be restored.

Here is how files and folders are written and read durably. What every way of keeping backups has in common
(names, notes, checksums) is one floor up; nothing here knows of servers or kinds.
"""

from .repository import DirectoryRepository, open_directory

__all__ = ["DirectoryRepository", "open_directory"]
