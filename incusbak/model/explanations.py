"""Why a resource is protected as it is, and what is stored of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import frozen

from .policies import Identity, IfPresent, Place, Volumes
from .refs import BackupId, ResourceRef

# -- why a rule does not mean a resource --------------------------------------------------------------


@frozen
class OtherKind:
    """The rule is for other kinds."""

    kinds: tuple[str, ...]


@frozen
class OtherProject:
    """None of the resource's projects matches the rule's."""

    projects: tuple[str, ...]
    globs: tuple[str, ...]


@frozen
class OtherName:
    """None of the resource's names matches the rule's."""

    globs: tuple[str, ...]


@frozen
class ExcludedName:
    """One of the resource's names is excluded by a pattern with ``!``, given without it."""

    name: str
    glob: str


@frozen
class OtherConfig:
    """A configuration key does not have the wanted value; None: it is not set."""

    key: str
    glob: str
    value: str | None


@frozen
class OnlyCached:
    """It is an image that the server downloaded for itself, which a rule has to name."""


Misfit = OtherKind | OtherProject | OtherName | ExcludedName | OtherConfig | OnlyCached


@frozen
class OptedOut:
    """The rule means it, but it asks to be left out by this key, and may."""

    key: str


@frozen
class NotBroughtAlong:
    """The rule is not for its kind, and covers these instances it belongs to without it."""

    instances: tuple[ResourceRef, ...]
    setting: str


# -- why a rule covers a resource ---------------------------------------------------------------------


@frozen
class Selected:
    """The rule selects it."""


@frozen
class OptedIn:
    """It asks to be covered by this key, and may."""

    key: str


@frozen
class AttachedTo:
    """It is a volume of instances that the rule covers."""

    instances: tuple[ResourceRef, ...]


@frozen
class ImageOf:
    """It is the image from which instances were made that the rule covers."""

    instances: tuple[ResourceRef, ...]


@frozen
class ImageOfProject:
    """It is one of all the images of the rule's projects."""


Verdict = Misfit | OptedOut | NotBroughtAlong | Selected | OptedIn | AttachedTo | ImageOf | ImageOfProject


@frozen
class Ruling:
    """What a protect rule says of the resource; ``because``: where in the policy the reason stands."""

    rule: str
    place: Place
    verdict: Verdict
    because: Place | None = None


class Coverage(StrEnum):
    PROTECTED = "protected"
    OPTED_OUT = "opted-out"
    ELSEWHERE = "elsewhere"
    """No rule for this target means it, but one for another target does."""
    UNPROTECTED = "unprotected"
    NOT_EXPECTED = "not-expected"
    """No rule covers it, and no plan complains: the configuration, an image that was only cached."""


# -- settings -----------------------------------------------------------------------------------------


@frozen
class Written:
    """In the policy: in the rule or in ``defaults``."""

    place: Place


@frozen
class BuiltIn:
    """The default."""


@frozen
class OwnKey:
    """By a key of the instance's own configuration or of its profiles'."""

    key: str


Origin = Written | BuiltIn | OwnKey


@frozen
class Setting:
    """A setting in effect; ``value`` as a policy would say it, None where there is none."""

    name: str
    value: Any
    origin: Origin


# -- backups ------------------------------------------------------------------------------------------


@frozen
class DueNow:
    """The next plan backs it up; the reason is the plan's."""

    reason: str


@frozen
class DueAt:
    """The next plan after this moment backs it up."""

    moment: datetime


@frozen
class NotDue:
    """It is not backed up again as long as things are as they are."""

    reason: str


Due = DueNow | DueAt | NotDue


@frozen
class Stored:
    """What the repository holds of it; ``ahead``: those backups that are dated in the future."""

    count: int
    newest: BackupId | None
    due: Due
    ahead: tuple[BackupId, ...] = ()


@frozen
class Return:
    """What a restore rule would do with it.

    Attributes:
        source: the backup it takes; None where there is none to take.
        to: where that goes.
        is_present: whether there is something at that place now.
        problem: why the rule can't be followed as it is; empty when it can.
    """

    rule: str
    place: Place
    source: BackupId | None
    to: ResourceRef
    is_present: bool
    if_present: IfPresent
    identity: Identity
    problem: str = ""
    volumes: Volumes = Volumes.MISSING


@frozen
class Explanation:
    """All there is to say; ``rulings`` end with the rule that covers it, if one does.

    Attributes:
        is_present: whether it is on the server; if not, the rules are told of its newest backup.
        obstacle: why it can't be backed up although a rule covers it; empty when it can.
        problems: what it asks for in words nobody understands.
        target: what the policy calls the repository, where it has several.
        repository: its URI.
    """

    address: ResourceRef
    is_present: bool
    coverage: Coverage
    rulings: tuple[Ruling, ...]
    settings: tuple[Setting, ...]
    stored: Stored
    returns: tuple[Return, ...]
    obstacle: str = ""
    problems: tuple[str, ...] = ()
    target: str = ""
    repository: str = ""
