"""What projects with limits or restrictions refuse, and what they do to volatile keys."""

import re
from collections.abc import Iterator

from incusbak.errors import NotFound, ServerError
from incusbak.model.documents import Json

from .world import Document, Instance, World, mebibytes

_FREE = re.compile(r"volatile\.(apply_template|base_image|last_state\.power|.*\.(apply_quota|hwaddr))")
_IDENTITY = ("volatile.uuid", "volatile.uuid.generation")
_ID_MAP = re.compile(r"volatile\.(idmap\.(base|next)|last_state\.idmap)")
SUMMED = ("limits.cpu", "limits.memory", "limits.processes")
_COUNTED = {
    "limits.instances": "",
    "limits.containers": "container",
    "limits.virtual-machines": "virtual-machine",
}


def is_limited(world: World, project: str) -> bool:
    config = world.projects[project]["config"]
    return config.get("restricted") == "true" or any(key.startswith("limits.") for key in config)


def is_guarded(world: World, project: str, document: Json) -> bool:
    """Whether volatile keys are guarded: 6.0 does that where there are only limits as well."""
    low_level = {"container": "restricted.containers.lowlevel"}.get(document["type"], "")
    config = world.projects[project]["config"]
    is_meant = config.get("restricted") == "true" or not world.takes_guarded
    return is_meant and is_limited(world, project) and config.get(low_level) != "allow"


def check_change(world: World, instance: Instance, body: Json) -> None:
    """A PUT may set no guarded key, and change none; leaving them out is another matter."""
    document = instance.document
    if not is_guarded(world, document["project"], document):
        return
    for key, value in (body.get("config") or {}).items():
        if _is_kept(key) and instance.config.get(key) != value:
            deed = "Changing" if key in instance.config else "Setting"
            raise ServerError(_forbidden(deed, key, document))


def check_new(world: World, project: str, document: Json, *, strips: bool) -> None:
    """An instance that comes in is counted beside those that are there."""
    if project not in world.projects:
        raise NotFound("Project not found")
    if not is_limited(world, project):
        return
    here = [each.document for (owner, _), each in world.instances.items() if owner == project]
    config = world.projects[project]["config"]
    for key, type_ in _COUNTED.items():
        counted = [each for each in here if type_ in ("", each["type"])]
        if key in config and type_ in ("", document["type"]) and len(counted) >= int(config[key]):
            raise ServerError(f'Reached maximum number of instances in project "{project}"')
    if not strips and is_guarded(world, project, document):
        for key in document["config"]:
            if _is_kept(key):
                raise ServerError(_forbidden("Setting", key, {**document, "project": project}))
    _check_sums(world, project, [*here, {**document, "project": project}])


def _check_sums(world: World, project: str, documents: list[Json]) -> None:
    config = world.projects[project]["config"]
    for key in SUMMED:
        if key not in config:
            continue
        total = 0
        for document in documents:
            value = world.expanded(document)["expanded_config"].get(key)
            if not value:
                name = document["name"]
                raise ServerError(f'Instance "{name}" in project "{project}" has no "{key}" config')
            total += mebibytes(value)
        if total > mebibytes(config[key]):
            raise ServerError(f'Reached maximum aggregate value "{config[key]}" for "{key}"')


def stripped(world: World, project: str, document: Document) -> None:
    """Take from an instance on its way in what is guarded, but how its files lie on disk."""
    if is_guarded(world, project, document):
        kept = {k: v for k, v in document["config"].items() if not _is_kept(k) or _ID_MAP.fullmatch(k)}
        document["config"] = kept


def identified(world: World, document: Document) -> None:
    """Give it the ids that it lacks."""
    identity = world.unique()
    for key in _IDENTITY:
        document["config"].setdefault(key, identity)
    document["config"].setdefault("volatile.cloud-init.instance-id", world.unique())


def state_of(world: World, project: str) -> Document:
    """GET projects/NAME/state."""
    if project not in world.projects:
        raise NotFound("Project not found")
    return {"resources": dict(_resources(world, project))}


def _resources(world: World, project: str) -> Iterator[tuple[str, Document]]:
    config = world.projects[project]["config"]
    here = [world.expanded(each.document) for (owner, _), each in world.instances.items() if owner == project]
    for key, type_ in _COUNTED.items():
        used = len([document for document in here if type_ in ("", document["type"])])
        yield key.removeprefix("limits."), {"Limit": int(config.get(key, -1)), "Usage": used}
    for key in SUMMED:
        used = sum(mebibytes(document["expanded_config"].get(key, "0")) for document in here)
        limit = mebibytes(config[key]) if key in config else -1
        yield key.removeprefix("limits."), {"Limit": limit, "Usage": used}


def _is_kept(key: str) -> bool:
    return key.startswith("volatile.") and not _FREE.fullmatch(key)


def _forbidden(deed: str, key: str, document: Json) -> str:
    name, project = document["name"], document["project"]
    return f'{deed} "{key}" on {document["type"]} "{name}" in project "{project}" is forbidden'
