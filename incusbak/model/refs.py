"""Addresses: stable names for resources and backups, the same in every file, message and table."""

import re
from datetime import UTC, datetime
from functools import cached_property, lru_cache, total_ordering

from attrs import frozen

from ..plain_text import printable

SHAPES: dict[str, tuple[str, ...]] = {
    "instance": ("project", "name"),
    "volume": ("project", "pool", "name"),
    "image": ("name",),
    "config": (),
    "project": ("name",),
    "profile": ("project", "name"),
    "network": ("project", "name"),
    "pool": ("name",),
    "integration": ("name",),
    "address-set": ("project", "name"),
    "acl": ("project", "name"),
    "zone": ("project", "name"),
    "record": ("project", "parent", "name"),
    "forward": ("project", "parent", "name"),
    "load-balancer": ("project", "parent", "name"),
    "peer": ("project", "parent", "name"),
    "certificate": ("name",),
}
"""The parts of an address after its kind (SPEC: Words)."""

TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"
_TIMESTAMP = re.compile(r"[1-9][0-9]{7}T([01][0-9]|2[0-3])[0-9]{4}Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/]")


class BadAddress(ValueError):
    """The text is not an address; the message says why."""


@total_ordering
@frozen(order=False, cache_hash=True)
class ResourceRef:
    """Name one thing on a server; which parts are filled depends on the kind (``SHAPES``)."""

    kind: str
    name: str = ""
    project: str = ""
    pool: str = ""
    parent: str = ""
    """The network or zone that something hangs on."""

    @cached_property
    def path(self) -> tuple[str, ...]:
        """The parts after the kind, in the order of the address."""
        return tuple(getattr(self, part) for part in SHAPES[self.kind])

    @cached_property
    def address(self) -> str:
        return "/".join((self.kind, *self.path))

    def __str__(self) -> str:
        """As people are told of it; see ``address`` for what it is."""
        return printable(self.address)

    def __lt__(self, other: "ResourceRef") -> bool:
        return (self.kind, self.path) < (other.kind, other.path)


@total_ordering
@frozen(order=False, cache_hash=True)
class BackupId:
    """Name one backup: a resource and the moment of its backup, in whole seconds UTC."""

    ref: ResourceRef
    timestamp: str

    @cached_property
    def created(self) -> datetime:
        return parse_timestamp(self.timestamp)

    @cached_property
    def address(self) -> str:
        return f"{self.ref.address}@{self.timestamp}"

    def __str__(self) -> str:
        """As people are told of it; see ``address`` for what it is."""
        return printable(self.address)

    def __lt__(self, other: "BackupId") -> bool:
        return (self.ref, self.timestamp) < (other.ref, other.timestamp)


CONFIG = ResourceRef("config")
"""The whole declarative state of a server, backed up as one."""


def volume_ref(project: str, pool: str, name: str) -> ResourceRef:
    return ResourceRef("volume", name=name, project=project, pool=pool)


def instance_ref(project: str, name: str) -> ResourceRef:
    return ResourceRef("instance", name=name, project=project)


def format_timestamp(moment: datetime) -> str:
    """Write a moment as ``YYYYMMDDThhmmssZ``."""
    return moment.astimezone(UTC).strftime(TIMESTAMP_FORMAT)


@lru_cache(maxsize=65536)  # a large repository's are met several times each
def parse_timestamp(text: str) -> datetime:
    """Read ``YYYYMMDDThhmmssZ``.

    Raises:
        BadAddress: any other form.
    """
    try:  # fromisoformat takes many other forms as well
        moment = datetime.fromisoformat(text) if _TIMESTAMP.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise BadAddress(f"{text!r} is not a timestamp of the form YYYYMMDDThhmmssZ")
    return moment


def parse_address(text: str) -> ResourceRef:
    """Read ``kind/part/part``.

    Raises:
        BadAddress: unknown kind, wrong number of parts, or a part that no server would give.
    """
    kind, *parts = text.split("/")
    if kind not in SHAPES:
        raise BadAddress(f"{text!r}: unknown kind {kind!r} (known: {', '.join(SHAPES)})")
    shape = SHAPES[kind]
    if len(parts) != len(shape):
        form = "/".join((kind, *(part.upper() for part in shape)))
        raise BadAddress(f"{text!r} is not of the form {form}")
    for part in parts:
        if reason := impossible_reason(part):
            raise BadAddress(f"{text!r}: {reason}")
    return ResourceRef(kind, **dict(zip(shape, parts, strict=True)))


def parse_backup_id(text: str) -> BackupId:
    """Read ``ADDRESS@TIMESTAMP``.

    Raises:
        BadAddress: not of that form.
    """
    address, at, timestamp = text.rpartition("@")
    if not at:
        raise BadAddress(f"{text!r} is not of the form ADDRESS@TIMESTAMP")
    parse_timestamp(timestamp)
    return BackupId(parse_address(address), timestamp)


def impossible_reason(name: str) -> str:
    """Say why a name can't be part of an address; empty when it can, strange as it may be.

    Servers take more for names than may be a file's: control characters, a dot in front, any length.
    """
    if not name:
        return "a name is empty"
    if "/" in name:
        return f"the name {name!r} holds a slash"
    if name in (".", ".."):
        return f"nothing named {name!r} can be asked for: in a path it means another place"
    if _SURROGATE.search(name):
        return f"the name {name!r} is not Unicode"
    return ""


def unsafe_reason(name: str) -> str:
    """Say why a name from outside must not become a file name or a URL part; empty when it may.

    Hidden names are refused too: a repository keeps its own things under them.
    """
    if not name:
        return "a name is empty"
    if name.startswith("."):
        return f"the name {name!r} starts with a dot"
    if _UNSAFE.search(name) or not name.isprintable():
        return f"the name {name!r} holds a slash or a control character"
    if len(name.encode("utf-8", "surrogateescape")) > 255:
        return f"the name {name[:40]!r}… is longer than 255 bytes"
    return ""
