"""Which path means what."""

from collections.abc import Iterator, Sequence
from typing import Any

from incusbak.errors import Conflict, NotFound, ServerError
from incusbak.model.documents import Json
from incusbak.ports import ALL_PROJECTS

from . import instances
from .world import Document, Instance, World


def find(world: World, project: str, parts: Sequence[str]) -> Document:
    """GET of one object."""
    try:
        return _find(world, project, parts)
    except KeyError:
        raise NotFound("not found") from None


def _find(world: World, project: str, parts: Sequence[str]) -> Document:
    match parts:
        case ["projects", name]:
            return {**world.projects[name], "used_by": []}
        case ["profiles", name]:
            return {**world.profile(name, project), "used_by": []}
        case ["networks", name]:
            return {**world.networks[world.owner(project, "networks"), name], "used_by": []}
        case ["storage-pools", name]:
            return {**world.pools[name], "used_by": []}
        case ["storage-pools", pool, "volumes", "custom", name]:
            return world.volumes[world.owner(project, "storage.volumes"), pool, name]
        case ["storage-pools", pool, "volumes", "container" | "virtual-machine" as kind, name]:
            return _root_volume(world, project, pool, kind, name)
        case ["instances", name, *rest]:
            return _find_in(world, world.instance(name, project), rest)
    raise NotFound("not found")


def _root_volume(world: World, project: str, pool: str, kind: str, name: str) -> Document:
    instance = world.instances[project, name]
    if (instance.pool, instance.document["type"]) != (pool, kind):
        raise NotFound("Storage volume not found")
    return {"name": name, "type": kind, "config": {}, "project": project, "content_type": "filesystem"}


def _find_in(world: World, instance: Instance, rest: Sequence[str]) -> Document:
    match rest:
        case []:
            return instances.document_of(world, instance)
        case ["state"]:
            usage = sum(map(len, instance.files.values()))
            return {"status": instance.status, "disk": {"root": {"usage": usage}}}
        case ["snapshots", name]:
            return instance.snapshots[name].document
        case ["backups", name]:
            return instance.backups[name][0]
    raise NotFound("not found")


def members(world: World, project: str, parts: Sequence[str]) -> Iterator[Json]:
    """GET of a collection."""
    match parts:
        case ["projects"]:
            yield from world.projects.values()
        case ["storage-pools"]:
            yield from world.pools.values()
        case ["storage-pools", pool, "volumes", *kind]:
            if pool not in world.pools:
                raise NotFound("Storage pool not found")
            yield from _volumes(world, project, pool, kind)
        case ["profiles"]:
            yield from _of_project(world, world.profiles, project, "profiles")
        case ["networks"]:
            yield from _of_project(world, world.networks, project, "networks")
        case ["instances"]:
            for (owner, _), instance in sorted(world.instances.items()):
                if project in (owner, ALL_PROJECTS):
                    yield instances.document_of(world, instance)
        case ["instances", name, "snapshots"]:
            yield from (s.document for s in world.instance(name, project).snapshots.values())
        case ["instances", name, "backups"]:
            yield from (document for document, _ in world.instance(name, project).backups.values())
        case _:
            raise NotFound("not found")


def _of_project(
    world: World, found: dict[tuple[str, str], Document], project: str, feature: str
) -> Iterator[Json]:
    wanted = project
    if project in world.projects:
        wanted = world.owner(project, feature)
    for (owner, _), document in sorted(found.items()):
        if wanted in (owner, ALL_PROJECTS):
            yield {**document, "used_by": []}


def _volumes(world: World, project: str, pool: str, kind: Sequence[str]) -> Iterator[Json]:
    wanted = world.owner(project, "storage.volumes") if project in world.projects else project
    for key, volume in sorted(world.volumes.items()):
        if key[1] == pool and wanted in (key[0], ALL_PROJECTS) and [*kind] in ([], ["custom"]):
            yield volume
    for (owner, name), instance in sorted(world.instances.items()):
        type_ = instance.document["type"]
        if instance.pool == pool and project in (owner, ALL_PROJECTS) and [*kind] in ([], [type_]):
            yield _root_volume(world, owner, pool, type_, name)


def create(world: World, project: str, parts: Sequence[str], body: Json) -> None:
    """POST of anything but instances."""
    config: dict[str, Any] = dict(body.get("config") or {})
    match parts:
        case ["projects"]:
            world.add_project(body["name"], config, str(body.get("description", "")))
        case ["profiles"]:
            owner = world.owner(project, "profiles")
            _refuse_taken((owner, body["name"]) in world.profiles, "The profile already exists")
            world.add_profile(project=owner, **body)
        case ["networks"]:
            owner = world.owner(project, "networks")
            _refuse_taken((owner, body["name"]) in world.networks, "The network already exists")
            world.add_network(project=owner, **body)
        case ["storage-pools"]:
            _refuse_taken(body["name"] in world.pools, "The storage pool already exists")
            world.add_pool(body["name"], body["driver"])
        case ["storage-pools", pool, "volumes", "custom"] if pool in world.pools:
            owner = world.owner(project, "storage.volumes")
            _refuse_taken((owner, pool, body["name"]) in world.volumes, "Volume by that name already exists")
            world.add_volume(pool=pool, project=owner, **body)
        case _:
            raise NotFound("not found")


def _refuse_taken(taken: bool, words: str) -> None:
    if taken:
        raise Conflict(words)


def replace(world: World, project: str, parts: Sequence[str], body: Json) -> None:
    """PUT."""
    match parts:
        case ["instances", name]:
            instances.replace(world, world.instance(name, project), body)
        case ["instances", name, "state"]:
            instances.change_state(world, project, world.instance(name, project), body)
        case ["instances", name, "snapshots", snapshot]:
            world.instance(name, project).snapshots[snapshot].document["expires_at"] = body["expires_at"]
        case ["projects", name]:
            world.projects[name] |= body
        case ["profiles", name]:
            world.profile(name, project).update(body)
        case ["networks", name]:
            world.networks[world.owner(project, "networks"), name] |= body
        case _:
            raise ServerError("not implemented")


def delete(world: World, project: str, parts: Sequence[str]) -> None:
    """DELETE."""
    find(world, project, parts)
    match parts:
        case ["projects", name]:
            world.remove_project(name)
        case ["profiles", name]:
            del world.profiles[world.owner(project, "profiles"), name]
        case ["networks", name]:
            del world.networks[world.owner(project, "networks"), name]
        case ["storage-pools", pool, "volumes", "custom", name]:
            del world.volumes[world.owner(project, "storage.volumes"), pool, name]
        case ["instances", name]:
            instances.delete(world, project, world.instance(name, project))
        case ["instances", name, "snapshots", snapshot]:
            del world.instance(name, project).snapshots[snapshot]
        case ["instances", name, "backups", backup]:
            del world.instance(name, project).backups[backup]
        case _:
            raise ServerError("not implemented")


def staged(instance: Instance, parts: Sequence[str]) -> bytes:
    """GET instances/NAME/backups/BACKUP/export."""
    match parts:
        case [_, _, "backups", name, "export"] if name in instance.backups:
            return instance.backups[name][1]
    raise NotFound("Instance backup not found")
