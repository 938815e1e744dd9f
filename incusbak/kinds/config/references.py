"""What entities refer to: how maps rename it, and what must be there first. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ...model.documents import Json
from ...model.policies import Maps
from ...model.refs import ResourceRef
from ..instance import definition

_POOL_LIMIT = "limits.disk.pool."
_NETWORK_LISTS = ("restricted.networks.access", "restricted.networks.uplinks")
_POOL_LIST = "restricted.storage-pools.access"
_ZONES = ("dns.zone.forward", "dns.zone.reverse.ipv4", "dns.zone.reverse.ipv6")
_ACLS = "security.acls"
_UPLINK = "network"
_ACL_NAME = re.compile(r"(?!\d+$)[0-9A-Za-z-]+")  # never like an address, which has a dot or a colon
ZONE_PROJECTS = "zone_projects"
"""Key of a listed network: the projects of the zones it names, each of which may be in another."""


def names(text: object) -> list[str]:
    """Read a list with commas."""
    return [name for each in str(text or "").split(",") if (name := each.strip())]


# -- renaming ---------------------------------------------------------------------------------------


def renamed(kind: str, document: Json, maps: Maps) -> dict[str, Any]:
    """Rename what a comparable document refers to."""
    found = dict(document)
    match kind:
        case "project":
            found["config"] = dict(_project_keys(document["config"], maps))
        case "network" if _UPLINK in document["config"]:
            uplink = document["config"][_UPLINK]
            found["config"] = {**document["config"], _UPLINK: maps.networks.get(uplink, uplink)}
        case "peer":
            for key, renames in (("target_network", maps.networks), ("target_project", maps.projects)):
                if key in found:
                    found[key] = renames.get(found[key], found[key])
        case "profile":
            found["devices"] = definition.mapped(document, maps)["devices"]
    return found


def _project_keys(config: Json, maps: Maps) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if key.startswith(_POOL_LIMIT):
            pool = key.removeprefix(_POOL_LIMIT)
            yield _POOL_LIMIT + maps.pools.get(pool, pool), value
        elif key in _NETWORK_LISTS:
            yield key, _renamed_list(value, maps.networks)
        elif key == _POOL_LIST:
            yield key, _renamed_list(value, maps.pools)
        else:
            yield key, value


def _renamed_list(text: str, renames: Mapping[str, str]) -> str:
    if renames.keys().isdisjoint(names(text)):
        return text  # as it was written
    return ",".join(dict.fromkeys(renames.get(name, name) for name in names(text)))


# -- what must be there -----------------------------------------------------------------------------


def requires(ref: ResourceRef, wanted: Json) -> frozenset[ResourceRef]:
    """See ``ports.Entity``; in the project as named, whoever owns it there."""
    found = set(_required(ref, wanted))
    if ref.project:
        found.add(ResourceRef("project", name=ref.project))
    return frozenset(found - {ref})


def _required(ref: ResourceRef, wanted: Json) -> Iterator[ResourceRef]:
    config, project = wanted.get("config") or {}, ref.project
    match ref.kind:
        case "project":
            limits = (key for key in config if key.startswith(_POOL_LIMIT))
            yield from (ResourceRef("pool", name=key.removeprefix(_POOL_LIMIT)) for key in limits)
        case "acl":
            for rule in (*(wanted.get("ingress") or ()), *(wanted.get("egress") or ())):
                yield from _subjects(project, rule)
        case "record":
            yield ResourceRef("zone", project=project, name=ref.parent)
        case "network":
            yield from _of_network(project, wanted)
        case "forward" | "load-balancer":
            yield ResourceRef("network", project=project, name=ref.parent)
        case "peer":
            yield ResourceRef("network", project=project, name=ref.parent)
            if integration := wanted.get("target_integration"):
                yield ResourceRef("integration", name=integration)
        case "profile":
            yield from _of_devices(project, wanted)


def _subjects(project: str, rule: Json) -> Iterator[ResourceRef]:
    """The ACLs and address sets a rule names; the server refuses a rule that names another ACL not there."""
    for subject in names(rule.get("source")) + names(rule.get("destination")):
        if subject.startswith("$"):
            yield ResourceRef("address-set", project=project, name=subject[1:])
        elif _ACL_NAME.fullmatch(subject):
            yield ResourceRef("acl", project=project, name=subject)


def names_itself(name: str, rule: Json) -> bool:
    return name in names(rule.get("source")) + names(rule.get("destination"))


def _of_network(project: str, wanted: Json) -> Iterator[ResourceRef]:
    config, projects = wanted.get("config") or {}, wanted.get(ZONE_PROJECTS) or {}
    for acl in names(config.get(_ACLS)):
        yield ResourceRef("acl", project=project, name=acl)
    for zone in _zones(config):
        yield ResourceRef("zone", project=projects.get(zone, project), name=zone)
    if config.get(_UPLINK, "none") != "none":
        yield ResourceRef("network", project="default", name=config[_UPLINK])


def _of_devices(project: str, wanted: Json) -> Iterator[ResourceRef]:
    for device in (wanted.get("devices") or {}).values():
        if device.get("type") == "nic":
            for acl in names(device.get(_ACLS)):
                yield ResourceRef("acl", project=project, name=acl)
    for ref in definition.references({"devices": wanted.get("devices") or {}}, project):
        if ref.kind != "volume":  # the server takes a profile whose custom volume is missing
            yield ref


def _zones(config: Json) -> list[str]:
    return [zone for key in _ZONES for zone in names(config.get(key))]


def zone_projects(network: Json, state: Json) -> Mapping[str, str]:
    """Find the projects of the zones a network names: zone names are unique on a server, and any will do."""
    there = {zone["name"]: zone.get("project") or "default" for zone in state.get("network_zones") or ()}
    return {name: there[name] for name in _zones(network.get("config") or {}) if name in there}


def held(url: str) -> str:
    """Name what a URL of ``used_by`` is of, unless that is configuration itself; empty then."""
    match unquote(urlsplit(url).path).split("/")[2:]:
        case ["instances", name]:
            return f"instance {name}"
        case ["images", fingerprint]:
            return f"image {fingerprint[:12]}"
        case ["storage-pools", pool, "volumes", "custom", name]:
            return f"volume {pool}/{name}"
        case ["storage-pools", pool, "buckets", name]:
            return f"bucket {pool}/{name}"
    return ""
