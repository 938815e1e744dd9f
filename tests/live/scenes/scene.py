"""A scene: something that is set up, backed up, lost and brought back, and on which servers it exists."""

from collections.abc import Callable, Mapping

from attrs import field, frozen

from tests.live.estate import Named
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.support.project import FEATURES, Project
from tests.live.tool import Tool

from .subjects import WEB, Subject

REPLACE, COPY, ABSENT, EMPTY = MODES = ("replace", "copy", "absent", "empty")
"""Ways to bring back: in place of the living one, under another name, what is gone, on an empty server."""

Build = Callable[[Project], None]
Client = Callable[[Tool, Project], Tool]
"""Gives the tool other rights on the server."""


def as_root(tool: Tool, _: Project) -> Tool:
    """Leave the tool on the server's socket."""
    return tool


@frozen(kw_only=True)
class Scene:
    """Set up by ``build`` in a project of its own.

    ``config``: of the project, besides ``support.project.FEATURES``.
    ``beside``: what else is there, is left alone and comes back with all.
    ``flags``: of the backup.  ``kept_out``: versions that can't back it up at all, and say so.
    ``may_refuse``: modes in which nothing can come back, each with the reason; the plan has to say so.
    """

    name: str
    build: Build
    subject: Subject = WEB
    beside: tuple[Subject, ...] = ()
    config: Mapping[str, str] = field(factory=dict)
    versions: tuple[str, ...] = servers.VERSIONS
    kept_out: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    replace_flags: tuple[str, ...] = ("--yes",)
    modes: tuple[str, ...] = MODES
    client: Client = as_root
    may_refuse: Mapping[str, str] = field(factory=dict)
    differs: Mapping[str, str] = field(factory=dict)
    """As ``subjects.DIFFERS``, for this scene alone."""
    copy_differs: Mapping[str, str] = field(factory=dict)
    """As ``subjects.OF_A_COPY``."""


def project_for(scene: Scene, server: Daemon) -> Project:
    """Make the scene's project, with a root disk in its default profile."""
    project = Project(server)
    if scene.config:
        url = f"/1.0/projects/{project.name}"
        server.api("DELETE", url)
        server.api("POST", "/1.0/projects", {"name": project.name, "config": {**FEATURES, **scene.config}})
        if scene.config.get("features.profiles") != "false":
            server.set_root_disk("default", project=project.name)
    return project


def remove(project: Project) -> None:
    """Remove it with all that is in it, protected or not."""
    for instance in project.api("GET", "/1.0/instances?recursion=1"):
        if instance["expanded_config"].get("security.protection.delete"):
            change = {"config": {"security.protection.delete": "false"}}
            project.api("PATCH", f"/1.0/instances/{instance['name']}", change)
    project.remove()


def same_project(project: Project, server: Daemon) -> Project:
    """The project of the same name on another server."""
    return Named(server, project.name)
