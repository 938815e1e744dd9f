"""What can be done to instances, with the conditions and the side effects that real servers have."""

from typing import Any

from incusbak.errors import Conflict, NotFound, OperationFailed, ServerError
from incusbak.model.documents import Json

from . import archives, guarding, mounts
from .copying import copied
from .definitions import check_definition, put_definition
from .world import NEVER, RUNNING, Document, Files, Instance, Snapshot, World, mac_of, pool_of, root_disk

BROKEN_INIT = b"#!/bin/sh\nexit 1\n"
"""What a container stops by itself with, right after its start."""
_COPIED_VOLATILE = ("volatile.base_image", "volatile.idmap.base", "volatile.idmap.next")


def document_of(world: World, instance: Instance) -> Document:
    """What a GET of an instance answers."""
    return copied(world.expanded(instance.document))


# -- making -----------------------------------------------------------------------------------------


def create(world: World, project: str, body: Json) -> None:
    """POST instances with a JSON body: from an image, empty, or a copy."""
    world.owner(project, "profiles")
    missing = [
        p for p in body.get("profiles") or () if (world.owner(project, "profiles"), p) not in world.profiles
    ]
    if missing:
        raise ServerError(f'Requested profile "{missing[0]}" doesn\'t exist')
    if body["source"]["type"] == "copy":
        _copy(world, project, body)
        return
    _claim(world, project, body["name"])
    parts = {key: copied(body[key]) for key in ("config", "devices", "profiles", "ephemeral") if key in body}
    instance = world.add_instance(body["name"], project=project, **parts)
    if not instance.pool:
        del world.instances[project, body["name"]]
        raise OperationFailed("Failed creating instance record: No root device could be found")


def _claim(world: World, project: str, name: str) -> None:
    if (project, name) in world.instances:
        raise Conflict(f'Instance "{name}" already exists')


def _copy(world: World, project: str, body: Json) -> None:
    how = body["source"]
    source = world.instance(how["source"], how.get("project", project))
    existing = world.instances.get((project, body["name"]))
    if existing is None or not how.get("refresh"):
        _claim(world, project, body["name"])
        existing = _new_copy(world, project, body, source)
    elif existing.status != "Stopped":
        raise OperationFailed("Cannot refresh a running instance")
    existing.files = dict(source.files)
    whole = {} if how.get("instance_only") else source.snapshots
    existing.snapshots = mounts.copy(whole, world.pools[source.pool]["driver"])


def _new_copy(world: World, project: str, body: Json, source: Instance) -> Instance:
    kept = {
        key: value
        for key, value in source.config.items()
        if not key.startswith("volatile.") or key in _COPIED_VOLATILE
    }
    config = kept | dict(body.get("config") or {}) | {"volatile.apply_template": "copy"}
    devices = copied(source.document["devices"]) | copied(dict(body.get("devices") or {}))
    profiles = list(body.get("profiles", source.document["profiles"]))
    parts = {"config": config, "devices": devices, "profiles": profiles, "type": source.document["type"]}
    return world.add_instance(body["name"], project=project, **parts)


def import_archive(world: World, project: str, data: bytes, name: str, pool: str) -> None:
    """POST instances with an archive as the body."""
    index = archives.index_of(data)
    name, pool = name or index["name"], pool or index["pool"]
    first = {"type": index["type"], **copied(index["config"]["container"]), "name": name}
    guarding.check_new(world, project, first, strips=world.takes_guarded)
    if pool not in world.pools:
        raise ServerError("Storage pool not found: Storage pool not found")
    contents = archives.unpack(data)
    definition = copied(contents.definition["container"])
    if contents.index["optimized"] and contents.index["backend"] != world.pools[pool]["driver"]:
        raise ServerError(f'Optimized backup storage driver "{contents.index["backend"]}" differs')
    _refuse_taken(world, project, name, pool)
    document = {k: v for k, v in definition.items() if k not in ("expanded_config", "expanded_devices")}
    document |= {"name": name, "project": project}
    _check_references(world, document)
    if world.takes_guarded:
        guarding.stripped(world, project, document)
    guarding.identified(world, document)
    devices = world.expanded(document)["expanded_devices"]
    if pool_of(devices) != pool:
        found = [key for key, device in devices.items() if device.get("path") == "/"]
        document["devices"][found[0] if found else "root"] = root_disk(pool)
    instance = Instance(document, dict(contents.files), pool)
    instance.status = "Stopped"
    instance.snapshots = _imported_snapshots(contents)
    world.instances[project, name] = instance
    try:  # what is there by now counts twice
        guarding.check_new(world, project, document, strips=world.takes_guarded)
    except ServerError as error:
        del world.instances[project, name]
        raise OperationFailed(error.message) from None


