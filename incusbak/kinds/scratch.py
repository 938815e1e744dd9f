"""Projects that hold one temporary copy each.

A project for each copy: its name, limits and restrictions are nobody's, and no other run can remove it.
"""

from ..errors import NotFound
from ..ports import Tools, path_of

SCRATCH_PROJECT = "incusbak-tmp-"
"""Prefix of the projects' names."""

_FEATURES = ("images", "networks", "networks.zones", "profiles", "storage.buckets", "storage.volumes")


def make_project(tools: Tools, name: str, *own: str) -> None:
    """Make a project that has things of the sorts ``own`` for itself, and shares all else."""
    features = {f"features.{feature}": str(feature in own).lower() for feature in _FEATURES}
    description = "temporary copy made by incus-backup"
    tools.api.create("projects", {"name": name, "description": description, "config": features})


def remove_project(tools: Tools, name: str) -> None:
    """Remove such a project, which is empty by now; fine if there is none."""
    if not name.startswith(SCRATCH_PROJECT):
        return
    try:
        tools.api.delete(path_of("projects", name))
    except NotFound:
        return
