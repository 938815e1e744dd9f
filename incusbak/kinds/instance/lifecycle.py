"""What the server can be asked to do with an instance, each with the conditions the real one sets."""

from collections.abc import Iterable
from typing import Any

from ...errors import NotFound, OperationFailed, ServerError
from ...model.documents import Json
from ...model.inventory import Resource
from ...model.refs import ResourceRef
from ...ports import IncusApi
from ..marks import MARK
from ..paths import path
from .definition import definition

STOP_SECONDS = 30
_NEVER = "0001-01-01T00:00:00Z"


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
    return str(document.get("config", {}).get("volatile.uuid", ""))


def is_running(document: Json) -> bool:
    return document.get("status") in ("Running", "Frozen", "Starting", "Freezing", "Thawed")


def mark(document: Json, name: str) -> str:
    return str(document.get("config", {}).get(MARK + name, ""))


def rename(api: IncusApi, ref: ResourceRef, name: str) -> None:
    api.create(path(ref), {"name": name}, project=ref.project)


def put(api: IncusApi, ref: ResourceRef, wanted: Json) -> None:
    """Give an instance its definition.

    Twice: the server invents MAC addresses for devices a PUT adds and a new cloud-init id, whatever the
    body says; the second, identical PUT sets them.
    """
    for _ in range(2):
        api.replace(path(ref), wanted, project=ref.project)


def change_config(api: IncusApi, ref: ResourceRef, *, drop: str = "", **values: str) -> None:
    """Set config keys, and drop those starting with ``drop``, leaving all else as it is now."""
    document = api.get(path(ref), project=ref.project)
    config = {k: v for k, v in document.body["config"].items() if not (drop and k.startswith(drop))}
    body = {**definition(document.body), "config": {**config, **values}}
    api.replace(path(ref), body, project=ref.project, etag=document.etag)


def set_ephemeral(api: IncusApi, ref: ResourceRef, wanted: bool) -> None:
    """Say whether an instance vanishes when it is stopped."""
    document = api.get(path(ref), project=ref.project)
    if bool(document.body.get("ephemeral")) != wanted:
        body = {**definition(document.body), "ephemeral": wanted}
        api.replace(path(ref), body, project=ref.project, etag=document.etag)


def change_state(api: IncusApi, ref: ResourceRef, action: str, **more: Any) -> None:
    api.replace(path(ref, "state"), {"action": action, **more}, project=ref.project)


def start(api: IncusApi, ref: ResourceRef) -> None:
    """Start, and see that it runs."""
    document = find(api, ref)
    if document is not None and not is_running(document):
        change_state(api, ref, "start", timeout=STOP_SECONDS)
        document = find(api, ref)
    if document is None or not is_running(document):
        raise ServerError(f"{ref} does not run after its start", hint="look at `incus info --show-log`")


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


def set_expiries(api: IncusApi, ref: ResourceRef, snapshots: Iterable[Json]) -> None:
    """Put back when snapshots expire: an import forgets it."""
    for snapshot in snapshots:
        if (expires := snapshot.get("expires_at", _NEVER)) != _NEVER:
            body = {"expires_at": expires}
            api.replace(path(ref, "snapshots", str(snapshot["name"])), body, project=ref.project)
