"""What the server can be asked to do with an image, each with the conditions the real one sets."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from attrs import evolve

from ...errors import ChangedMeanwhile, NotAuthorized, NotFound
from ...model.documents import Document, Json
from ...model.inventory import Resource
from ...model.refs import ResourceRef
from ...ports import ALL_PROJECTS, IncusApi, path_of
from ..common.operations import settle_where
from .definition import body, comparable, definition, grouped

SETTLE_SECONDS = 60.0
"""How long the server may take to hash a large image whose upload has ended."""

_UPLOADING = "Downloading image"  # what the server calls it


def path(fingerprint: str, *more: str) -> str:
    return path_of("images", fingerprint, *more)


def inspect(api: IncusApi, ref: ResourceRef) -> Resource | None:
    """Read an image in all its projects; None when it is in none."""
    found = grouped(api.list("images", project=ALL_PROJECTS)).get(ref)
    return evolve(found, etag=etag(found.document)) if found else None


def reachable_in(api: IncusApi, fingerprint: str, projects: Iterable[str]) -> str:
    """Find a project in which this client may ask for an image: its own, or one that uses the images of that.

    A client that is restricted to some projects sees the images that they use, but not the project of these.
    """
    first, *others = projects
    visible = (str(each["name"]) for each in api.list("projects"))
    for project in dict.fromkeys((first, *others, *visible)):
        with suppress(NotFound, NotAuthorized):
            api.get(path(fingerprint), project=project)
            return project
    return first


def etag(document: Json) -> str:
    """Hash what can change of an image; the server's own leaves out aliases, profiles and expiry."""
    text = json.dumps(comparable(document), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def require(api: IncusApi, fingerprint: str, project: str, expected: Json) -> None:
    """See that an image in one project is defined as it was seen."""
    if definition(api.get(path(fingerprint), project=project).body) != expected:
        raise ChangedMeanwhile(f"the image {fingerprint} in project {project} was changed meanwhile")


def change(api: IncusApi, fingerprint: str, project: str, wanted: Json, *, marked: str = "") -> None:
    """Give an image in one project its definition and its aliases, whatever it has of them."""
    present = api.get(path(fingerprint), project=project)
    if definition(present.body) != wanted or marked:
        put = body(wanted, present.body, marked)
        api.replace(path(fingerprint), put, project=project, etag=present.etag)
    _change_aliases(api, fingerprint, project, definition(present.body)["aliases"], wanted["aliases"])


def unmark(api: IncusApi, fingerprint: str, project: str) -> None:
    """Have an image pass for imported."""
    present = api.get(path(fingerprint), project=project)
    put = body(definition(present.body), present.body)
    api.replace(path(fingerprint), put, project=project, etag=present.etag)


def remove(api: IncusApi, fingerprint: str, project: str) -> None:
    """Delete an image from one project, its aliases with it; fine if it is not there."""
    try:
        api.delete(path(fingerprint), project=project)
    except NotFound:
        return


def _change_aliases(api: IncusApi, fingerprint: str, project: str, before: Json, wanted: Json) -> None:
    for name in before.keys() - wanted.keys():
        _alias(api, fingerprint, project, name)
        api.delete(path_of("images", "aliases", name), project=project)
    for name, description in wanted.items():
        target = {"target": fingerprint, "description": description}
        if name not in before:
            api.create("images/aliases", {"name": name, **target}, project=project)
        elif before[name] != description:
            there = _alias(api, fingerprint, project, name)
            api.replace(path_of("images", "aliases", name), target, project=project, etag=there.etag)


def take_alias(api: IncusApi, fingerprint: str, project: str, name: str, description: str) -> None:
    """Have an alias point to this image, whichever it points to; in one step."""
    there = api.get(path_of("images", "aliases", name), project=project)
    target = {"target": fingerprint, "description": description}
    api.replace(path_of("images", "aliases", name), target, project=project, etag=there.etag)


def _alias(api: IncusApi, fingerprint: str, project: str, name: str) -> Document:
    """Read an alias that someone may have given to another image just now."""
    found = api.get(path_of("images", "aliases", name), project=project)
    if found.body["target"] != fingerprint:
        raise ChangedMeanwhile(f"the alias {name} in project {project} points to another image by now")
    return found


def settle(api: IncusApi, fingerprint: str, projects: tuple[str, ...]) -> None:
    """Wait until the image is neither uploaded into these projects nor deleted from them.

    Raises:
        ServerError: something still is; operations can't be cancelled.
    """
    for project in projects:
        what = f"an image for project {project}, which may be {fingerprint}"
        settle_where(api, project, partial(_may_concern, fingerprint), what, seconds=SETTLE_SECONDS)


def _may_concern(fingerprint: str, operation: Json) -> bool:
    """Whether an operation deletes this image, or uploads one: which, it says when it is nearly done."""
    if operation.get("description") != _UPLOADING:
        return fingerprint in str(operation.get("resources"))
    said = operation.get("metadata") or {}
    if "download_progress" in said:
        return False  # a download of the server's own
    return bool(said.get("fingerprint", fingerprint) == fingerprint)
