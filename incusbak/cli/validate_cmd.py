"""``incus-backup validate``."""

from pathlib import Path

import click

from ..engine.selection.expectations import impossible, judge
from ..errors import Blocked
from ..policyfile import load_policies
from .options import Command, Settings, global_options
from .session import Session


@click.command(cls=Command)
@click.option("-f", "--file", "files", multiple=True, required=True, metavar="POLICY", help="File or folder.")
@global_options
@click.pass_obj
def validate(settings: Settings, files: tuple[str, ...]) -> int:
    """Check policies; no server is asked. Every problem is reported at once.

    Exit code 7: a rule can't match anything, whatever there is, or maps are for nobody; see `expect`.
    """
    policy = load_policies([Path(file) for file in files])
    judged = judge(impossible(policy), policy.expect.unmatched)
    for warning in judged.warnings:
        Session(settings).warn(warning)
    if judged.unmet:
        raise Blocked("\n".join(judged.unmet), hint="correct the policy, or see its `expect`")
    if not settings.quiet:
        rules = len(policy.protect) + len(policy.restore)
        names = ", ".join(file.path for file in policy.files)
        click.echo(f"{names}: good, {rules} rule{'' if rules == 1 else 's'}")
    return 0
