"""What can be done to custom volumes, with the conditions and the side effects that real servers have."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from incusbak.errors import Conflict, NotFound, OperationFailed, ServerError
from incusbak.model.documents import Json
from incusbak.ports import ALL_PROJECTS

from . import archives, mounts
from .copying import copied
from .world import NEVER, RUNNING, Content, Document, Snapshot, World

Key = tuple[str, str, str]
Effect = Callable[[], None]
_FEATURE = "storage.volumes"


def key_of(world: World, project: str, pool: str, name: str) -> Key:
    key = world.owner(project, _FEATURE), pool, name
    if key not in world.volumes:
        raise NotFound("Storage pool volume not found")
    return key


def find(world: World, project: str, pool: str, name: str, rest: Sequence[str]) -> Document:
    """GET of a volume or of something of it."""
    key = key_of(world, project, pool, name)
    match rest:
        case []:
            return {**world.volumes[key], "used_by": [*_direct(world, key), *_profiles(world, key)]}
        case ["snapshots", snapshot]:
            return world.content(key).snapshots[snapshot].document
        case ["backups", backup]:
            return world.content(key).backups[backup][0]
    raise NotFound("not found")


def members(world: World, project: str, pool: str) -> Iterator[Json]:
    """GET of the custom volumes of a pool; asked for all projects, the server forgets who has profiles."""
    wanted = world.owner(project, _FEATURE) if project in world.projects else project
    for key, document in sorted(world.volumes.items()):
        if key[1] == pool and wanted in (key[0], ALL_PROJECTS):
            profiles = () if project == ALL_PROJECTS else _profiles(world, key)
            yield {**document, "used_by": [*_direct(world, key), *profiles]}


def members_of(world: World, project: str, pool: str, name: str, what: str) -> Iterator[Json]:
    """GET of the snapshots or backups of a volume."""
    content = world.content(key_of(world, project, pool, name))
    if what == "snapshots":
        yield from ({**s.document, "name": f"{name}/{n}"} for n, s in sorted(content.snapshots.items()))
    else:
        yield from (document for document, _ in content.backups.values())


# -- users ------------------------------------------------------------------------------------------


def _direct(world: World, key: Key) -> list[str]:
    return [
        _url("instances", *owner)
        for owner, instance in sorted(world.instances.items())
        if world.owner(owner[0], _FEATURE) == key[0] and _devices(key, instance.document["devices"])
    ]


def _profiles(world: World, key: Key) -> list[str]:
    return [
        _url("profiles", *owner)
        for owner, profile in sorted(world.profiles.items())
        if world.owner(owner[0], _FEATURE) == key[0] and _devices(key, profile["devices"])
    ]


def with_users(world: World, collection: str, document: Json) -> Document:
    """A profile with all who have it; anything else as it is."""
    if collection != "profiles":
        return dict(document)
    project, name = document["project"], document["name"]
    users = [
        _url("instances", *owner)
        for owner, instance in sorted(world.instances.items())
        if world.owner(owner[0], "profiles") == project and name in instance.document["profiles"]
    ]
    return {**document, "used_by": users}


def _devices(key: Key, devices: Json) -> list[str]:
    return [n for n, d in devices.items() if d.get("pool") == key[1] and d.get("source") == key[2]]


def _is_running(world: World, key: Key) -> bool:
    return any(
        _devices(key, world.expanded(instance.document)["expanded_devices"])
        for (project, _), instance in world.instances.items()
        if instance.status in RUNNING and world.owner(project, _FEATURE) == key[0]
    )


def _url(what: str, project: str, name: str) -> str:
    suffix = "" if project == "default" else f"?project={quote(project)}"
    return f"/1.0/{what}/{quote(name)}{suffix}"


# -- making -----------------------------------------------------------------------------------------


def create(world: World, project: str, pool: str, body: Json) -> None:
    """POST of a volume: an empty one, or a copy."""
    if "source" in body:
        _copy(world, project, pool, body)
        return
    key = _claim(world, project, pool, body["name"])
    parts = {k: copied(v) for k, v in body.items() if k in ("config", "content_type", "description")}
    world.add_volume(key[2], pool=pool, project=key[0], **parts)


def _claim(world: World, project: str, pool: str, name: str) -> Key:
    if pool not in world.pools:
        raise NotFound("Storage pool not found")
    key = world.owner(project, _FEATURE), pool, name
    if key in world.volumes:
        raise Conflict("Volume by that name already exists")
    return key


def _copy(world: World, project: str, pool: str, body: Json) -> None:
    """Copy a volume or a snapshot of it; a config in the body is instead of the source's."""
    how = body["source"]
    name, _, snapshot = str(how["name"]).partition("/")
    source = key_of(world, how.get("project", project), how["pool"], name)
    key = world.owner(project, _FEATURE), pool, body["name"]
    if not (how.get("refresh") and key in world.volumes):
        _claim(world, project, pool, body["name"])
        taken = ("config", "content_type", "description")
        parts = {k: copied(body.get(k) or world.volumes[source][k]) for k in taken}
        world.add_volume(key[2], pool=pool, project=key[0], **parts)
    there = world.content(source)
    files = there.snapshots[snapshot].files if snapshot else there.files
    is_alone = snapshot or how.get("volume_only")
    whole = {} if is_alone else there.snapshots
    world.contents[key] = Content(dict(files), mounts.copy(whole, world.pools[source[1]]["driver"]))


