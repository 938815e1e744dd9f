"""Names as a command line has them: each names one thing, or is a glob; ``!`` in front excludes. Pure."""

import difflib
from collections.abc import Collection, Iterable

from .matching import literal, matches_any
from .versions import some

_GLOB = frozenset("*?[")


def is_pattern(name: str) -> bool:
    """Whether a name may mean several things, or excludes some."""
    return name.startswith("!") or bool(_GLOB & set(name))


def is_selective(names: Iterable[str]) -> bool:
    """Whether any of them asks for something, rather than for all or all but something."""
    return any(name != "*" and not name.startswith("!") for name in names)


def as_globs(names: Iterable[str], known: Collection[str], *, takes_patterns: bool) -> tuple[str, ...]:
    """Make globs of names; one that something has is that thing's name, whatever it looks like."""
    return tuple(literal(n) if n in known or not takes_patterns else n for n in names)


def means(globs: tuple[str, ...], labels: Collection[str]) -> bool:
    """Whether something is meant that goes by these names; an exclusion of one of them wins."""
    excluding = tuple(glob for glob in globs if glob.startswith("!"))
    spared = all(matches_any(label, excluding) for label in labels)
    return spared and any(matches_any(label, globs) for label in labels)


def unmatched(names: Iterable[str], known: Collection[str], *, takes_patterns: bool) -> list[str]:
    """The names and patterns that mean nothing of what there is.

    ``*`` means all there is, which may be nothing; an exclusion may be of what is not there, unless it is a
    name in full: that is likely to be misspelt.
    """
    return [
        name
        for name, glob in zip(names, as_globs(names, known, takes_patterns=takes_patterns), strict=True)
        if _asks(glob) and not any(matches_any(label, (glob.removeprefix("!"),)) for label in known)
    ]


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest what a name or pattern may have been meant for, in words; empty if there is nothing."""
    there = sorted(known)
    plain = "".join(char for char in name.removeprefix("!") if char not in "*?[]")
    near = difflib.get_close_matches(plain, there, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {some(there)}" if is_pattern(name) and there else ""


def _asks(glob: str) -> bool:
    return glob != "*" and not (glob.startswith("!") and is_pattern(glob[1:]))
