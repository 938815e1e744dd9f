"""The command line: one module per command, loaded when it is called, so that ``--help`` is quick."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from .. import __version__
from ..errors import IncusbakError, Stopped
from .complaints import complain, expect_words
from .options import global_options

COMMANDS: dict[str, str] = {
    "plan": "plan_cmd:plan",
    "apply": "apply_cmd:apply",
    "show": "show_cmd:show",
    "validate": "validate_cmd:validate",
    "status": "status_cmd:status",
    "init": "init_cmd:init",
    "explain": "explain_cmd:explain",
    "schema": "schema_cmd:schema",
    "backup": "backup_cmd:backup",
    "restore": "restore_cmd:restore",
    "list": "list_cmd:list_",
    "verify": "verify_cmd:verify",
    "rehearse": "rehearse_cmd:rehearse",
    "prune": "prune_cmd:prune",
    "copy": "copy_cmd:copy",
    "pin": "pin_cmd:pin",
    "unpin": "pin_cmd:unpin",
    "accept": "pin_cmd:accept",
    "undelete": "pin_cmd:undelete",
}
"""Command to ``module:function``, in the order of ``--help``."""

SUMMARIES: dict[str, str] = {
    "plan": "Work out what a policy asks for; show it and save it.",
    "apply": "Carry out a saved plan, exactly as it was reviewed.",
    "show": "Show a saved plan; no server is asked.",
    "validate": "Check policies; no server is asked.",
    "status": "Tell whether every promise of a policy is kept.",
    "init": "Write a policy for what is on the server now.",
    "explain": "Show which rule covers a resource, and why.",
    "schema": "Print the JSON Schema of policies or plans.",
    "backup": "Back up now.",
    "restore": "Bring back what the repository holds.",
    "list": "Show what the repository holds.",
    "verify": "Read stored backups again from end to end.",
    "rehearse": "Prove that a backup restores, by doing so aside.",
    "prune": "Remove backups that no rule wants to keep.",
    "copy": "Copy backups into another repository, under the same names.",
    "pin": "Keep a backup whatever the rules say.",
    "unpin": "Leave a pinned backup to the rules again.",
    "accept": "Say that a backup may hold as little as it does.",
    "undelete": "Take back the removal of a backup.",
}
"""The first sentence of each command's own help, so that ``--help`` need not load them all."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f".{module}", __name__), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"there is no command {args[0]!r}; known: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    no_args_is_help=False,  # click's own way differs between its versions
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="incus-backup", message="%(prog)s %(version)s")
@global_options
def cli() -> None:
    """Back up and restore Incus servers: plan, review, apply."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; no error leaves as a traceback."""
    settings = (value for name, value in os.environ.items() if name.startswith("INCUS"))
    expect_words([*arguments, *settings])
    try:
        code = cli.main(list(arguments) or ["--help"], prog_name="incus-backup", standalone_mode=False)
    except click.exceptions.Exit as wanted:
        return wanted.exit_code
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        return _complain(error.format_message(), "", 64)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted; nothing was changed", "", 130)
    except Stopped as error:
        return _complain(error.message, error.hint, 128 + error.signum)
    except IncusbakError as error:
        return _complain(error.message, error.hint, error.exit_code)
    except BrokenPipeError:
        return _closed_pipe()
    except OSError as error:
        return _unwritable(error) if _is_of_output(error) else _defect(error)
    except Exception as error:  # the last resort: a defect of this program
        return _defect(error)
    return code if isinstance(code, int) else 0


def _usage(error: click.UsageError) -> int:
    path = error.ctx.command_path if error.ctx else "incus-backup"
    return _complain(error.format_message(), f"see `{path} --help`", 64)


def _complain(message: str, hint: str, code: int) -> int:
    complain(message, hint)
    return code


def _closed_pipe() -> int:
    """The reader of our output has gone (``| head``); keep Python from complaining at exit."""
    _drop_stdout()
    return 141


def _is_of_output(error: OSError) -> bool:
    """Whether what we said could not be written: the innermost of our calls is the one that says it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is click.echo.__code__


def _unwritable(error: OSError) -> int:
    """What was asked for can't be told (``> /dev/full``); keep Python from complaining at exit."""
    _drop_stdout()
    hint = "what was done is done; make room where stdout goes, and ask again"
    return _complain(f"the output can't be written: {error.strerror}", hint, 1)


def _drop_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _defect(error: Exception) -> int:
    if "debug" in sys.argv:
        import traceback

        traceback.print_exc()
    what = f"unexpected {type(error).__name__}: {error}"
    return _complain(what, "this is a defect; run again with --log-level debug and report it", 1)
