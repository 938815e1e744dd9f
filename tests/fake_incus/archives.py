"""Small real archives in the layout of Incus exports, written and read."""

import gzip
import io
import json
import re
import sys
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from attrs import frozen
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import ScalarNode

from incusbak.errors import OperationFailed, ServerError
from incusbak.model.documents import Json

from .copying import copied
from .world import Content, Document, Files, Instance, Snapshot, World

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_TIME = re.compile(r"'(\d{4}-\d\d-\d\dT[\d:.]+Z)'")
_MISREAD = re.compile(r"\\[abdfnrtv?\\0-7]")
_PATTERN = re.compile(r"[\\\[*]|\$\Z")
_NO_PATTERN = re.compile(r"\[[^\]]*\Z|\\\Z|\\[()]")
_PRINTABLE = re.compile(rb"[\n -~]*")


@frozen
class Contents:
    """What an archive holds: the index, the definition, and the files of the instance and its snapshots."""

    index: dict[str, Any]
    definition: dict[str, Any]
    files: Files
    snapshots: Mapping[str, Files]


def pack(
    world: World, instance: Instance, *, instance_only: bool, optimized: bool, compression: str
) -> bytes:
    """Write the export of an instance."""
    folder, driver = instance.document["type"], world.pools[instance.pool]["driver"]
    optimized = optimized and driver in ("btrfs", "zfs")
    snapshots = {} if instance_only else instance.snapshots
    definition = {
        "container": world.expanded(instance.document),
        "pool": world.pools[instance.pool],
        "profiles": [
            world.profile(name, instance.document["project"]) for name in instance.document["profiles"]
        ],
        "snapshots": [snapshot.document for snapshot in snapshots.values()],
        "volume": {"name": instance.document["name"], "project": instance.document["project"], "config": {}},
    }
    index = {
        "name": instance.document["name"],
        "backend": driver,
        "pool": instance.pool,
        "snapshots": list(snapshots),
        "optimized": optimized,
        "optimized_header": optimized,
        "type": folder,
        "config": definition,
    }
    own = {"backup.yaml": _yaml(definition, world)}
    below = _snapshots_of(folder)
    if folder == "container" or optimized:
        volumes = {f"{below}/{name}": _rooted(snapshot.files) for name, snapshot in snapshots.items()}
        members = _members({**volumes, folder: own | _rooted(instance.files)}, optimized=optimized)
    else:
        members = {f"{below}/{name}.img": _tar(snapshot.files) for name, snapshot in snapshots.items()}
        members |= {**_members({folder: own}, optimized=False), f"{folder}.img": _tar(instance.files)}
    members = {"index.yaml": _yaml(index, world), **members}
    return _compress(_tar({f"backup/{name}": content for name, content in members.items()}), compression)


def pack_volume(
    world: World, key: tuple[str, str, str], *, volume_only: bool, optimized: bool, compression: str
) -> bytes:
    """Write the export of a custom volume."""
    document, content, driver = world.volumes[key], world.content(key), world.pools[key[1]]["driver"]
    optimized = optimized and driver in ("btrfs", "zfs")
    snapshots = {} if volume_only else content.snapshots
    index = {
        "name": document["name"],
        "backend": driver,
        "pool": key[1],
        "snapshots": list(snapshots),
        "optimized": optimized,
        "optimized_header": optimized,
        "type": "custom",
        "config": {"volume": document, "volume_snapshots": [each.document for each in snapshots.values()]},
    }
    volumes = {f"volume-snapshots/{name}": each.files for name, each in snapshots.items()}
    volumes |= {"volume": content.files}
    if document["content_type"] == "block" and not optimized:
        members: Files = {f"{name}.img": files.get("", b"\0") for name, files in volumes.items()}
    else:
        members = _members(volumes, optimized=optimized)
    named = {f"backup/{name}": data for name, data in {"index.yaml": _yaml(index, world), **members}.items()}
    return _compress(_tar(named), compression)


def unpack_volume(data: bytes) -> tuple[Document, Content, Document]:
    """Read the export of a custom volume: its document, what is in it, and the index."""
    members = _untar(_decompress(data))
    if "backup/index.yaml" not in members:
        raise ServerError("Backup is missing index.yaml")
    index = _load(members["backup/index.yaml"])
    snapshots = {each["name"]: each for each in index["config"].get("volume_snapshots") or ()}

    def files_of(name: str) -> Files:
        if index["optimized"]:
            return _untar(members[f"backup/{name}.bin"])
        if f"backup/{name}.img" in members:
            return {"": members[f"backup/{name}.img"]}
        _check_found(name)
        start = f"backup/{name}/"
        cut = "" if _PATTERN.search(name) else start
        return {path.removeprefix(cut): each for path, each in members.items() if path.startswith(start)}

    of_snapshots = {
        name: Snapshot(snapshots[name], files_of(f"volume-snapshots/{name}"))
        for name in index.get("snapshots") or ()
    }
    return index["config"]["volume"], Content(files_of("volume"), of_snapshots), index


