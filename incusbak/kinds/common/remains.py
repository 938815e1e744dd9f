"""What there is on the server of what a record names, in words that change when it does."""

import json
from collections.abc import Iterable
from hashlib import sha256

from ...errors import NotFound
from ...model.records import ScratchExport
from ...model.refs import ResourceRef
from ...ports import IncusApi
from .paths import path

_TELLING = ("status", "created_at", "description", "devices")
_DIGITS = 12


def remains(api: IncusApi, refs: Iterable[ResourceRef]) -> str:
    """Tell of each what a person who puts something in order would change of it."""
    return "; ".join(f"{ref}: {_seen(api, ref)}" for ref in refs)


def stands_still(api: IncusApi, refs: Iterable[ResourceRef]) -> str:
    """Name those of these instances that are frozen: of what lives, that alone may be a run's doing."""
    frozen = [str(ref) for ref in refs if _status(api, ref) == "Frozen"]
    return "".join(f"; {ref}: frozen" for ref in frozen)


def runs(api: IncusApi, ref: ResourceRef) -> str:
    """Tell whether an instance runs, where that is what its clean-up waits for."""
    return f"; {ref}: {'runs' if _status(api, ref) in ('Running', 'Frozen') else 'does not run'}"


def _status(api: IncusApi, ref: ResourceRef) -> str:
    try:
        return str(api.get(path(ref), project=ref.project).body.get("status"))
    except NotFound:
        return ""


def remains_of_export(api: IncusApi, record: ScratchExport) -> str:
    """Tell whether an export is still staged."""
    try:
        api.get(path(record.ref, "backups", record.name), project=record.ref.project)
    except NotFound:
        return f"{record.name}: not there"
    return f"{record.name}: there"


def _seen(api: IncusApi, ref: ResourceRef) -> str:
    try:
        document = api.get(path(ref), project=ref.project).body
        snapshots = api.list(path(ref, "snapshots"), project=ref.project, recursion=0)
    except NotFound:
        return "not there"
    config = {k: v for k, v in (document.get("config") or {}).items() if not k.startswith("volatile.")}
    telling = {key: document.get(key) for key in _TELLING} | {"config": config}
    telling |= {"snapshots": sorted(str(each.get("url")) for each in snapshots)}
    telling |= {"used_by": sorted(document.get("used_by") or ())}
    digest = sha256(json.dumps(telling, sort_keys=True).encode()).hexdigest()
    return f"{document.get('status', 'there')} {digest[:_DIGITS]}"
