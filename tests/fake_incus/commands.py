"""Commands inside of instances: a few programs that work on an instance's files, and what they said."""

from collections.abc import Callable, Sequence

from incusbak.errors import NotFound, OperationFailed, ServerError
from incusbak.model.documents import Json

from .world import Instance, World

_ROOT = "rootfs"
Said = tuple[int, str, str]
"""Exit code, stdout, stderr."""


def run(world: World, instance: Instance, body: Json) -> Json:
    """POST exec without websockets; gives the operation's metadata. What was said waits to be read."""
    if instance.status != "Running":
        raise ServerError("Instance is not running")
    program, *arguments = body["command"]
    if program not in _PROGRAMS:
        raise OperationFailed("Command not found")
    instance.commands.append(tuple(body["command"]))
    code, out, err = _PROGRAMS[program](instance, arguments)
    if not body.get("record-output"):
        return {"return": code}
    name = f"exec_{world.unique()}"
    output = {}
    for stream, suffix, text in (("1", "stdout", out), ("2", "stderr", err)):
        instance.said[f"{name}.{suffix}"] = text.encode()
        output[stream] = f"/1.0/instances/{instance.name}/logs/exec-output/{name}.{suffix}"
    return {"return": code, "output": output}


def said(instance: Instance, parts: Sequence[str]) -> bytes:
    """GET what a command said."""
    if parts[-1] not in instance.said:
        raise NotFound("not found")
    return instance.said[parts[-1]]


def _true(_: Instance, __: Sequence[str]) -> Said:
    return 0, "", ""


def _false(_: Instance, __: Sequence[str]) -> Said:
    return 1, "", ""


def _echo(_: Instance, words: Sequence[str]) -> Said:
    return 0, f"{' '.join(words)}\n", ""


def _cat(instance: Instance, paths: Sequence[str]) -> Said:
    content = instance.files.get(_ROOT + paths[0])
    if content is None:
        return 1, "", f"cat: can't open '{paths[0]}': No such file or directory\n"
    return 0, content.decode(), ""


def _touch(instance: Instance, paths: Sequence[str]) -> Said:
    instance.files.setdefault(_ROOT + paths[0], b"")
    return 0, "", ""


def _rm(instance: Instance, words: Sequence[str]) -> Said:
    instance.files.pop(_ROOT + words[-1], None)
    return 0, "", ""


_PROGRAMS: dict[str, Callable[[Instance, Sequence[str]], Said]] = {
    "true": _true,
    "false": _false,
    "echo": _echo,
    "cat": _cat,
    "touch": _touch,
    "rm": _rm,
    "sh": _true,
}
