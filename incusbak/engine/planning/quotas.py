"""Whether what restores bring fits into the ``size`` it gets, found before anything is moved. Pure."""

from collections.abc import Iterable

from ...errors import Unplannable
from ...model.actions import Replace, Restore
from ...model.admissions import Capacity
from ...model.documents import Json
from ...model.plans import Step
from ...model.refs import ResourceRef
from ...model.sizes import humanize_bytes
from .requirements import target_pool
from .shrinkage import own_bytes
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
    for action in (step.action for step in steps if isinstance(step.action, Restore | Replace)):
        capacity = _capacity(action, world)
        if capacity.passed_over is not None:
            warnings.append(_passed_over(action, capacity.passed_over))
        if words := _excess(action, capacity.limit, world):
            sure, text = words
            if sure:
                problems.append(Unplannable(text, hint=_HINT, of=action.to.address))
            else:
                warnings.append(f"{text}; where the pool enforces that, the restore fails")
    return problems, warnings


_HINT = "restore another version, or to a pool with other limits with --pool-map (in a policy: maps)"


def _capacity(action: Restore | Replace, world: World) -> Capacity:
    manifest, kind = world.evidence.manifests[action.source].manifest, world.kinds[action.to.kind]
    return kind.room(
        manifest, action.to, action.options, document_of=lambda ref: world.document(world.owned(ref))
    )


def _passed_over(action: Restore | Replace, size: int) -> str:
    return (
        f"{action.to}: its profiles give its root disk {humanize_bytes(size)} by now, which is less than "
        f"{action.source} holds: it gets a root disk of its own again, of the size that it had"
    )


def _excess(action: Restore | Replace, size: int | None, world: World) -> tuple[bool, str] | None:
    """Say what is too large, and whether that is sure."""
    manifest = world.evidence.manifests[action.source].manifest
    pool_name = target_pool(action.to, manifest, action.options)
    pool = world.document(ResourceRef("pool", name=pool_name)) or {}
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
