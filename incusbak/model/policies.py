"""A policy as the user wrote it, checked and with defaults filled in; where each rule stands in its file."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import field, frozen

from .backups import ExportWishes


class IfPresent(StrEnum):
    FAIL = "fail"
    SKIP = "skip"
    REPLACE = "replace"


class Images(StrEnum):
    """Which images are backed up together with instances."""

    NONE = "none"
    REFERENCED = "referenced"
    """Those that the instances were made from, where the server still has them."""
    ALL = "all"
    """All of the projects, but those the server only cached."""


class Identity(StrEnum):
    """Whether a restored copy keeps uuid, MAC addresses and cloud-init id."""

    AUTO = "auto"
    """Preserved, unless the original lives on the same server."""
    PRESERVE = "preserve"
    REGENERATE = "regenerate"


class Volumes(StrEnum):
    """Which custom volumes come back with the instances that are attached to them."""

    MISSING = "missing"
    """Those that are not there; what is there stays as it is."""
    ALL = "all"
    """Those that are there are replaced as well."""
    NONE = "none"


@frozen
class Maps:
    """Old name to new name, applied to what a restored resource refers to."""

    pools: Mapping[str, str] = field(factory=dict)
    networks: Mapping[str, str] = field(factory=dict)
    projects: Mapping[str, str] = field(factory=dict)
    profiles: Mapping[str, str] = field(factory=dict)

    def names_before(self, kind: str, name: str) -> list[str]:
        """What a backup may call the pool, network, project or profile that has this name after them."""
        renamed: Mapping[str, str] = getattr(self, f"{kind}s", {})
        return sorted(old for old, new in renamed.items() if new == name) or [name]


@frozen
class Place:
    """Where something stands in a policy file, lines and columns from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@frozen
class Select:
    """Which resources a rule means: globs; a ``!`` in front excludes; ``where``: config key to glob."""

    kinds: tuple[str, ...] = ("instance",)
    projects: tuple[str, ...] = ("default",)
    names: tuple[str, ...] = ("*",)
    where: Mapping[str, str] = field(factory=dict)


@frozen
class Hooks:
    """Commands run inside an instance, each as its argv, with ``timeout_seconds`` for each.

    ``before`` runs before the content is captured; ``after`` always runs once ``before`` has begun.
    """

    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()
    timeout_seconds: int = 300

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


@frozen
class Keep:
    """How many backups are kept: counts of the newest per period of the calendar; any rule is enough.

    ``within``: all that are younger than the newest by less. ``all``: every one.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta = timedelta()
    all: bool = False


@frozen
class Target:
    """A repository that a policy names; its ``keep``, where there is one, wins over those of the rules.

    ``places``: where the parts of its ``keep`` stand, as in rules.
    """

    name: str
    uri: str
    place: Place = field(eq=False)
    keep: Keep | None = None
    places: Mapping[str, Place] = field(factory=dict, eq=False)


@frozen
class Rehearsing:
    """How often backups are brought up to see that they are of use, and how it is told; as ``Hooks``."""

    every: timedelta
    probe: tuple[tuple[str, ...], ...] = ()
    timeout_seconds: int = 300


class Permission(StrEnum):
    """What instances may decide by ``user.incus-backup.*`` keys of their own or of their profiles."""

    OPT_IN = "opt-in"
    OPT_OUT = "opt-out"
    HOOKS = "hooks"


@frozen
class ProtectRule:
    """Back up what ``select`` matches; ``every`` None: a backup must exist, however old.

    ``images`` and ``attached_volumes``: what of a matched instance's is matched as well. ``targets``: names
    of those it uses; empty: all. ``places``: where each setting that is not the built-in default stands, by
    its path below the rule (``backup.every``).
    """

    name: str
    select: Select
    options: ExportWishes
    place: Place
    every: timedelta | None = None
    images: Images = Images.REFERENCED
    attached_volumes: bool = True
    hooks: Hooks = Hooks()
    keep: Keep | None = None
    verify_every: timedelta | None = None
    rehearse: Rehearsing | None = None
    instances_may: tuple[Permission, ...] = ()
    targets: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(factory=dict, eq=False)

    @property
    def max_age(self) -> timedelta:
        return timedelta.max if self.every is None else self.every


@frozen
class Latest:
    """The newest backup, of those not after ``before`` where given."""

    before: datetime | None = None


@frozen
class Exactly:
    """The backup with this timestamp."""

    timestamp: str


Version = Latest | Exactly


@frozen
class Destination:
    """Where a restored resource goes; empty parts keep the original's."""

    name: str = ""
    project: str = ""
    pool: str = ""


@frozen
class RestoreRule:
    """Bring back what ``select`` matches in the repository; ``from_target`` empty: the first there is.

    ``without_devices``: of instances, what is left out. ``volumes``: what comes back with instances.
    """

    name: str
    select: Select
    place: Place
    version: Version = Latest()
    to: Destination = Destination()
    if_present: IfPresent = IfPresent.FAIL
    identity: Identity = Identity.AUTO
    from_target: str = ""
    without_devices: tuple[str, ...] = ()
    volumes: Volumes = Volumes.MISSING
    places: Mapping[str, Place] = field(factory=dict, eq=False)


@frozen
class PolicyFile:
    """A file that made up the policy: its path as given and the SHA-256 of its bytes."""

    path: str
    sha256: str


@frozen
class Guards:
    """What no plan may do unless forced; None: no limit.

    ``max_replace_percent``: of the living instances, volumes and images, how many may be replaced.
    ``max_prune_percent``: of a resource's backups, how many may be removed.
    """

    max_replace_percent: int | None = None
    max_prune_percent: int | None = None


class Severity(StrEnum):
    """How it is taken that something is not as it should be."""

    OK = "ok"
    """It is said nowhere."""
    WARN = "warn"
    FAIL = "fail"
    """Plans and status end with 7; nothing else is kept from being done."""


@frozen
class Expect:
    """What a policy wants of its own reach.

    ``unprotected``: what no rule covers. ``unmatched``: what names something and matches nothing. ``places``:
    where they stand, by their name.
    """

    unprotected: Severity = Severity.WARN
    unmatched: Severity = Severity.FAIL
    places: Mapping[str, Place] = field(factory=dict, eq=False)


@frozen
class Policy:
    """All policy files of one command, rules in the order they were read.

    It has a ``target``, or several with names, or says of neither. ``elsewhere``: protect rules that are for
    other targets; what they cover is not unprotected. ``sensitive``: globs over names of fields whose values
    never appear, besides those that never do. ``restores_elsewhere``: whether there are restore rules for
    other targets, which the maps may be for.
    """

    files: tuple[PolicyFile, ...] = ()
    target: str = ""
    targets: tuple[Target, ...] = ()
    timezone: str = "UTC"
    protect: tuple[ProtectRule, ...] = ()
    restore: tuple[RestoreRule, ...] = ()
    maps: Maps = Maps()
    guards: Guards = Guards()
    expect: Expect = Expect()
    sensitive: tuple[str, ...] = ()
    elsewhere: tuple[ProtectRule, ...] = ()
    restores_elsewhere: bool = False
