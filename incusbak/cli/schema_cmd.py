"""``incus-backup schema``."""

import click

from .. import codec
from ..errors import UsageError
from ..plan_schema import plan_schema
from ..policyfile.schema import policy_schema
from .options import Command, Settings, global_options

_SCHEMAS = {"policy": policy_schema, "plan": plan_schema}


@click.command(cls=Command)
@click.argument("what", metavar="|".join(_SCHEMAS))
@global_options
@click.pass_obj
def schema(_: Settings, what: str) -> None:
    """Print the JSON Schema of policies or plans. Editors explain and check files with it; so can CI."""
    if what not in _SCHEMAS:
        raise UsageError(f"there is no schema of {what!r}", hint=f"use one of {', '.join(_SCHEMAS)}")
    click.echo(codec.dump(_SCHEMAS[what]()), nl=False)
