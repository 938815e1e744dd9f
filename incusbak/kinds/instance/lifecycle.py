"""What the server can be asked to do with an instance, each with the conditions the real one sets."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...errors import NotFound, OperationFailed, ServerError, ServerUnavailable
from ...model.documents import Json
from ...model.inventory import Resource
from ...model.refs import ResourceRef, instance_ref
from ...ports import IncusApi
from ..common import lost_mounts
from ..common.marks import MARK
from ..common.paths import path
from .definition import IDENTITY, definition, matches_any
from .project_rules import is_guarding, unforced

STOP_SECONDS = 30
_NEVER = "0001-01-01T00:00:00Z"
_AT_ONCE = 8
"""Expiries that are set at a time: each takes the server some milliseconds, and there may be hundreds."""


def find(api: IncusApi, ref: ResourceRef) -> Json | None:
    try:
        return api.get(path(ref), project=ref.project).body
    except NotFound:
        return None


def inspect(api: IncusApi, ref: ResourceRef) -> Resource | None:
    """Read one instance with ETag and snapshots; None when it is not there."""
    try:
        document = api.get(path(ref), project=ref.project)
        snapshots = api.list(path(ref, "snapshots"), project=ref.project)
    except NotFound:
        return None
    named = [{**snapshot, "name": snapshot["name"].split("/")[-1]} for snapshot in snapshots]
    named.sort(key=lambda snapshot: str(snapshot["name"]))
    return Resource(ref, document.body, document.etag, tuple(named))


def uuid(document: Json) -> str:
    return str((document.get("config") or {}).get("volatile.uuid", ""))


def is_running(document: Json) -> bool:
    return document.get("status") in ("Running", "Frozen", "Starting", "Freezing", "Thawed")


def mark(document: Json, name: str) -> str:
    return str((document.get("config") or {}).get(MARK + name, ""))


def rename(api: IncusApi, ref: ResourceRef, name: str) -> None:
    api.create(path(ref), {"name": name}, project=ref.project)


def put(api: IncusApi, ref: ResourceRef, wanted: Json) -> None:
    """Give an instance its definition.

    Twice: the server invents MAC addresses for devices a PUT adds and a new cloud-init id, whatever the
    body says; the second, identical PUT sets them.
    """
    for _ in range(2):
        _replace(api, ref, wanted)


def _replace(api: IncusApi, ref: ResourceRef, wanted: Json, *, etag: str = "") -> None:
    """PUT a definition, once more without what its project lets nobody set."""
    try:
        api.replace(path(ref), wanted, project=ref.project, etag=etag)
    except ServerError as error:
        if not is_guarding(error):
            raise
        api.replace(path(ref), _allowed(api, ref, wanted), project=ref.project, etag=etag)


def _allowed(api: IncusApi, ref: ResourceRef, wanted: Json) -> Json:
    """Leave what its project guards as it is by now: that can be set by nobody, not even to undo a change."""
    present = api.get(path(ref), project=ref.project).body
    return {**wanted, "config": unforced(wanted["config"], present["config"])}


def rename_after_all(api: IncusApi, ref: ResourceRef, name: str) -> None:
    """Rename; the server may say that it failed and have done it: on a full disk, say."""
    try:
        rename(api, ref, name)
    except ServerUnavailable:
        raise
    except ServerError:
        if find(api, ref) is not None or find(api, instance_ref(ref.project, name)) is None:
            raise


def give(api: IncusApi, ref: ResourceRef, wanted: Json) -> None:
    """Give an instance its definition as ``put`` does; the server may say that it failed and have done it."""
    for _ in range(2):
        _replace_after_all(api, ref, wanted)


def unmark(api: IncusApi, ref: ResourceRef) -> None:
    """Take this tool's marks away; the server may say that it failed and have done it."""
    document = api.get(path(ref), project=ref.project).body
    config = {k: v for k, v in document["config"].items() if not k.startswith(MARK)}
    if config != document["config"]:
        _replace_after_all(api, ref, {**definition(document), "config": config})


def _replace_after_all(api: IncusApi, ref: ResourceRef, wanted: Json, *, etag: str = "") -> None:
    try:
        _replace(api, ref, wanted, etag=etag)
    except ServerUnavailable:
        raise
    except ServerError:
        present = find(api, ref)
        if present is None or _told(definition(present), wanted) != _told(wanted, wanted):
            raise


def _told(document: Json, keys: Iterable[str]) -> Json:
    """What a PUT with these keys says, but for what the server has its own mind about."""
    config = {
        k: v
        for k, v in (document.get("config") or {}).items()
        if not k.startswith("volatile.") or matches_any(k, IDENTITY)
    }
    return {key: config if key == "config" else document.get(key) for key in keys}


