"""Globs over names, projects and configuration."""

from collections.abc import Iterable, Mapping, Set
from fnmatch import fnmatchcase

from ..model.inventory import Resource
from ..model.policies import Select
from .ownership import projects_of


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


def selects(select: Select, resource: Resource, labels: Set[str]) -> bool:
    """Match a resource by kind, project and name; a volume's name is POOL/NAME.

    Args:
        labels: other names it goes by. An exclusion that matches one of them excludes it.
    """
    ref = resource.ref
    names = {f"{ref.pool}/{ref.name}" if ref.pool else ref.name, *labels}
    projects = projects_of(resource)
    in_project = not projects or any(matches_any(name, select.projects) for name in projects)
    return ref.kind in select.kinds and in_project and _fit(names, select.names)


def _fit(names: Set[str], globs: Iterable[str]) -> bool:
    patterns = tuple(globs)
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    if any(fnmatchcase(name, pattern) for name in names for pattern in unwanted):
        return False
    return any(matches_any(name, patterns) for name in names)


def config_matches(where: Mapping[str, str], config: Mapping[str, str]) -> bool:
    """Match configuration; a key that is not set matches no glob."""
    return all(key in config and fnmatchcase(config[key], glob) for key, glob in where.items())