def _check_found(name: str) -> None:
    """The server tells its tar which member to unpack, and of volumes by a pattern where to."""
    if name.startswith("volume-snapshots/") and _NO_PATTERN.search(name):
        raise OperationFailed("Create custom volume from backup: tar: Invalid transform expression")
    if name.endswith(("/.", "/..")):
        raise OperationFailed(f"Create instance from backup: tar: backup/{name}: Member name contains '..'")
    if _MISREAD.search(name):
        raise OperationFailed(f"Create instance from backup: tar: backup/{name}: Not found in archive")


def _snapshots_of(instance_type: str) -> str:
    return "snapshots" if instance_type == "container" else "virtual-machine-snapshots"


def _rooted(files: Files) -> Files:
    return {"rootfs/": b"", **files}


def _members(volumes: Mapping[str, Files], *, optimized: bool) -> Files:
    """Lay volumes out file by file, each below its folder, or each as one stream."""
    if optimized:
        return {f"{name}.bin": _tar(files) for name, files in volumes.items()}
    found = {f"{name}/": b"" for name in volumes}
    return found | {f"{name}/{path}": data for name, files in volumes.items() for path, data in files.items()}


def index_of(data: bytes) -> dict[str, Any]:
    """Read the index alone."""
    try:
        with tarfile.open(fileobj=io.BytesIO(_decompress(data))) as archive:
            file = archive.extractfile("backup/index.yaml")
            return _load(file.read() if file else b"{}")
    except (KeyError, tarfile.TarError):
        raise ServerError("Backup is missing index.yaml") from None


def unpack(data: bytes) -> Contents:
    """Read an archive as the server does: one cut between two members is taken for a whole one."""
    members = _untar(_decompress(data))
    index = index_of(data)
    folder, names = index["type"], index.get("snapshots") or []

    def files_of(name: str) -> Files:
        if index["optimized"]:
            return _untar(members[f"backup/{name}.bin"])
        _check_found(name)
        start = f"backup/{name}/"
        files = {path.removeprefix(start): data for path, data in members.items() if path.startswith(start)}
        image = members.get(f"backup/{name}.img")
        return files if image is None else {**files, **_untar(image)}

    own = files_of(folder)
    if "backup.yaml" not in own:
        raise OperationFailed("Create instance from backup: backup.yaml: no such file or directory")
    definition = _load(own.pop("backup.yaml"))
    snapshots = {name: files_of(f"{_snapshots_of(folder)}/{name}") for name in names}
    return Contents(index, definition, own, snapshots)


def _tar(files: Mapping[str, bytes]) -> bytes:
    """Write an archive whose first member is the index; its end mark is two empty blocks."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files, key=lambda name: (name != "backup/index.yaml", name)):
            member = tarfile.TarInfo(path.rstrip("/"))
            member.type = tarfile.DIRTYPE if path.endswith("/") else tarfile.REGTYPE
            member.size, member.mtime = len(files[path]), 1_700_000_000
            archive.addfile(member, io.BytesIO(files[path]))
    return buffer.getvalue()


def _untar(data: bytes) -> Files:
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            found = {}
            for member in archive:
                if member.isdir():
                    continue
                file = archive.extractfile(member)
                found[member.name] = file.read() if file else b""
            return found
    except tarfile.TarError as error:
        raise OperationFailed(f"Create instance from backup: Unexpected EOF in archive: {error}") from error


def _compress(data: bytes, algorithm: str) -> bytes:
    match algorithm.split()[0]:
        case "none":
            return data
        case "gzip":
            return gzip.compress(data, mtime=0)
        case "zstd":
            return zstd.compress(data)
    raise ServerError(f"Compression algorithm {algorithm!r} isn't currently supported")


def _decompress(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstd.decompress(data)
    if data[257:262] != b"ustar":
        raise ServerError("Unsupported compression")
    return data


def _yaml(document: Json, world: World) -> bytes:
    """Write times bare, as the server does: a careless reader takes them for dates."""
    text = json.dumps(_plain(document), sort_keys=True)
    return text.encode() if world.writes_json else _yaml_of(text)


@lru_cache(maxsize=1000)  # YAML is slow, and tests export the same instance hundreds of times
def _yaml_of(text: str) -> bytes:
    buffer = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(json.loads(text), buffer)
    return _TIME.sub(r"\1", buffer.getvalue()).encode()


class _TimesAsText(SafeConstructor):
    """Leaves times as they are written."""


def _text(_: SafeConstructor, node: ScalarNode) -> str:
    return str(node.value)


_TimesAsText.add_constructor("tag:yaml.org,2002:timestamp", _text)


def _load(content: bytes) -> dict[str, Any]:
    return copied(_loaded(content))


@lru_cache(maxsize=1000)
def _loaded(content: bytes) -> dict[str, Any]:
    """JSON is YAML, and read quickly; what has characters that YAML may refuse is read as what it is."""
    with suppress(ValueError):
        if _PRINTABLE.fullmatch(content):
            return dict(json.loads(content))
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _TimesAsText
    loaded: dict[str, Any] = yaml.load(content.decode())
    return loaded


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
