"""Run the tool as a user does: a process of its own, against one server, with folders of its own."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from incusbak.errors import RepositoryMissing
from incusbak.model.refs import parse_address
from incusbak.repositories.layout import folder_of
from tests.live.forking import Forked, nothing


@frozen
class Result:
    """How one command ended."""

    code: int
    out: str
    err: str


@frozen
class Tool:
    """``incus-backup`` for one test: server by its socket, everything else in ``folder``."""

    socket: Path
    folder: Path

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("INCUS", "XDG_"))}
        return kept | {
            "INCUS_SOCKET": str(self.socket),
            "INCUS_CONF": str(self.folder / "incus-client"),
            "INCUS_BACKUP_DIR": str(self.repository),
            "INCUS_BACKUP_STATE_DIR": str(self.state),
            "HOME": str(self.folder),
            "NO_COLOR": "1",
            **(more or {}),
        }

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        before: Callable[[], None] = nothing,
    ) -> Forked:
        """Start a command without waiting for it; no terminal. ``before`` is called in its process."""
        return Forked(arguments, env=self.environment(env), cwd=self.folder, before=before)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """Run a command to its end, whatever that is."""
        process = self.start(*arguments, env=env)
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return Result(process.wait(), out, err)

    def do(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """Run a command that must succeed."""
        result = self.run(*arguments, env=env)
        assert result.code == 0, result.err + result.out
        return result

    def backups(self, project: str = "*") -> list[dict[str, Any]]:
        """What ``list`` shows; nothing where there is no repository yet."""
        listed = self.run("list", "instances", "--project", project, "--output", "json")
        assert listed.code in (0, RepositoryMissing.exit_code), listed.err
        found: list[dict[str, Any]] = json.loads(listed.out or "[]")
        return found

    def manifest(self, address: str) -> dict[str, Any]:
        """What the newest backup of a resource says of itself."""
        folder = self.repository.joinpath(*folder_of(parse_address(address)))
        found: dict[str, Any] = json.loads(max(folder.glob("*/manifest.json")).read_text())
        return found

    def leftovers(self) -> list[Path]:
        """Journal records and unfinished backups that lie around."""
        records = [path for path in self.state.rglob("*.json") if path.is_file()]
        return [*records, *self.repository.glob(".staging/*"), *self.repository.glob(".trash-*")]


NewTool = Callable[[Path, Path], Tool]
"""Makes a tool of a server's socket and a folder."""
