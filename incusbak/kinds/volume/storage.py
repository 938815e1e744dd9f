"""What the server can be asked to do with a custom volume, each with the conditions the real one sets."""

import re
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from ...errors import NotFound, ServerError
from ...model.documents import Json
from ...model.inventory import Resource
from ...model.records import VolumeUser
from ...model.refs import ResourceRef
from ...ports import IncusApi
from ..common.custom_volumes import find, listed
from ..common.marks import MARK
from ..common.paths import path
from . import users

ISO = "iso"
_SERVERS_OWN = re.compile(r"storage\.[a-z_]+_volume")
_MARK_WORDS = re.compile(rf"(?: {re.escape(MARK)}\S+)+\Z")


@frozen
class Look:
    """A volume and its users, as they were at one moment."""

    resource: Resource
    users: tuple[VolumeUser, ...]


def observe(api: IncusApi, project: str) -> Iterator[Resource]:
    """Read all custom volumes, a request per pool, and who uses them."""
    found = list(listed(api, project))
    profiles, owner = users.all_profiles(api), users.owners(api)
    for ref, document in found:
        yield Resource(ref, users.completed(ref, document, profiles, owner))


def look(api: IncusApi, ref: ResourceRef) -> Look | None:
    """Read one volume with ETag, snapshots and users; None when it is not there."""
    try:
        read = api.get(path(ref), project=ref.project)
        snapshots = api.list(path(ref, "snapshots"), project=ref.project)
    except NotFound:
        return None
    named = [{**snapshot, "name": snapshot["name"].split("/")[-1]} for snapshot in snapshots]
    named.sort(key=lambda snapshot: str(snapshot["name"]))
    profiles = users.profiles_of(api, read.body)
    document = users.completed(ref, read.body, profiles, users.owners(api))
    if ref.project != "default":
        more = users.in_own_project(api, ref)
        document = {**document, "used_by": sorted({*document["used_by"], *more})}
    found = users.users_of(api, ref, document)
    stops = tuple(user.ref for user in found if user.ran)
    return Look(Resource(ref, document, read.etag, tuple(named), stops), found)


def needed_by_server(api: IncusApi, ref: ResourceRef) -> str:
    """Return the key of the server's configuration that names a volume: for its images, its backups …

    Such volumes are of the default project. Who may not see the configuration can't know.
    """
    if ref.project != "default":
        return ""
    for key, value in sorted((api.get("").body.get("config") or {}).items()):
        if _SERVERS_OWN.fullmatch(key) and str(value).split("/")[:2] == [ref.pool, ref.name]:
            return str(key)
    return ""


def identity(document: Json) -> str:
    """Take the moment it was made: a volume has no uuid, and imports and renames keep that moment."""
    return str(document.get("created_at", ""))


def remove_snapshot(api: IncusApi, ref: ResourceRef, name: str) -> None:
    """Delete a snapshot; fine if there is none."""
    try:
        api.delete(path(ref, "snapshots", name), project=ref.project)
    except NotFound:
        return


# -- marks ------------------------------------------------------------------------------------------


def marks_of(document: Json) -> dict[str, str]:
    """Read this tool's marks, without their prefix. An ISO's are in its description: it takes no config."""
    found = {k: v for k, v in (document.get("config") or {}).items() if k.startswith(MARK)}
    if document.get("content_type") == ISO:
        words = str(document.get("description", "")).split(" ")
        found = dict(word.split("=", 1) for word in words if word.startswith(MARK) and "=" in word)
    return {key.removeprefix(MARK): value for key, value in found.items()}


def marked(document: Json, marks: Json) -> dict[str, Any]:
    """Make the definition of a volume with these marks."""
    if document.get("content_type") == ISO:
        words = "".join(f" {key}={value}" for key, value in marks.items() if " " not in value)
        return {"config": document["config"], "description": f"{document['description']}{words}"}
    return {"config": {**document["config"], **marks}, "description": document["description"]}


def unmarked(document: Json) -> dict[str, Any]:
    """Make the definition of a volume without marks."""
    config = {k: v for k, v in document["config"].items() if not k.startswith(MARK)}
    description = str(document["description"])
    if document.get("content_type") == ISO:
        description = _MARK_WORDS.sub("", description)
    return {"config": config, "description": description}


def unmark(api: IncusApi, ref: ResourceRef) -> None:
    """Take the marks away."""
    read = api.get(path(ref), project=ref.project)
    if marks_of(read.body):
        api.replace(path(ref), unmarked(read.body), project=ref.project, etag=read.etag)


def restore_snapshot(api: IncusApi, ref: ResourceRef, name: str) -> None:
    """Put a volume's content back to that of one of its snapshots."""
    document = find(api, ref)
    if document is None:
        raise ServerError(f"{ref} is gone")
    body = {"config": document["config"], "description": document["description"], "restore": name}
    api.replace(path(ref), body, project=ref.project)
