"""Tell a monitor of scheduled jobs that a command began, and how it ended, as Healthchecks has it.

``URL/start`` is called before, ``URL`` after a success, ``URL/fail`` after anything else, with the exit code
as the body. A monitor that does not answer costs a warning, not a backup.
"""

import urllib.request
from http.client import HTTPException
from typing import Any

import click

from .. import __version__
from ..errors import IncusbakError, Stopped, UsageError
from .options import Command, Settings

_SECONDS = 10
_HEADERS = {"User-Agent": f"incus-backup/{__version__}"}


class PingingCommand(Command):
    """A command whose runs are watched, if ``--ping`` says by whom."""

    def invoke_with(self, ctx: click.Context, settings: Settings) -> Any:
        if not settings.ping or settings.dry_run:
            return super().invoke_with(ctx, settings)
        if not settings.ping.startswith(("http://", "https://")):
            raise UsageError("--ping takes a URL that begins with http:// or https://")
        url = settings.ping.rstrip("/")
        _call(f"{url}/start", b"")
        try:
            code = super().invoke_with(ctx, settings)
        except BaseException as error:
            _call(f"{url}/fail", str(_code_of(error)).encode())
            raise
        _call(f"{url}/fail" if code else url, str(code or 0).encode())
        return code


def _code_of(error: BaseException) -> int:
    """The exit code that ``cli.run`` will make of an error."""
    if isinstance(error, Stopped):
        return 128 + error.signum
    return error.exit_code if isinstance(error, IncusbakError) else 1


def _call(url: str, body: bytes) -> None:
    try:
        request = urllib.request.Request(
            url, data=body, headers={"User-Agent": f"incus-backup/{__version__}"}
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            answer.read(1)
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        click.echo(f"{click.style('Warning:', fg='yellow')} the monitor was not reached: {reason}", err=True)