def _imported_snapshots(contents: archives.Contents) -> dict[str, Snapshot]:
    """Take the list from the index and the rest from the definition; when they expire is forgotten."""
    documents = {each["name"]: each for each in contents.definition.get("snapshots") or ()}
    return {
        name: Snapshot({**documents[name], "expires_at": NEVER}, dict(files))
        for name, files in contents.snapshots.items()
    }


def _refuse_taken(world: World, project: str, name: str, pool: str) -> None:
    taken = world.instances.get((project, name))
    if taken is None:
        return
    if taken.pool == pool:
        raise Conflict("Create instance from backup: Cannot restore volume, already exists on target")
    taken.broken = True
    raise OperationFailed("Create instance from backup: Instance seems to exist on multiple storage pools")


def _check_references(world: World, document: Json) -> None:
    project = document["project"]
    try:
        devices = world.expanded(document)["expanded_devices"]
    except NotFound as error:
        raise OperationFailed(f"Create instance from backup: {error.message}") from None
    for device in devices.values():
        if device["type"] == "nic" and "network" in device:
            if (world.owner(project, "networks"), device["network"]) not in world.networks:
                raise OperationFailed("Create instance from backup: Network not found")
        elif device["type"] == "disk" and device.get("source") and "pool" in device:
            key = (world.owner(project, "storage.volumes"), device["pool"], device["source"])
            if key not in world.volumes:
                raise OperationFailed("Create instance from backup: Failed loading custom volume")


# -- changing ---------------------------------------------------------------------------------------


def replace(world: World, instance: Instance, body: Json) -> None:
    """PUT instances/NAME."""
    guarding.check_change(world, instance, body)
    check_definition(world, instance, body)
    put_definition(world, instance, body)


def rename(world: World, project: str, instance: Instance, new: str) -> None:
    """POST instances/NAME."""
    if (project, new) in world.instances:
        raise Conflict(f'Name "{new}" already in use')
    if instance.status in RUNNING:
        raise OperationFailed("Renaming of running instance not allowed")
    old = str(instance.document["name"])
    world.instances[project, new] = world.instances.pop((project, old))
    instance.document["name"] = new
    instance.config["volatile.cloud-init.instance-id"] = world.unique()


def move(world: World, project: str, instance: Instance, body: Json) -> None:
    """POST instances/NAME to another project: a copy, and the end of the original."""
    if instance.status in RUNNING:
        raise ServerError("Instance must be stopped to be moved across projects")
    name, target = body.get("name") or instance.name, str(body["project"])
    _claim(world, target, name)
    document = {**copied(instance.document), "name": name, "project": target, "created_at": world.now()}
    guarding.check_new(world, target, document, strips=True)
    _check_references(world, document)
    document["config"] |= {"volatile.apply_template": "copy"}
    guarding.stripped(world, target, document)
    for key in ("volatile.uuid", "volatile.uuid.generation", "volatile.cloud-init.instance-id"):
        document["config"].pop(key, None)
    guarding.identified(world, document)
    snapshots = mounts.copy(instance.snapshots, world.pools[instance.pool]["driver"])
    mounts.check_removable(instance.snapshots)
    moved = Instance(document, dict(instance.files), instance.pool, snapshots)
    world.instances[target, name] = moved
    del world.instances[project, instance.name]


