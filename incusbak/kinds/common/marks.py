"""How this tool knows its own: names and marks of what it makes for a while."""

import re
from datetime import timedelta

from ...ports import KindContext

MARK = "user.incusbak."
"""Prefix of this tool's marks on temporary instances and volumes."""

TEMPORARY_PREFIX = "incusbak-"
_TEMPORARY_NAME = re.compile(rf"{TEMPORARY_PREFIX}[0-9a-f]{{12}}(-[0-9]+)?(-old|-new)?(-back)?")

LIFETIME = timedelta(hours=24)
"""When what is temporary may be removed by anybody."""

RUN = "run"
"""Mark on what a restore brings: the record it was made under."""
BY = "by"
"""Mark on what a restore replaces: the record it was set aside under."""


def is_temporary_name(name: str) -> bool:
    """Whether only this tool would choose such a name."""
    return _TEMPORARY_NAME.fullmatch(name) is not None


def temporary_marks(tools: KindContext, **more: str) -> dict[str, str]:
    """Make the marks of something temporary: whose it is, and when anybody may remove it."""
    expires = (tools.clock() + LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {MARK + key: value for key, value in {**more, "owner": tools.owner, "expires": expires}.items()}
