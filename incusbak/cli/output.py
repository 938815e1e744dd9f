"""What commands put out: data in the form asked for, on stdout or in a file."""

import io
import os
from pathlib import Path

import click
from ruamel.yaml import YAML

from .. import codec
from ..durable import open_folder, replace_file
from ..errors import UsageError

_READABLE_MODE = 0o644
_STDOUT = ("", "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def as_data(value: object, output: str) -> str:
    """Write a model value as ``json`` or ``yaml``."""
    if output == "json":
        return codec.dump(value)
    text = io.StringIO()
    YAML().dump(codec.to_data(value), text)
    return text.getvalue()


def is_stdout(path: str) -> bool:
    """Whether a file that a user names is what is printed to."""
    return path in _STDOUT


def put_out(text: str, path: str) -> None:
    """Print to stdout, or put a file in place in one step: nobody ever reads half of it.

    The file can be read by all, whatever the umask.

    Args:
        path: of the file; empty, ``-`` or ``/dev/stdout`` for stdout.

    Raises:
        UsageError: it can't be written.
    """
    if is_stdout(path):
        click.echo(text, nl=False)
        return
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # a rename would put a file in place of /dev/null
        raise UsageError(f"{path} is not a regular file")
    try:
        with open_folder(target.parent) as folder:
            replace_file(target.name, text.encode("utf-8", "surrogatepass"), folder, mode=_READABLE_MODE)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from error
