"""Who uses a volume: instances, and profiles whose instances use it through them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from ...errors import NotFound, ServerError, ServerUnavailable
from ...model.documents import Document, Json
from ...model.facts import Foreseen
from ...model.records import VolumeUser
from ...model.refs import ResourceRef, instance_ref
from ...ports import ALL_PROJECTS, IncusApi
from ..common.attempts import Attempts
from ..common.paths import path
from ..instance import lifecycle, room
from ..instance.definition import definition

Owner = Callable[[str], str]
"""Tells in which project a project keeps its volumes."""

_EXPANDED = "expanded_devices"
_FEATURE = "features.storage.volumes"
_WRITABLE = ("config", "description", "devices")
"""What a PUT of a profile takes."""


# -- what documents say -----------------------------------------------------------------------------


def refs_in(document: Json) -> Iterator[ResourceRef]:
    """Read ``used_by``: instances and profiles, each with its project."""
    for url in document.get("used_by") or ():
        parts = urlsplit(str(url))
        project = parse_qs(parts.query).get("project", ["default"])[0]
        match parts.path.split("/")[2:]:
            case ["instances", name]:
                yield instance_ref(project, unquote(name))
            case ["profiles", name]:
                yield ResourceRef("profile", project=project, name=unquote(name))


def completed(
    volume: ResourceRef, document: Json, profiles: Mapping[ResourceRef, Json], owner: Owner
) -> Json:
    """Name in ``used_by`` also the profiles that use a volume, and who uses it through them.

    The server tells of profiles only when asked for one project, and never of those who use them.
    """
    urls = {str(url) for url in document.get("used_by") or ()}
    for ref, profile in profiles.items():
        if owner(ref.project) == volume.project and devices_on(volume, profile):
            urls.add(_url(ref))
            through = [each for each in refs_in(profile) if owner(each.project) == volume.project]
            urls |= {_url(each) for each in through}
    return {**document, "used_by": sorted(urls)}


def _url(ref: ResourceRef) -> str:
    """The URL of an instance or a profile, as the server writes it."""
    suffix = "" if ref.project == "default" else f"?project={quote(ref.project)}"
    return f"/1.0/{path(ref)}{suffix}"


def devices_on(volume: ResourceRef, document: Json, part: str = "devices") -> dict[str, Json]:
    """Find the devices that are on a volume."""
    return {
        name: device
        for name, device in (document.get(part) or {}).items()
        if device.get("type") == "disk"
        and device.get("pool") == volume.pool
        and str(device.get("source", "")).split("/")[0] == volume.name
    }


# -- what the server says ---------------------------------------------------------------------------


def all_profiles(api: IncusApi) -> Mapping[ResourceRef, Json]:
    """Read the profiles of all projects in one request."""
    listed = api.list("profiles", project=ALL_PROJECTS)
    return {ResourceRef("profile", project=str(p["project"]), name=str(p["name"])): p for p in listed}


def profiles_of(api: IncusApi, document: Json) -> Mapping[ResourceRef, Json]:
    """Read the profiles that use a volume."""
    wanted = [ref for ref in refs_in(document) if ref.kind == "profile"]
    found = {ref: _read(api, ref) for ref in wanted}
    return {ref: read.body for ref, read in found.items() if read is not None}


def owners(api: IncusApi) -> Owner:
    """Read where each project keeps its volumes."""
    own = {p["name"] for p in api.list("projects") if p["config"].get(_FEATURE) == "true"}
    return lambda project: project if project in own else "default"


def users_of(api: IncusApi, volume: ResourceRef, document: Json) -> tuple[VolumeUser, ...]:
    """Read all users of a volume whose ``used_by`` is complete."""
    users = []
    for ref in refs_in(document):
        read = _read(api, ref)
        if read is None:
            continue
        if ref.kind == "profile":
            users.append(VolumeUser(ref, read.body))
        elif devices_on(volume, read.body, _EXPANDED):
            users.append(VolumeUser(ref, read.body, lifecycle.is_running(read.body)))
    return tuple(sorted(users, key=lambda user: user.ref))


def in_own_project(api: IncusApi, volume: ResourceRef) -> tuple[str, ...]:
    """List who uses a volume of their own project, maybe through a profile of the default one.

    The server does not know of them: it takes the profile's device for one on the default project's volume.
    """
    listed = api.list("instances", project=volume.project)
    found = [instance_ref(volume.project, d["name"]) for d in listed if devices_on(volume, d, _EXPANDED)]
    return tuple(_url(ref) for ref in found)


def foresee(api: IncusApi, document: Json) -> Foreseen:
    """Say of those who use a volume what their root disks have no room for."""
    read = {ref: _read(api, ref) for ref in refs_in(document) if ref.kind == "instance"}
    found = [room.foresee(api, ref, each.body) for ref, each in read.items() if each is not None]
    return Foreseen(
        warnings=tuple(warning for each in found for warning in each.warnings),
        grows=tuple(growth for each in found for growth in each.grows),
    )


def _read(api: IncusApi, ref: ResourceRef) -> Document | None:
    try:
        return api.get(path(ref), project=ref.project)
    except NotFound:
        return None


# -- what is done to them ---------------------------------------------------------------------------


def see_changeable(api: IncusApi, profile: ResourceRef) -> None:
    """Give a profile the definition that it has.

    Raises:
        ServerError: it can't be changed, by whoever we are or for those who use it; nobody was stopped.
    """
    read = _read(api, profile)
    if read is None:
        return
    try:
        api.replace(path(profile), _definition(profile, read.body), project=profile.project, etag=read.etag)
    except ServerUnavailable:
        raise
    except ServerError as error:
        error.message = f"the server refuses to change {profile}, nobody was stopped: {error.message}"
        raise


def stop(api: IncusApi, users: Iterable[VolumeUser]) -> None:
    """Stop those that ran; ephemeral ones stay there."""
    for user in _running(api, users):
        lifecycle.set_ephemeral(api, user.ref, False)
        lifecycle.stop(api, user.ref)


def detach(api: IncusApi, volume: ResourceRef, users: Iterable[VolumeUser]) -> None:
    """Take the volume away from everyone, so that renaming it does not rewrite their devices."""
    for user in users:
        ours = devices_on(volume, user.document)
        read = _read(api, user.ref) if ours else None
        if read is not None and ours.keys() & read.body["devices"].keys():
            _put_devices(api, user.ref, read, without=ours)


def attach(api: IncusApi, volume: ResourceRef, users: Iterable[VolumeUser]) -> None:
    """Give everyone back the devices that they had on the volume, exactly; all that is possible.

    Raises:
        ServerError: not all can have them.
    """
    attempts = Attempts()
    for user in users:
        ours = devices_on(volume, user.document)
        edit = "config edit" if user.ref.kind == "instance" else "profile edit"
        by_hand = f"incus {edit} {user.ref.name} --project {user.ref.project}"
        with attempts.at(f"giving {user.ref} its devices back", by_hand):
            read = _read(api, user.ref) if ours else None
            if read is not None and not ours.keys() <= read.body["devices"].keys():
                _put_devices(api, user.ref, read, add=ours)
    attempts.check()


def _put_devices(
    api: IncusApi, ref: ResourceRef, read: Document, *, add: Json | None = None, without: Iterable[str] = ()
) -> None:
    gone = frozenset(without)
    devices = {name: d for name, d in read.body["devices"].items() if name not in gone} | dict(add or {})
    body = {**_definition(ref, read.body), "devices": devices}
    try:
        api.replace(path(ref), body, project=ref.project, etag=read.etag)
    except ServerUnavailable:
        raise
    except ServerError:
        again = _read(api, ref)  # it may say that it failed and have done it: on a full disk, say
        if again is None or again.body["devices"] != devices:
            raise


def _definition(ref: ResourceRef, document: Json) -> dict[str, Any]:
    if ref.kind == "instance":
        return definition(document)
    return {key: document[key] for key in _WRITABLE}


def start(api: IncusApi, volume: ResourceRef, users: Iterable[VolumeUser]) -> None:
    """Bring those that ran back to the state they were in, all that is possible; nobody without the volume.

    Raises:
        ServerError: not all of them can be.
    """
    attempts = Attempts()
    for user in users:
        by_hand = f"incus start {user.ref.name} --project {user.ref.project}"
        present = lifecycle.find(api, user.ref) if user.ref.kind == "instance" else None
        with attempts.at(f"putting {user.ref} back as it was", by_hand if user.ran else ""):
            if present is not None:
                _put_back_state(api, volume, user, present)
    attempts.check()


def _put_back_state(api: IncusApi, volume: ResourceRef, user: VolumeUser, present: Json) -> None:
    had = devices_on(volume, user.document, _EXPANDED)
    if user.ran and not had.keys() <= devices_on(volume, present, _EXPANDED).keys():
        raise ServerError(f"it has not got its devices on {volume} back, so it is not started")
    if user.ran:
        lifecycle.start(api, user.ref)
    if user.widened:
        room.take_back(api, user.ref, user.document)
    if not user.ran:
        return
    lifecycle.set_ephemeral(api, user.ref, bool(user.document.get("ephemeral")))
    is_frozen = (lifecycle.find(api, user.ref) or {}).get("status") == "Frozen"
    if user.document["status"] == "Frozen" and not is_frozen:
        lifecycle.change_state(api, user.ref, "freeze", timeout=lifecycle.STOP_SECONDS)


def _running(api: IncusApi, users: Iterable[VolumeUser]) -> Iterator[VolumeUser]:
    for user in users:
        if user.ran and lifecycle.is_running(lifecycle.find(api, user.ref) or {}):
            yield user


def not_running(api: IncusApi, users: Iterable[VolumeUser]) -> tuple[ResourceRef, ...]:
    """Name those that ran, are there and do not run."""
    ran = {user.ref: lifecycle.find(api, user.ref) for user in users if user.ran}
    return tuple(ref for ref, found in ran.items() if found is not None and not lifecycle.is_running(found))