def import_archive(world: World, project: str, pool: str, data: bytes, headers: Mapping[str, str]) -> Effect:
    """POST of an archive or of an ISO image."""
    name = headers["X-Incus-name"]

    def effect() -> None:
        if headers.get("X-Incus-type") == "iso":
            key = _claim(world, project, pool, name)
            config = {"size": str(len(data))}
            world.add_volume(name, pool=pool, project=key[0], config=config, content_type="iso")
            world.contents[key] = Content({"": data})
            return
        document, content, index = archives.unpack_volume(data)
        if index["optimized"] and index["backend"] != world.pools[pool]["driver"]:
            raise ServerError(f'Optimized backup storage driver "{index["backend"]}" differs')
        if (world.owner(project, _FEATURE), pool, name) in world.volumes:
            raise OperationFailed(f'Volume "{name}" already exists in pool "{pool}"')
        key = _claim(world, project, pool, name)
        kept = {k: document[k] for k in ("config", "content_type", "description", "created_at")}
        world.add_volume(name, pool=pool, project=key[0], **kept)
        world.contents[key] = content

    return effect


# -- changing ---------------------------------------------------------------------------------------


def rename(world: World, key: Key, new: str) -> None:
    """POST of a new name; devices on it follow."""
    if (*key[:2], new) in world.volumes:
        raise Conflict("Volume by that name already exists")
    if _is_running(world, key):
        raise ServerError("Volume is still in use by running instances")
    for holder in (*(i.document for i in world.instances.values()), *world.profiles.values()):
        if world.owner(holder["project"], _FEATURE) == key[0]:
            for name in _devices(key, holder["devices"]):
                holder["devices"][name]["source"] = new
    world.contents[*key[:2], new] = world.content(key)
    del world.contents[key]
    world.volumes[*key[:2], new] = {**world.volumes.pop(key), "name": new}


def replace(world: World, key: Key, body: Json) -> None:
    """PUT of a volume."""
    document = world.volumes[key]
    if document["content_type"] == "iso" and dict(body.get("config") or {}) != document["config"]:
        raise ServerError("Custom ISO volume config cannot be changed")
    document |= {"config": dict(body.get("config") or {}), "description": body.get("description", "")}
    if name := body.get("restore"):
        content = world.content(key)
        content.files = dict(content.snapshots[name].files)


def delete(world: World, key: Key, rest: Sequence[str] = ()) -> None:
    """DELETE of a volume with its snapshots, or of something of it."""
    match rest:
        case ["snapshots", name]:
            mounts.check_removable({name: world.content(key).snapshots[name]})
            del world.content(key).snapshots[name]
            return
        case ["backups", name]:
            del world.content(key).backups[name]
            return
    if _direct(world, key) or _profiles(world, key):
        raise ServerError("The storage volume is still in use")
    mounts.check_removable(world.content(key).snapshots)
    del world.volumes[key]
    world.contents.pop(key, None)


