"""Globs over names, projects and configuration."""

import unicodedata
from collections.abc import Iterable, Mapping, Set
from fnmatch import fnmatchcase

from ...model.explanations import ExcludedName, Misfit, OtherConfig, OtherKind, OtherName, OtherProject
from ...model.inventory import Resource
from ...model.policies import Select
from ..ownership import projects_of


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


def literal(name: str) -> str:
    """Make a glob for this very name; what a policy can't say in it is any one character."""
    if not name.strip():
        return "?" * len(name)
    first = "?" if name.startswith("!") else _literal(name[0])
    return first + "".join(map(_literal, name[1:]))


def _literal(char: str) -> str:
    if unicodedata.category(char) in ("Cc", "Cs"):
        return "?"
    return f"[{char}]" if char in "*?[" else char


def misfit(select: Select, resource: Resource, labels: Set[str]) -> Misfit | None:
    """Say why a selector does not mean a resource by kind, project and name; a volume's name is POOL/NAME.

    Args:
        labels: other names it goes by. An exclusion that matches one of them excludes it.
    """
    ref, projects = resource.ref, projects_of(resource)
    if ref.kind not in select.kinds:
        return OtherKind(select.kinds)
    if projects and not any(matches_any(name, select.projects) for name in projects):
        return OtherProject(tuple(sorted(projects)), select.projects)
    names = {f"{ref.pool}/{ref.name}" if ref.pool else ref.name, *labels}
    unwanted = [pattern[1:] for pattern in select.names if pattern.startswith("!")]
    excluded = [(name, glob) for glob in unwanted for name in sorted(names) if fnmatchcase(name, glob)]
    if excluded:
        return ExcludedName(*excluded[0])
    if not any(matches_any(name, select.names) for name in names):
        return OtherName(select.names)
    return None


def selects(select: Select, resource: Resource, labels: Set[str]) -> bool:
    """Match a resource by kind, project and name."""
    return misfit(select, resource, labels) is None


def config_misfit(where: Mapping[str, str], config: Mapping[str, str]) -> OtherConfig | None:
    """Say which key does not have the wanted value; one that is not set matches no glob."""
    return next(
        (
            OtherConfig(key, glob, config.get(key))
            for key, glob in where.items()
            if key not in config or not fnmatchcase(config[key], glob)
        ),
        None,
    )


def config_matches(where: Mapping[str, str], config: Mapping[str, str]) -> bool:
    """Match configuration."""
    return config_misfit(where, config) is None
