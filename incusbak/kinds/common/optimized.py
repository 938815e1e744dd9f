"""The formats that storage drivers have of their own for exports. Pure."""

from ...model.backups import ExportWishes

_DRIVERS = ("btrfs", "zfs")


def obstacle(options: ExportWishes, *, pool: str, driver: str) -> str:
    """Say why a pool can't export in its own format; empty when it can, or is not asked to."""
    if not options.optimized or driver in _DRIVERS:
        return ""
    return f"pool {pool!r} ({driver}) has no optimized format; only btrfs and zfs pools have one"
