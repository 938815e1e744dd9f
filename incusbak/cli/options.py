"""Global options, accepted before and after the command, and where settings come from.

Flags > environment (``INCUS_BACKUP_<OPTION>``) > config file > built-in default.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import frozen
from click.core import ParameterSource
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

ENV_PREFIX = "INCUS_BACKUP_"
_FLAGS, _ENVIRONMENT = "incusbak.flags", "incusbak.environment"
_NOT_IN_CONFIG = ("config", "yes", "force", "dry_run")
LOG_LEVELS = ("debug", "info", "warn", "error")


@frozen
class Settings:
    """The global options of one invocation, from wherever they came.

    ``flags``: the names of those that were given on the command line itself.
    """

    target: str = ""
    backend: str = ""
    project: str = ""
    remote: str = ""
    config: str = ""
    log_level: str = "warn"
    dry_run: bool = False
    yes: bool = False
    force: bool = False
    quiet: bool = False
    parallel: int = 2
    lock_wait: float = 0.0
    stall_timeout: float = 600.0
    ping: str = ""
    flags: frozenset[str] = frozenset()

    @property
    def flagged_target(self) -> str:
        """What ``--target`` says on the command line itself; empty if it is not there."""
        return self.target if "target" in self.flags else ""


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a global option's value by its source; the nearer to the command wins."""
    source = ctx.get_parameter_source(param.name or "")
    if source is ParameterSource.COMMANDLINE:
        ctx.meta.setdefault(_FLAGS, {})[param.name] = value
    elif source is ParameterSource.ENVIRONMENT:
        ctx.meta.setdefault(_ENVIRONMENT, {})[param.name] = value


def _global(*names: str, **more: Any) -> Callable[[F], F]:
    long = next(name for name in names if name.startswith("--"))
    envvar = ENV_PREFIX + long.strip("-").replace("-", "_").upper()
    return click.option(*names, envvar=envvar, expose_value=False, callback=_note, **more)


_GLOBALS = (
    _global("--target", metavar="URI", help="The repository, such as dir:/srv/backups."),
    _global("--backend", metavar="NAME", help="Kind of repository; inferred from the URI."),
    _global("--project", metavar="NAME", help="Incus project; '*' means all. [default: default]"),
    _global("--remote", metavar="NAME|URL", help="Incus server; default: the Incus client's."),
    _global("--config", metavar="PATH", help="Settings file."),
    _global("--log-level", type=click.Choice(LOG_LEVELS), help="How much to tell on stderr."),
    _global("--dry-run", is_flag=True, help="Show what would be done and stop."),
    _global("--yes", "-y", is_flag=True, help="Answer the confirmation with yes."),
    _global("--force", is_flag=True, help="As --yes, and allow what must happen before."),
    _global("--quiet", "-q", is_flag=True, help="Say only what failed."),
    _global("--parallel", type=click.IntRange(1, 64), metavar="N", help="Steps at a time. [default: 2]"),
    _global("--lock-wait", type=click.FloatRange(0), metavar="SECONDS", help="Wait for a locked repository."),
    _global(
        "--stall-timeout",
        type=click.FloatRange(1),
        metavar="SECONDS",
        help="Give up on the server after so long without progress; 36 times as long where it never tells of "
        "any, as of imports. [default: 600]",
    ),
    _global("--ping", metavar="URL", help="Tell a monitor at URL/start, URL and URL/fail how it goes."),
)


def global_options(function: F) -> F:
    """Give a command, or the group, every global option."""
    for option in reversed(_GLOBALS):
        function = option(function)
    return function


class Command(click.Command):
    """A command whose own options can come from environment and config file as well."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for param in self.params:
            if isinstance(param, click.Option) and param.envvar is None and param.name != "help":
                param.envvar = ENV_PREFIX + setting_name(param).upper()

    def invoke(self, ctx: click.Context) -> Any:
        config = _config_of(ctx)
        for param in self.params:
            name = param.name or ""
            by_default = ctx.get_parameter_source(name) is ParameterSource.DEFAULT
            if by_default and name in ctx.params and (setting := setting_name(param)) in config:
                ctx.params[name] = _converted(ctx, param, config[setting])
        ctx.obj = _settings(ctx, config)
        return self.invoke_with(ctx, ctx.obj)

    def invoke_with(self, ctx: click.Context, settings: Settings) -> Any:
        """Run the command; ``settings`` are the context's object."""
        return super().invoke(ctx)


def setting_name(param: click.Parameter) -> str:
    """What an option is called in the environment and in the config file: as its flag is."""
    flag = next((each for each in param.opts if each.startswith("--")), "") or str(param.name)
    return flag.strip("-").replace("-", "_")


def _settings(ctx: click.Context, config: Mapping[str, Any]) -> Settings:
    params = {p.name: p for p in ctx.find_root().command.params if p.name in Settings.__annotations__}
    values: dict[str, Any] = {
        str(name): _converted(ctx, param, config[str(name)])
        for name, param in params.items()
        if name in config
    }
    values |= _directory_shortcut()
    flags = ctx.meta.get(_FLAGS, {})
    values |= ctx.meta.get(_ENVIRONMENT, {}) | flags
    given = {name: value for name, value in values.items() if value is not None}
    return Settings(**given, flags=frozenset(flags))


def _directory_shortcut() -> Mapping[str, str]:
    """``INCUS_BACKUP_DIR=/path`` means ``--target dir:/path``."""
    folder = os.environ.get(ENV_PREFIX + "DIR")
    return {"target": f"dir:{folder}"} if folder else {}


def _converted(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Read a value of the config file by the rules for the same words on the command line."""
    try:
        return param.type_cast_value(ctx, _as_words(param, value))
    except click.BadParameter as error:
        raise UsageError(f"config file: {param.name}: {error.message}") from error


def _as_words(param: click.Parameter, value: Any) -> Any:
    """Take one word for a list of one where there may be several."""
    if param.multiple and value is not None:
        return [_as_word(param, each) for each in (value if isinstance(value, list) else [value])]
    return _as_word(param, value)


def _as_word(param: click.Parameter, value: Any) -> Any:
    if isinstance(value, dict | list):
        raise UsageError(f"config file: {param.name}: expected one value")
    return value if value is None or (isinstance(value, bool) and _is_flag(param)) else str(value)


def _is_flag(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and param.is_flag


def _config_of(ctx: click.Context) -> Mapping[str, Any]:
    named = {**ctx.meta.get(_ENVIRONMENT, {}), **ctx.meta.get(_FLAGS, {})}.get("config")
    for path in [Path(named)] if named else _usual_places():
        if named or path.is_file():
            return _read_config(path)
    return {}


def _usual_places() -> list[Path]:
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return [Path(home) / "incus-backup/config.yaml", Path("/etc/incus-backup/config.yaml")]


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}") from error
    except YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UsageError(f"{path}: expected `option: value` lines")
    values = {key.replace("-", "_"): value for key, value in content.items()}
    if unknown := sorted(set(values) - _known_options()):
        raise UsageError(f"{path}: unknown setting {', '.join(unknown)}")
    return values


def _known_options() -> set[str]:
    """Every option of every command, but those that must be said anew each time."""
    from . import cli

    ctx = click.Context(cli)
    commands = [cli, *(cli.get_command(ctx, name) for name in cli.list_commands(ctx))]
    names = {setting_name(p) for c in commands if c for p in c.params if isinstance(p, click.Option)}
    return names - set(_NOT_IN_CONFIG)
