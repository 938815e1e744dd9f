"""Which of many moments a run tries: all of them if it is to be thorough, else enough to meet every part."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
THOROUGH = os.environ.get("THOROUGH") == "1"
"""Set by ``make thorough``."""


def some(moments: Sequence[T], every: int) -> Sequence[T]:
    """Take the first and each so-manieth after it; in a thorough run all."""
    return moments if THOROUGH else moments[::every]
