"""A course on disk: a line of JSON for what a run set out to do, and one more for each thing it did.

Lines are only ever added, each flushed before the run goes on. One that a kill cut short, or that another
version wrote, tells of nothing: what is not known to be done is done again.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from attrs import evolve, frozen

from .codec import BadDocument, canonical, load
from .durable import read_file, replace_file, write_all
from .model.courses import Course, Entry

COURSE = "course"


@frozen
class _Line:
    entry: Entry


def write_course(course: Course, folder: int) -> None:
    """Begin the file, in one step."""
    replace_file(COURSE, canonical(evolve(course, entries=())), folder)


def add_entry(entry: Entry, folder: int) -> None:
    """Add a line durably.

    Raises:
        FileNotFoundError: there is no course.
    """
    line = b"\n" + canonical(_Line(entry))
    descriptor = os.open(COURSE, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        write_all(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_course(folder: int) -> Course | None:
    """Read what can be understood; None where there is no course, or it can't be told of what."""
    try:
        first, *lines = read_file(COURSE, folder).split(b"\n")
        course = load(first, Course)
    except (OSError, BadDocument):
        return None
    return evolve(course, entries=tuple(_entries(lines))) if course.format_version == 1 else None


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    for line in lines:
        with suppress(BadDocument):
            yield load(line, _Line).entry
