"""Whether what restores bring fits into the ``size`` it gets, found before anything is moved. Pure."""

from collections.abc import Iterable

from ..errors import Unplannable
from ..model.actions import Replace, Restore
from ..model.documents import Json
from ..model.plans import Step
from ..model.refs import ResourceRef
from ..model.sizes import humanize_bytes
from .requirements import target_pool
from .shrinking import own_bytes
from .world import World

_STRICT = ("btrfs", "ceph", "lvm", "lvmcluster", "linstor")
"""Drivers that let nothing grow beyond its size; ``dir`` does where its file system can, zfs compresses."""
_SIZED = {"ceph": 10 << 30, "lvm": 10 << 30, "lvmcluster": 10 << 30}
"""What a volume gets where nothing says a size."""


def check_quotas(steps: Iterable[Step], world: World) -> tuple[list[Unplannable], list[str]]:
    """Compare what each restore brings, holes left out, with the size that it may have.

    Returns:
        What can't fit, and a warning for what may not.
    """
    problems: list[Unplannable] = []
    warnings: list[str] = []
    for action in (step.action for step in steps):
        if isinstance(action, Restore | Replace) and (words := _excess(action, world)):
            sure, text = words
            if sure:
                problems.append(Unplannable(text, hint=_HINT))
            else:
                warnings.append(f"{text}; where the pool enforces that, the restore fails")
    return problems, warnings


_HINT = "restore another version, or to a pool with other limits with --pool-map (in a policy: maps)"


def _excess(action: Restore | Replace, world: World) -> tuple[bool, str] | None:
    """Say what is too large, and whether that is sure."""
    manifest = world.evidence.manifests[action.source].manifest
    kind, pool_name = world.kinds[action.to.kind], target_pool(action.to, manifest, action.options)
    pool = world.document(ResourceRef("pool", name=pool_name)) or {}
    size = kind.room(
        manifest, action.to, action.options, document_of=lambda ref: world.document(world.owned(ref))
    )
    needed, limit = own_bytes(manifest), size if size is not None else _SIZED.get(str(pool.get("driver")))
    if needed is None or limit is None or needed <= limit:
        return None
    is_known = size is not None and manifest.captured.own_bytes is not None and not manifest.options.optimized
    text = f"{action.to} may take {humanize_bytes(limit)} on pool {pool_name}, "
    text += f"{action.source} holds {humanize_bytes(needed)}"
    return is_known and _is_strict(pool), text


def _is_strict(pool: Json) -> bool:
    options = (pool.get("config") or {}).get("btrfs.mount_options", "")
    return pool.get("driver") in _STRICT and "compress" not in options
