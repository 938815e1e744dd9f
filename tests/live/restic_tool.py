"""The tool with a restic repository, and what the test sees of that with restic alone."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.live.support.restic import NEWER, PASSWORD, Restic, folder_of
from tests.live.tool import NewTool, Tool


@frozen
class ResticTool(Tool):
    """``incus-backup --target restic:…``; ``place`` is what follows, the tool's own folder if it is empty."""

    place: str = ""
    version: str = NEWER

    @property
    def restic(self) -> Restic:
        """The repository behind it all, wherever the tool looks for it."""
        return Restic(self.repository, self.version)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        search = os.pathsep.join([str(folder_of(self.version)), os.environ["PATH"]])
        own = {
            "INCUS_BACKUP_TARGET": f"restic:{self.place or self.repository}",
            "RESTIC_PASSWORD": PASSWORD,
            "RESTIC_CACHE_DIR": str(self.folder / "cache"),
            "PATH": search,
        }
        return super().environment(own | dict(more or {}))

    def manifest(self, address: str) -> dict[str, Any]:
        snapshots = (s for s in self.restic.snapshots() if "type=manifest" in s["tags"])
        named = {tag: s["id"] for s in snapshots for tag in s["tags"] if tag.startswith(f"backup={address}@")}
        found: dict[str, Any] = json.loads(self.restic.dump(named[max(named)], "manifest.json"))
        return found

    def types(self) -> list[str]:
        """What kinds of snapshots there are, in a stable order."""
        tags = (tag for snapshot in self.restic.snapshots() for tag in snapshot["tags"])
        return sorted(tag.removeprefix("type=") for tag in tags if tag.startswith("type="))

    def bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in self.repository.rglob("*") if path.is_file())

    def largest_pack(self) -> Path:
        return max((self.repository / "data").glob("*/*"), key=lambda path: path.stat().st_size)


def with_repository(template: Callable[[str], Restic]) -> NewTool:
    """Make tools whose repository is there, with a key that costs nothing, and holds nothing yet."""

    def new_tool(socket: Path, folder: Path) -> ResticTool:
        tool = ResticTool(socket, folder)
        if not tool.repository.exists():
            shutil.copytree(template(tool.version).folder, tool.repository)
        return tool

    return new_tool
