"""What commands put out: data in the form asked for, on stdout or in a file."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from ruamel.yaml import YAML

from .. import codec
from ..durable import open_folder, replace_file
from ..errors import UsageError
from ..render import FORMS

_READABLE_MODE = 0o644
_STDOUT = ("", "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
_ON_COMMAND_LINE = ParameterSource.COMMANDLINE


F = TypeVar("F", bound=Callable[..., Any])

_FORMS = frozenset({"text", "table", "json", "yaml", "markdown", "html", "prometheus"})
"""Those of any command."""


class Form(click.Choice[str]):
    """How to show something, the usual way first.

    The environment and the config file are for every command: a form that one does not have is not for it.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        said = bool(ctx and param and ctx.get_parameter_source(str(param.name)) is _ON_COMMAND_LINE)
        if value in _FORMS - set(self.choices) and not said:
            return self.choices[0]
        return super().convert(value, param, ctx)


def output_option(*forms: str, **more: Any) -> Callable[[F], F]:
    """Give a command ``--output``; the first form is the default."""
    return click.option("--output", type=Form(forms), default=forms[0], show_default=True, **more)


def plan_forms(function: F) -> F:
    """Give a command that shows plans ``--format``, also by the name it has elsewhere."""
    function = click.option("--output", type=Form(FORMS), help="The same as --format.")(function)
    shown = "How to show it.  [default: text]"
    return click.option("--format", "form", type=Form(FORMS), help=shown)(function)


def plan_form(form: str | None, output: str | None) -> str:
    """Take the form from either option.

    Raises:
        UsageError: both are given on the command line.
    """
    source = click.get_current_context().get_parameter_source
    said = [name for name in ("form", "output") if source(name) is _ON_COMMAND_LINE]
    if len(said) > 1:
        raise UsageError("--format and --output are the same option", hint="give one of them")
    return (output if said == ["output"] else form or output) or FORMS[0]


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