def change_config(api: IncusApi, ref: ResourceRef, **values: str) -> None:
    """Set config keys, leaving all else as it is now; without any, see whether it can be changed at all."""
    document = api.get(path(ref), project=ref.project)
    body = {**definition(document.body), "config": {**document.body["config"], **values}}
    api.replace(path(ref), body, project=ref.project, etag=document.etag)


def set_ephemeral(api: IncusApi, ref: ResourceRef, wanted: bool) -> None:
    """Say whether an instance vanishes when it is stopped."""
    document = api.get(path(ref), project=ref.project)
    if bool(document.body.get("ephemeral")) != wanted:
        body = {**definition(document.body), "ephemeral": wanted}
        _replace_after_all(api, ref, body, etag=document.etag)


def change_state(api: IncusApi, ref: ResourceRef, action: str, **more: Any) -> None:
    api.replace(path(ref, "state"), {"action": action, **more}, project=ref.project)


def start(api: IncusApi, ref: ResourceRef, *, frozen: bool = False) -> None:
    """Start, and see that it runs; then have it stand still, if it is to be ``frozen``.

    Raises:
        OperationFailed: it does not.
    """
    document = find(api, ref)
    if document is not None and not is_running(document):
        change_state(api, ref, "start", timeout=STOP_SECONDS)
        document = find(api, ref)
    if document is None or not is_running(document):
        raise OperationFailed(f"{ref} does not run after its start", hint="look at `incus info --show-log`")
    if frozen and document["status"] != "Frozen":
        freeze(api, (ref,))


def stop(api: IncusApi, ref: ResourceRef) -> None:
    """Stop gracefully; by force when it does not obey in ``STOP_SECONDS``."""
    document = find(api, ref)
    if document is None or not is_running(document):
        return
    if document["status"] == "Frozen":
        change_state(api, ref, "unfreeze", timeout=STOP_SECONDS)
    try:
        change_state(api, ref, "stop", timeout=STOP_SECONDS, force=False)
    except OperationFailed:
        change_state(api, ref, "stop", timeout=STOP_SECONDS, force=True)


def stop_by_force(api: IncusApi, ref: ResourceRef) -> None:
    """Stop at once; fine if it does not run, or stops by itself meanwhile."""
    document = find(api, ref)
    if document is None or not is_running(document):
        return
    try:
        change_state(api, ref, "stop", timeout=STOP_SECONDS, force=True)
    except ServerError:
        document = find(api, ref)
        if document is not None and is_running(document):
            raise


def freeze(api: IncusApi, refs: Iterable[ResourceRef]) -> None:
    """Freeze running instances; fine if one has stopped."""
    for ref in refs:
        try:
            change_state(api, ref, "freeze", timeout=STOP_SECONDS)
        except OperationFailed:
            if is_running(find(api, ref) or {}):
                raise


def thaw(api: IncusApi, refs: Iterable[ResourceRef]) -> tuple[ResourceRef, ...]:
    """Wake those of these instances that are frozen, all that is possible; return which.

    Raises:
        ServerError: not all of them can be; the first reason.
    """
    failed: list[ServerError] = []
    woken = []
    for ref in refs:
        try:
            if (find(api, ref) or {}).get("status") == "Frozen":
                change_state(api, ref, "unfreeze", timeout=STOP_SECONDS)
                woken.append(ref)
        except ServerError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return tuple(woken)


def remove(api: IncusApi, ref: ResourceRef) -> None:
    """Delete an instance in whatever state; fine if there is none."""
    document = find(api, ref)
    if document is None:
        return
    if is_running(document):
        set_ephemeral(api, ref, False)
        stop_by_force(api, ref)
    if document.get("expanded_config", {}).get("security.protection.delete") == "true":
        change_config(api, ref, **{"security.protection.delete": "false"})
    try:
        api.delete(path(ref), project=ref.project)
    except NotFound:
        return
    except ServerError as error:
        lost_mounts.explain(error)
        raise


def set_expiries(api: IncusApi, ref: ResourceRef, snapshots: Iterable[Json]) -> None:
    """Put back when snapshots expire: an import forgets it."""

    def put_back(snapshot: Json) -> None:
        body = {"expires_at": snapshot["expires_at"]}
        api.replace(path(ref, "snapshots", str(snapshot["name"])), body, project=ref.project)

    expiring = [each for each in snapshots if each.get("expires_at", _NEVER) != _NEVER]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="expiry") as pool:
        for done in [pool.submit(put_back, each) for each in expiring]:
            done.result()
