"""``incus-backup init``."""

import shlex
from pathlib import Path

import click

from ..engine.observation.inventory import observe
from ..engine.selection.starter import make_starter
from ..errors import UsageError
from ..kinds.common.scratch_projects import SCRATCH_PROJECT
from ..policyfile import parse_policy
from ..render import printable
from ..render.starters import render_starter
from .options import Command, Settings, global_options
from .session import Session


@click.command(cls=Command)
@click.argument("file", default="policy.yaml")
@global_options
@click.pass_obj
def init(settings: Settings, file: str) -> None:
    """Write a policy for what is on the server now. It covers everything: a start, to be read and changed.

    FILE, policy.yaml unless named, must not be there yet; - is stdout.
    """
    session = Session(settings)
    text = starter_policy(session)
    parse_policy(text, file)
    is_shown = file == "-" or settings.dry_run
    if is_shown:
        click.echo(text, nl=False)
    else:
        _write_new(Path(file), text)
        session.info(f"Wrote {printable(file)}.")
    session.info(_next_steps(settings, "POLICY" if is_shown else shlex.quote(file)))


def starter_policy(session: Session) -> str:
    """Look at the server and write a policy that covers what is there."""
    inventory = observe(session.server, session.journal, session.kinds)
    projects = [ref.name for ref in inventory.surroundings if ref.kind == "project"]
    starter = make_starter(
        inventory,
        [name for name in projects if not name.startswith(SCRATCH_PROJECT)],
        target=session.repository.uri if session.settings.target else "",
        kinds=session.kinds,
    )
    return render_starter(starter)


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        hint = "name another file (`incus-backup init FILE`), or - to have it on stdout"
        raise UsageError(f"{path} is there already; nothing was written", hint=hint) from error
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from error


def _next_steps(settings: Settings, policy: str) -> str:
    """Say what leads from the file to backups."""
    remote = f" --remote {shlex.quote(settings.remote)}" if settings.remote else ""
    named = "" if settings.target else ", and name your repository in it"
    lines = (
        f"Read it, change what you like{named}. Then:",
        f"  incus-backup validate -f {policy}",
        f"  incus-backup plan -f {policy}{remote}",
        "  incus-backup apply plan.json",
    )
    return "\n".join(map(printable, lines))
