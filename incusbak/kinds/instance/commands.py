"""Run commands inside of an instance, told by a mark in their environment that what they start inherits."""

import time
from collections.abc import Callable, Mapping, Sequence

from ...errors import CommandFailed, IncusbakError, NotFound, OperationFailed, ServerError
from ...model.documents import Json
from ...model.refs import ResourceRef
from ...model.results import Phased
from ...ports import IncusApi, KindContext
from ..common.operations import is_settled
from ..common.paths import path

_MARK = "INCUS_BACKUP_COMMAND"
_KILL = (
    f'for e in /proc/[0-9]*/environ; do grep -qs "{_MARK}=$0" "$e" '
    '&& p=${e#/proc/} && kill -KILL "${p%/environ}"; done; true'
)
_LONGEST_COMPLAINT = 300
_DYING_SECONDS = 10.0


def run(
    tools: KindContext, ref: ResourceRef, command: Sequence[str], *, timeout_seconds: int, token: str
) -> None:
    """Run one command to its end.

    Args:
        token: what it is told by, to be killed when its time is up, by this run or the next.

    Raises:
        CommandFailed: it can't be run, ended with another code than 0, or took too long.
    """
    tools.tell(Phased(f"running {command[0]}"))
    body = {
        "command": list(command),
        "environment": {_MARK: token},
        "wait-for-websocket": False,
        "record-output": True,
        "interactive": False,
    }
    what = f"`{' '.join(command)}` in {ref}"
    try:
        ended = tools.api.create(
            path(ref, "exec"), body, project=ref.project, watch=_watch(tools, what, timeout_seconds)
        )
    except OperationFailed as error:
        raise CommandFailed(f"{what} can't be run: {error.message.rpartition(': ')[2]}") from error
    except IncusbakError:
        kill(tools.api, ref, token)
        raise
    _check(tools.api, ref, ended.get("metadata") or {}, what)


def kill(api: IncusApi, ref: ResourceRef, token: str) -> None:
    """End whatever a command with this token left running; an instance without a shell keeps it."""
    body = {"command": ["sh", "-c", _KILL, token], "wait-for-websocket": False, "interactive": False}
    try:
        api.create(path(ref, "exec"), body, project=ref.project)
    except ServerError:
        return
    is_settled(api, ref, ref.name, seconds=_DYING_SECONDS)


def _watch(tools: KindContext, what: str, timeout_seconds: int) -> Callable[[str], None]:
    deadline = time.monotonic() + timeout_seconds

    def watch(_: str) -> None:
        if time.monotonic() > deadline:
            raise CommandFailed(f"{what} took longer than {timeout_seconds} s")
        tools.tell(Phased(f"running {what}"))

    return watch


def _check(api: IncusApi, ref: ResourceRef, ended: Json, what: str) -> None:
    output: Mapping[str, str] = ended.get("output") or {}
    texts = {stream: _take(api, ref, url) for stream, url in sorted(output.items())}
    if code := ended.get("return"):
        said = (texts.get("2") or texts.get("1") or "").strip()
        words = f": {said[-_LONGEST_COMPLAINT:]}" if said else ""
        raise CommandFailed(f"{what} ended with code {code}{words}")


def _take(api: IncusApi, ref: ResourceRef, url: str) -> str:
    """Read what the server recorded of the output, as far as it matters, and have it removed."""
    recorded, tail = url.removeprefix("/1.0/"), b""
    try:
        with api.download(recorded, project=ref.project) as chunks:
            for chunk in chunks:
                tail = (tail + chunk)[-4 * _LONGEST_COMPLAINT :]
        api.delete(recorded, project=ref.project)
    except NotFound:
        return ""
    return tail.decode("utf-8", "replace")
