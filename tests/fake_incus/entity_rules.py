"""What the server refuses to do with its configuration, and what it adds by itself."""

import re
from collections.abc import Iterator
from typing import Any

from incusbak.errors import NotFound, ServerError
from incusbak.model.documents import Json

from .world import Document, World

_ZONE_KEYS = ("dns.zone.forward", "dns.zone.reverse.ipv4", "dns.zone.reverse.ipv6")
_ACL_NAME = re.compile(r"(?!\d+$)[0-9A-Za-z-]+")


def _names(text: object) -> list[str]:
    return [each.strip() for each in str(text or "").split(",") if each.strip()]


# -- additions --------------------------------------------------------------------------------------


def filled(collection: str, body: Json) -> dict[str, str]:
    """Give a new bridge the addresses that nobody spoke of."""
    config: dict[str, str] = dict(body.get("config") or {})
    if collection != "networks" or body.get("type", "bridge") != "bridge":
        return config
    for family, address in (("ipv4", "10.158.56.1/24"), ("ipv6", "fd42:e01c:5fc4:89a1::1/64")):
        if config.get(f"{family}.address", "auto") == "auto":
            config |= {f"{family}.address": address, f"{family}.nat": "true"}
    return config


def switch_profiles(world: World, project: str, config: Json) -> None:
    """A project's default profile comes and goes with the feature."""
    before = world.projects[project]["config"].get("features.profiles") == "true"
    after = config.get("features.profiles") == "true"
    if before and not after:
        del world.profiles[project, "default"]
    if after and not before:
        world.add_profile("default", project=project)


# -- refusals ---------------------------------------------------------------------------------------


def check(world: World, collection: str, project: str, body: Json, *, present: Json | None = None) -> None:
    """Refuse a POST, or a PUT of what is ``present``, as the server would."""
    match collection:
        case "projects":
            _check_project(world, body, present)
        case "storage-pools":
            source = (body.get("config") or {}).get("source", "")
            if present is not None and source != present["config"].get("source", ""):
                raise ServerError("Pool source cannot be changed when not in pending state")
        case "network-acls":
            _check_subjects(world, project, body, itself=body["name"] if present else "")
        case "networks":
            _check_network(world, project, body)
        case "profiles":
            _check_devices(world, project, body)


def _check_project(world: World, body: Json, present: Json | None) -> None:
    config = body.get("config") or {}
    for key in config:
        pool = key.removeprefix("limits.disk.pool.")
        if pool != key and pool not in world.pools:
            raise ServerError(f'Invalid project configuration key "{key}"')
    if present is None:
        return
    changed = {key for key in config.keys() | present["config"].keys() if key.startswith("features.")}
    changed = {key for key in changed if config.get(key) != present["config"].get(key)}
    if changed and list(_contents(world, body["name"])):
        raise ServerError(f"Project feature {min(changed)} cannot be disabled on non-empty projects")
    was = present["config"].get("features.profiles")
    if was == "false" and "features.profiles" in changed and config.get("features.profiles") != "true":
        raise NotFound("Delete project default profile: Profile not found")


def check_empty(world: World, project: str) -> None:
    if list(_contents(world, project)):
        raise ServerError("Only empty projects can be removed.")


def _contents(world: World, project: str) -> Iterator[object]:
    for shelf in (world.instances, world.volumes, world.networks, world.images):
        yield from (key for key in shelf if key[0] == project)
    yield from (key for key in world.profiles if key[0] == project and key[1] != "default")
    yield from (key for key in world.entities if key[1] == project)


def _check_subjects(world: World, project: str, acl: Json, *, itself: str) -> None:
    for subject in _subjects(acl):
        kind = "network-address-sets" if subject.startswith("$") else "network-acls"
        if (kind, project, "", subject.removeprefix("$")) not in world.entities and subject != itself:
            raise ServerError(f'Invalid ingress rule: Invalid Source: Invalid subject "{subject}"')


def _subjects(acl: Json) -> Iterator[str]:
    for rule in (*(acl.get("ingress") or ()), *(acl.get("egress") or ())):
        for subject in _names(rule.get("source")) + _names(rule.get("destination")):
            if subject.startswith("$") or _ACL_NAME.fullmatch(subject):
                yield subject


def _check_network(world: World, project: str, body: Json) -> None:
    config = body.get("config") or {}
    _check_acls(world, project, config)
    zones = {name for collection, _, _, name in world.entities if collection == "network-zones"}
    for key in _ZONE_KEYS:
        if missing := [zone for zone in _names(config.get(key)) if zone not in zones]:
            raise ServerError(f'Invalid "{key}", network zone "{missing[0]}" not found')


def _check_acls(world: World, project: str, config: Json, where: str = "") -> None:
    for acl in _names(config.get("security.acls")):
        if ("network-acls", project, "", acl) not in world.entities:
            raise ServerError(f'{where}Network ACL "{acl}" does not exist')


def _check_devices(world: World, project: str, body: Json) -> None:
    owner = world.owner(project, "networks")
    for name, device in (body.get("devices") or {}).items():
        if device.get("type") == "nic":
            if "network" in device and (owner, device["network"]) not in world.networks:
                raise ServerError(f'Device validation failed for "{name}": Network not found')
            _check_acls(world, owner, device, f'Device validation failed for "{name}": ')


# -- users ------------------------------------------------------------------------------------------


def users(world: World, collection: str, document: Json) -> list[str]:
    """The names of what uses something, which therefore can't be deleted."""
    name, project = str(document.get("name", "")), str(document.get("project", ""))
    match collection:
        case "storage-pools":
            return [
                *_devices(world, "disk", "pool", name),
                *(v for _, pool, v in world.volumes if pool == name),
            ]
        case "networks":
            return _devices(world, "nic", "network", name)
        case "network-acls":
            return [*_devices(world, "nic", "security.acls", name), *_acl_users(world, name, project)]
        case "network-address-sets":
            return _acl_users(world, f"${name}", project)
        case "network-zones":
            return [other for (_, other), network in world.networks.items() if name in _zones(network)]
        case "projects":
            return [
                *(f"/1.0/instances/{n}?project={p}" for p, n in world.instances if p == name),
                *(
                    f"/1.0/storage-pools/{pool}/volumes/custom/{v}?project={p}"
                    for p, pool, v in world.volumes
                    if p == name
                ),
            ]
        case "profiles":
            return [other for (p, other), i in world.instances.items() if _has_profile(world, p, i, document)]
    return []


def _devices(world: World, type_: str, key: str, name: str) -> list[str]:
    holders: list[tuple[str, Document]] = [(n, p) for (_, n), p in world.profiles.items()]
    holders += [(n, i.document) for (_, n), i in world.instances.items()]
    return [
        user
        for user, holder in holders
        if any(d.get("type") == type_ and name in _names(d.get(key)) for d in holder["devices"].values())
    ]


def _acl_users(world: World, subject: str, project: str) -> list[str]:
    networks = [
        name
        for (owner, name), network in world.networks.items()
        if owner == project and subject in _names(network["config"].get("security.acls"))
    ]
    acls = [
        name
        for (collection, owner, _, name), acl in world.entities.items()
        if (collection, owner) == ("network-acls", project) and name != subject and subject in _subjects(acl)
    ]
    return networks + acls


def _zones(network: Json) -> list[str]:
    return [zone for key in _ZONE_KEYS for zone in _names(network["config"].get(key))]


def _has_profile(world: World, project: str, instance: Any, profile: Json) -> bool:
    is_here = world.owner(project, "profiles") == profile["project"]
    return is_here and profile["name"] in (instance.document.get("profiles") or ())