def is_background(parts: Sequence[str], body: Json) -> bool:
    """Whether a POST starts an operation; an empty volume and a new name are made at once."""
    match parts:
        case ["storage-pools", _, "volumes", "custom"]:
            return "source" in body
        case ["storage-pools", _, "volumes", "custom", _, "snapshots" | "backups", *_]:
            return True
    return False


def post(world: World, project: str, parts: Sequence[str], body: Json, extensions: frozenset[str]) -> Effect:
    """Find out what a POST starts in the background; what can be refused at once is."""
    match parts:
        case ["storage-pools", pool, "volumes", "custom"] if "source" in body:
            return lambda: create(world, project, pool, body)
        case ["storage-pools", pool, "volumes", "custom", name, "snapshots"]:
            key = key_of(world, project, pool, name)
            return lambda: snapshot(world, key, body)
        case ["storage-pools", pool, "volumes", "custom", name, "snapshots", old]:
            there = world.content(key_of(world, project, pool, name)).snapshots
            return lambda: mounts.rename(there, old, body["name"])
        case ["storage-pools", pool, "volumes", "custom", name, "backups"]:
            key = key_of(world, project, pool, name)
            return lambda: back_up(world, key, body, extensions)
    raise NotFound("not found")


def urls_of(parts: Sequence[str], body: Json) -> dict[str, list[str]]:
    """What an operation says it works on: of a copy, nothing."""
    if "source" in body:
        return {}
    below = [str(body[key]) for key in ("name",) if key in body]
    return {"storage_volumes": ["/1.0/" + "/".join(map(quote, [*parts, *below]))]}


# -- snapshots and backups --------------------------------------------------------------------------


def snapshot(world: World, key: Key, body: Json) -> None:
    """POST of a snapshot."""
    content, document = world.content(key), world.volumes[key]
    if body["name"] in content.snapshots:
        raise Conflict(f'Snapshot "{body["name"]}" already exists')
    kept: dict[str, Any] = {k: copied(document[k]) for k in ("config", "content_type", "description")}
    times = {"created_at": world.now(), "expires_at": body.get("expires_at", NEVER)}
    content.snapshots[body["name"]] = Snapshot({**kept, **times, "name": body["name"]}, dict(content.files))


def back_up(world: World, key: Key, body: Json, extensions: frozenset[str]) -> None:
    """POST of a backup: stage an export."""
    name = body["name"]
    taken = [k for k, c in world.contents.items() if k[2] == key[2] and name in c.backups]
    if taken:  # even by a volume of that name in another pool
        raise Conflict(f'Backup "{key[2]}/{name}" already exists')
    data = export(world, key, body, extensions)
    document = {"name": name, "created_at": world.now(), "expires_at": body.get("expires_at", NEVER)}
    world.content(key).backups[name] = document, data


def export(world: World, key: Key, body: Json, extensions: frozenset[str]) -> bytes:
    """Make the archive that a backup asks for; of an ISO image, its bytes."""
    if world.volumes[key]["content_type"] == "iso":
        if "backup_iso" not in extensions:
            raise OperationFailed('Volume of content type "iso" cannot be backed up')
        return world.content(key).files[""]
    if not body.get("volume_only"):
        mounts.mount(world.content(key).snapshots, world.pools[key[1]]["driver"])
    return archives.pack_volume(
        world,
        key,
        volume_only=bool(body.get("volume_only")),
        optimized=bool(body.get("optimized_storage")),
        compression=str(body.get("compression_algorithm") or "gzip"),
    )


def exported(
    world: World, project: str, parts: Sequence[str], body: Json | None, extensions: frozenset[str]
) -> bytes:
    """GET of a staged export, or POST for a direct one."""
    _, pool, _, _, name, *rest = parts
    key = key_of(world, project, pool, name)
    match body, rest:
        case None, ["backups", backup, "export"] if backup in world.content(key).backups:
            return world.content(key).backups[backup][1]
        case None, _:
            raise NotFound("Storage volume backup not found")
        case _ if "direct_backup" not in extensions:
            raise ServerError("HTTP 202 with a message where data was expected")
    return export(world, key, dict(body or {}), extensions)
