"""Projects that hold one temporary copy each.

A project for each copy: its name, limits and restrictions are nobody's, and no other run can remove it.
"""

from ...errors import NotAuthorized, NotFound
from ...ports import KindContext, path_of

SCRATCH_PROJECT = "incusbak-tmp-"
"""Prefix of the projects' names."""

_FEATURES = ("images", "networks", "networks.zones", "profiles", "storage.buckets", "storage.volumes")


class NoProject(NotAuthorized):
    """The server lets this client make no project; nothing was made."""

    default_hint = (
        "what is needed for that is a client whose certificate is not restricted to projects, or the "
        "server's own socket"
    )


def make_project(tools: KindContext, name: str, *own: str) -> None:
    """Make a project that has things of the sorts ``own`` for itself, and shares all else.

    Raises:
        NoProject: this client may not.
    """
    features = {f"features.{feature}": str(feature in own).lower() for feature in _FEATURES}
    description = "temporary copy made by incus-backup"
    try:
        tools.api.create("projects", {"name": name, "description": description, "config": features})
    except NotAuthorized as error:
        raise NoProject(
            f"a scratch project can't be made, as this client may make none: {error.message}"
        ) from error


def remove_project(tools: KindContext, name: str) -> None:
    """Remove such a project, which is empty by now; fine if there is none."""
    if not name.startswith(SCRATCH_PROJECT):
        return
    try:
        tools.api.delete(path_of("projects", name))
    except NotFound:
        return