def delete(world: World, project: str, instance: Instance) -> None:
    """DELETE instances/NAME."""
    if instance.status in RUNNING:
        raise ServerError("Instance is running")
    if world.expanded(instance.document)["expanded_config"].get("security.protection.delete") == "true":
        raise OperationFailed("Instance is protected")
    mounts.check_removable(instance.snapshots)
    del world.instances[project, str(instance.document["name"])]


def change_state(world: World, project: str, instance: Instance, body: Json) -> None:
    """PUT instances/NAME/state."""
    match body["action"], instance.status:
        case "start", "Stopped":
            _start(world, instance)
        case "stop", "Running" | "Frozen":
            _stop(world, project, instance)
        case "restart", "Running":
            instance.document["last_used_at"] = world.now()
        case "freeze", "Running":
            instance.status = "Frozen"
        case "unfreeze", "Frozen":
            instance.status = "Running"
        case "start" | "stop" as action, _:
            state = "running" if action == "start" else "stopped"
            raise OperationFailed(f"The instance is already {state}")
        case "freeze" | "unfreeze" | "restart", _:
            raise OperationFailed("The instance isn't running")
        case action, _:
            raise ServerError(f"Unknown action: '{action}'")


def _start(world: World, instance: Instance) -> None:
    if instance.broken:
        raise OperationFailed("Failed to run: no such file or directory")
    world.give_addresses(instance)
    expanded = world.expanded(instance.document)
    for name in expanded["expanded_devices"]:
        mac = mac_of(expanded, name)
        if mac and world.is_taken(mac, expanded, name, by_others_than=instance):
            raise Conflict(f'MAC address "{mac}" already defined on another NIC')
    for name, device in world.expanded(instance.document)["expanded_devices"].items():
        if device["type"] == "nic":
            instance.config[f"volatile.{name}.host_name"] = f"veth{world.unique()[:8]}"
    instance.status = "Running"
    instance.document["last_used_at"] = world.now()
    instance.config.pop("volatile.apply_template", None)
    instance.config["volatile.last_state.power"] = "RUNNING"
    if instance.files.get("rootfs/sbin/init") == BROKEN_INIT:
        instance.status = "Stopped"


def _stop(world: World, project: str, instance: Instance) -> None:
    instance.status = "Stopped"
    instance.config["volatile.last_state.power"] = "STOPPED"
    for key in [key for key in instance.config if key.endswith(".host_name")]:
        del instance.config[key]
    if instance.document["ephemeral"]:
        del world.instances[project, str(instance.document["name"])]


# -- snapshots and backups --------------------------------------------------------------------------


def snapshot(world: World, instance: Instance, body: Json) -> None:
    """POST instances/NAME/snapshots."""
    if body["name"] in instance.snapshots:
        raise Conflict('This "Instance_snapshot" entry already exists')
    kept: dict[str, Any] = {
        key: copied(value)
        for key, value in world.expanded(instance.document).items()
        if key not in ("name", "project", "status", "status_code", "location", "type")
    }
    times = {"created_at": world.now(), "expires_at": body.get("expires_at", NEVER)}
    files: Files = dict(instance.files)
    instance.snapshots[body["name"]] = Snapshot({**kept, **times, "name": body["name"], "size": -1}, files)


def back_up(world: World, instance: Instance, body: Json) -> None:
    """POST instances/NAME/backups: stage an export."""
    name = body.get("name") or f"backup{len(instance.backups)}"
    if name in instance.backups:
        raise Conflict(f'Backup "{instance.document["name"]}/{name}" already exists')
    data = export(world, instance, body)
    instance.backups[name] = (
        {
            "name": name,
            "created_at": world.now(),
            "expires_at": body.get("expires_at", NEVER),
            "instance_only": bool(body.get("instance_only")),
            "optimized_storage": bool(body.get("optimized_storage")),
        },
        data,
    )


def export(world: World, instance: Instance, body: Json) -> bytes:
    """Make the archive that a backup asks for."""
    if not body.get("instance_only"):
        mounts.mount(instance.snapshots, world.pools[instance.pool]["driver"])
    return archives.pack(
        world,
        instance,
        instance_only=bool(body.get("instance_only")),
        optimized=bool(body.get("optimized_storage")),
        compression=str(body.get("compression_algorithm") or "gzip"),
    )
