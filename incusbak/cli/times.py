"""Times and their zones on the command line."""

import zoneinfo
from datetime import datetime

from ..errors import UsageError
from ..policyfile import parse_moment
from .session import now


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """Find a time zone by its name.

    Raises:
        UsageError: there is none.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"unknown time zone {name!r}", hint="use one such as Europe/Berlin") from error


def moment_of(text: str, flag: str, timezone: str) -> datetime:
    """Read what a flag says of when.

    Raises:
        UsageError: it is no time, or there is no such zone.
    """
    try:
        return parse_moment(text, zone=zone_of(timezone), now=now())
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error
