"""``incus-backup validate``."""

from pathlib import Path

import click

from ..policyfile import load_policies
from .options import Command, Settings, global_options


@click.command(cls=Command)
@click.option("-f", "--file", "files", multiple=True, required=True, metavar="POLICY", help="File or folder.")
@global_options
@click.pass_obj
def validate(settings: Settings, files: tuple[str, ...]) -> None:
    """Check policies; no server is asked. Every problem is reported at once."""
    policy = load_policies([Path(file) for file in files])
    if not settings.quiet:
        rules = len(policy.protect) + len(policy.restore)
        names = ", ".join(file.path for file in policy.files)
        click.echo(f"{names}: good, {rules} rule{'' if rules == 1 else 's'}")
