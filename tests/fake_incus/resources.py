"""Which path means what."""

from collections.abc import Iterator, Sequence

from incusbak.errors import NotFound, ServerError
from incusbak.model.documents import Json
from incusbak.ports import ALL_PROJECTS

from . import entities, guarding, images, instances, mounts, volumes
from .world import Document, Instance, World
from .world import etag_of as instance_etag


def find(world: World, project: str, parts: Sequence[str]) -> Document:
    """GET of one object."""
    try:
        return _find(world, project, parts)
    except KeyError:
        raise NotFound("not found") from None


def _find(world: World, project: str, parts: Sequence[str]) -> Document:
    if place := entities.place_of(world, project, parts):
        return volumes.with_users(world, place.collection, entities.find(world, place))
    match parts:
        case ["projects", name, "state"]:
            return guarding.state_of(world, name)
        case []:
            return {"config": dict(world.config)}
        case ["storage-pools", pool, "resources"] if pool in world.space:
            return {"inodes": {}, "space": world.space[pool]}
        case ["storage-pools", pool, "volumes", "custom", name, *rest]:
            return volumes.find(world, project, pool, name, rest)
        case ["storage-pools", pool, "volumes", "container" | "virtual-machine" as kind, name]:
            return _root_volume(world, project, pool, kind, name)
        case ["instances", name, *rest]:
            return _find_in(world, world.instance(name, project), rest)
        case ["images", "aliases", name]:
            return images.alias(world, project, name)
        case ["images", fingerprint]:
            return images.find(world, project, fingerprint).document
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
    if place := entities.place_of(world, project, parts):
        for document in entities.members(world, place):
            yield volumes.with_users(world, place.collection, document)
        return
    match parts:
        case ["storage-pools", pool, "volumes", "custom", name, "snapshots" | "backups" as what]:
            yield from volumes.members_of(world, project, pool, name, what)
        case ["storage-pools", pool, "volumes", *kind]:
            if pool not in world.pools:
                raise NotFound("Storage pool not found")
            yield from _volumes(world, project, pool, kind)
        case ["instances"]:
            for (owner, _), instance in sorted(world.instances.items()):
                if project in (owner, ALL_PROJECTS):
                    yield instances.document_of(world, instance)
        case ["images"]:
            yield from images.members(world, project)
        case ["instances", name, "snapshots"]:
            yield from (s.document for s in world.instance(name, project).snapshots.values())
        case ["instances", name, "backups"]:
            yield from (document for document, _ in world.instance(name, project).backups.values())
        case _:
            raise NotFound("not found")


def _volumes(world: World, project: str, pool: str, kind: Sequence[str]) -> Iterator[Json]:
    if [*kind] in ([], ["custom"]):
        yield from volumes.members(world, project, pool)
    for (owner, name), instance in sorted(world.instances.items()):
        type_ = instance.document["type"]
        if instance.pool == pool and project in (owner, ALL_PROJECTS) and [*kind] in ([], [type_]):
            yield _root_volume(world, owner, pool, type_, name)


def create(world: World, project: str, parts: Sequence[str], body: Json) -> None:
    """POST of anything but instances."""
    if place := entities.place_of(world, project, parts):
        entities.create(world, place, body)
        return
    match parts:
        case ["images", "aliases"]:
            images.add_alias(world, project, body)
        case ["storage-pools", pool, "volumes", "custom"]:
            volumes.create(world, project, pool, body)
        case ["storage-pools", pool, "volumes", "custom", name]:
            volumes.rename(world, volumes.key_of(world, project, pool, name), body["name"])
        case _:
            raise NotFound("not found")


def replace(world: World, project: str, parts: Sequence[str], body: Json) -> None:
    """PUT."""
    if place := entities.place_of(world, project, parts):
        entities.replace(world, place, body)
        return
    match parts:
        case ["instances", name]:
            instances.replace(world, world.instance(name, project), body)
        case ["instances", name, "state"]:
            instances.change_state(world, project, world.instance(name, project), body)
        case ["instances", name, "snapshots", snapshot]:
            world.instance(name, project).snapshots[snapshot].document["expires_at"] = body["expires_at"]
        case ["storage-pools", pool, "volumes", "custom", name]:
            volumes.replace(world, volumes.key_of(world, project, pool, name), body)
        case ["images", "aliases", name]:
            images.replace_alias(world, project, name, body)
        case ["images", fingerprint]:
            images.replace(world, project, fingerprint, body)
        case _:
            raise ServerError("not implemented")


def delete(world: World, project: str, parts: Sequence[str]) -> None:
    """DELETE."""
    if place := entities.place_of(world, project, parts):
        entities.delete(world, place)
        return
    find(world, project, parts)
    match parts:
        case ["images", "aliases", name]:
            images.delete_alias(world, project, name)
        case ["images", fingerprint]:
            images.delete(world, project, fingerprint)
        case ["storage-pools", pool, "volumes", "custom", name, *rest]:
            volumes.delete(world, volumes.key_of(world, project, pool, name), rest)
        case ["instances", name]:
            instances.delete(world, project, world.instance(name, project))
        case ["instances", name, "snapshots", snapshot]:
            mounts.check_removable({snapshot: world.instance(name, project).snapshots[snapshot]})
            del world.instance(name, project).snapshots[snapshot]
        case ["instances", name, "backups", backup]:
            del world.instance(name, project).backups[backup]
        case _:
            raise ServerError("not implemented")


def etag_of(world: World, project: str, parts: Sequence[str], document: Json) -> str:
    """The ETag of what was found at a path; empty for what has none."""
    if entities.place_of(world, project, parts):
        return entities.etag_of(document)
    if parts[:1] == ["instances"] and len(parts) == 2:
        profiles = [world.profile(name, document["project"]) for name in document["profiles"]]
        return instance_etag({**document, "profiles": profiles})
    return instance_etag(document) if "config" in document or "fingerprint" in document else ""


def is_stale(world: World, project: str, parts: Sequence[str], etag: str) -> bool:
    """Whether a PUT with this ETag is refused."""
    place = entities.place_of(world, project, parts)
    if not etag or (place and not entities.looks_at_etags(place)):
        return False
    return etag != etag_of(world, project, parts, find(world, project, parts))


def staged(instance: Instance, parts: Sequence[str]) -> bytes:
    """GET instances/NAME/backups/BACKUP/export."""
    match parts:
        case [_, _, "backups", name, "export"] if name in instance.backups:
            return instance.backups[name][1]
    raise NotFound("Instance backup not found")
