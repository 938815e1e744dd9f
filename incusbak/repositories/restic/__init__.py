"""Backups as snapshots of a restic repository: deduplicated, encrypted, here or elsewhere."""

from .repository import ResticRepository, open_restic

__all__ = ["ResticRepository", "open_restic"]
