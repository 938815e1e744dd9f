"""Images: their content, the multipart body of those that are two files, and their aliases."""

import hashlib
from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from incusbak.errors import Conflict, NotFound, OperationFailed, ServerError
from incusbak.model.documents import Json
from incusbak.ports import ALL_PROJECTS

from .world import NEVER, Document, Image, World

DESCRIPTION = "Downloading image"
"""What the server calls an upload; until it is nearly done it does not say of which image."""

_BOUNDARY = "0123456789abcdef"
_UNIFIED = ""
_WRITABLE = ("auto_update", "expires_at", "profiles", "properties", "public")


def fingerprint_of(files: Mapping[str, bytes]) -> str:
    return hashlib.sha256(b"".join(files.values())).hexdigest()


def add(world: World, *contents: bytes, project: str = "default", **parts: object) -> str:
    """Put an image of one file there, or one of metadata and root disk; return its fingerprint."""
    fields = ("metadata", "rootfs") if len(contents) > 1 else (_UNIFIED,)
    image = Image(Document(), dict(zip(fields, contents, strict=True)))
    fingerprint = fingerprint_of(image.files)
    image.document |= _blank(world, project, fingerprint, image.files) | parts
    world.images[project, fingerprint] = image
    return fingerprint


def _blank(world: World, project: str, fingerprint: str, files: Mapping[str, bytes]) -> Document:
    return {
        "fingerprint": fingerprint,
        "project": project,
        "type": "virtual-machine" if "rootfs.img" in files else "container",
        "size": sum(map(len, files.values())),
        "filename": "",
        "auto_update": False,
        "cached": False,
        "expires_at": NEVER,
        "profiles": ["default"],
        "properties": {},
        "public": False,
        "aliases": [],
        "created_at": "2023-11-14T22:13:20Z",
        "uploaded_at": world.now(),
    }


def find(world: World, project: str, fingerprint: str) -> Image:
    try:
        return world.images[world.owner(project, "images"), fingerprint]
    except KeyError:
        raise NotFound("Image not found") from None


def members(world: World, project: str) -> Iterator[Json]:
    owner = world.owner(project, "images") if project in world.projects else project
    for (where, _), image in sorted(world.images.items()):
        if owner in (where, ALL_PROJECTS):
            yield image.document


def export(image: Image) -> bytes:
    """One file as it is; two as the multipart body, whose end the server writes twice."""
    if _UNIFIED in image.files:
        return image.files[_UNIFIED]
    made = b""
    for name, content in image.files.items():
        made += (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.tar.xz"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        made += content + b"\r\n"
    return made + f"--{_BOUNDARY}--\r\n\r\n--{_BOUNDARY}--\r\n".encode()


def take_in(world: World, project: str, data: bytes, headers: Mapping[str, str]) -> None:
    """POST of an image's content."""
    files = files_of(data, headers)
    fingerprint, expected = fingerprint_of(files), headers.get("X-Incus-fingerprint", "")
    owner = world.owner(project, "images")
    if expected not in ("", fingerprint):
        raise OperationFailed(f"fingerprints don't match, got {fingerprint} expected {expected}")
    if (owner, fingerprint) in world.images:
        raise Conflict("Image with same fingerprint already exists")
    document = _blank(world, owner, fingerprint, files)
    document["filename"] = headers.get("X-Incus-filename", "")
    document["properties"] = dict(parse_qsl(headers.get("X-Incus-properties", "")))
    world.images[owner, fingerprint] = Image(document, files)


def files_of(data: bytes, headers: Mapping[str, str]) -> dict[str, bytes]:
    content_type = headers.get("Content-Type", "")
    if not content_type.startswith("multipart/"):
        return {_UNIFIED: data}
    boundary = content_type.partition("boundary=")[2].encode()
    pieces = data.split(b"--" + boundary)
    if pieces[-1] != b"--\r\n":
        raise ServerError("multipart: NextPart: EOF")
    files = {}
    for piece in pieces[1:-1]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        disposition = BytesParser(policy=HTTP).parsebytes(head)["Content-Disposition"]
        files[disposition.params["name"]] = content.removesuffix(b"\r\n")
    return files


def replace(world: World, project: str, fingerprint: str, body: Json) -> None:
    """PUT; profiles that are not said stay, and an expiry that is said to be never."""
    image = find(world, project, fingerprint)
    given = {key: body[key] for key in _WRITABLE if body.get(key) is not None}
    for name in given.get("profiles", ()):
        if (world.owner(project, "profiles"), name) not in world.profiles:
            raise ServerError(f"Profile '{name}' doesn't exist")
    if given.get("expires_at") == NEVER:
        del given["expires_at"]
    image.document |= given


def delete(world: World, project: str, fingerprint: str) -> None:
    find(world, project, fingerprint)
    del world.images[world.owner(project, "images"), fingerprint]


# -- aliases ----------------------------------------------------------------------------------------


def alias(world: World, project: str, name: str) -> Document:
    image = _of_alias(world, project, name)
    (found,) = (each for each in image.document["aliases"] if each["name"] == name)
    return {**found, "target": image.document["fingerprint"], "type": image.document["type"]}


def _of_alias(world: World, project: str, name: str) -> Image:
    owner = world.owner(project, "images")
    for (where, _), image in world.images.items():
        if where == owner and any(each["name"] == name for each in image.document["aliases"]):
            return image
    raise NotFound("Image alias not found")


def add_alias(world: World, project: str, body: Json) -> None:
    name, owner = str(body["name"]), world.owner(project, "images")
    taken = (each for (where, _), image in world.images.items() if where == owner for each in image.aliases)
    if name in taken:
        raise Conflict(f'Alias "{name}" already exists')
    described = {"name": name, "description": body.get("description", "")}
    find(world, project, body["target"]).document["aliases"].append(described)


def replace_alias(world: World, project: str, name: str, body: Json) -> None:
    delete_alias(world, project, name)
    add_alias(world, project, {"name": name, **body})


def delete_alias(world: World, project: str, name: str) -> None:
    aliases = _of_alias(world, project, name).document["aliases"]
    aliases[:] = [each for each in aliases if each["name"] != name]
