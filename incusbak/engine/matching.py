"""Globs over names, projects and configuration."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from ..model.policies import Select
from ..model.refs import ResourceRef


def matches_any(name: str, globs: Iterable[str]) -> bool:
    """Match a name against globs; one with ``!`` in front excludes, wherever it stands.

    Where there are only exclusions, everything else matches.
    """
    patterns = tuple(globs)
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    excluded = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    if any(fnmatchcase(name, pattern) for pattern in excluded):
        return False
    return not wanted or any(fnmatchcase(name, pattern) for pattern in wanted)


def selects(select: Select, ref: ResourceRef) -> bool:
    """Match a resource by kind, project and name; a volume's name is POOL/NAME."""
    name = f"{ref.pool}/{ref.name}" if ref.pool else ref.name
    in_project = not ref.project or matches_any(ref.project, select.projects)
    return ref.kind in select.kinds and in_project and matches_any(name, select.names)


def config_matches(where: Mapping[str, str], config: Mapping[str, str]) -> bool:
    """Match configuration; a key that is not set matches no glob."""
    return all(key in config and fnmatchcase(config[key], glob) for key, glob in where.items())
