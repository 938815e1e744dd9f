"""Which server is meant: read the Incus client's own configuration, and change nothing in it."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from attrs import field, frozen
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import UsageError

LOCAL = "local"
_DEFAULT_PORT = 8443


@frozen
class Endpoint:
    """How to reach a server.

    ``url`` is pylxd's kind of URL, ``name`` what a plan records. ``pin``: PEM file of the one certificate
    the server may show; None: any that the system's authorities vouch for.
    """

    name: str
    url: str
    pin: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def place(self) -> str:
        """The socket's path or the URL, as a person writes it."""
        return unquote(self.url.removeprefix("http+unix://"))


@frozen
class _Remote:
    addr: str
    folder: Path
    """The configuration folder that names it, and so holds its pin."""
    settings: Mapping[str, Any] = field(factory=dict)


@frozen
class ClientConfig:
    """The remotes of the Incus client, and where its certificates lie."""

    folder: Path
    remotes: Mapping[str, _Remote]
    default: str


def resolve(remote: str) -> Endpoint:
    """Find the server that ``remote`` means.

    Args:
        remote: a remote's name, ``local``, ``unix:/path``, ``unix://``, an ``https://`` URL, or empty for
            $INCUS_REMOTE, else the client's default remote.

    Raises:
        UsageError: no such remote, or one that can't be used for backups.
    """
    if remote.startswith("unix:"):
        return _unix(remote)
    config = read_config()
    wanted = remote or os.environ.get("INCUS_REMOTE") or config.default
    if wanted == LOCAL:
        return _unix("unix://")
    if wanted.startswith("unix:"):
        return _unix(wanted)
    name = _named_by_url(wanted, config) if "://" in wanted else wanted
    if name not in config.remotes:
        known = ", ".join(sorted({LOCAL, *config.remotes}))
        raise UsageError(f"no remote {name!r} in {config.folder} (known: {known})")
    return _configured(name, config)


# -- unix sockets -----------------------------------------------------------------------------------


def _unix(address: str, name: str = "") -> Endpoint:
    path = address.removeprefix("unix:")
    path = "" if path == "//" else path.removeprefix("//")
    socket = Path(path) if path else default_socket()
    return Endpoint(name or (address if path else LOCAL), f"http+unix://{quote(str(socket), safe='')}")


def default_socket() -> Path:
    """The local server's socket, found the way the Incus client finds it."""
    if given := os.environ.get("INCUS_SOCKET"):
        return Path(given)
    if folder := os.environ.get("INCUS_DIR"):
        return _usable(Path(folder))
    run = Path("/run/incus")
    return _usable(run if (run / "unix.socket").exists() else Path("/var/lib/incus"))


def _usable(folder: Path) -> Path:
    """The socket of the ``incus`` group where the administrators' one is out of reach."""
    socket, user_socket = folder / "unix.socket", folder / "unix.socket.user"
    if not os.access(socket, os.W_OK) and os.access(user_socket, os.W_OK):
        return user_socket
    return socket


# -- remotes of the client's configuration ----------------------------------------------------------


def read_config() -> ClientConfig:
    """Read the user's client configuration, and below it the machine's."""
    folder = Path(os.environ.get("INCUS_CONF") or Path.home() / ".config/incus")
    common = Path(os.environ.get("INCUS_GLOBAL_CONF") or "/etc/incus")
    own, shared = _read_yaml(folder / "config.yml"), _read_yaml(common / "config.yml")
    remotes = {**_remotes(shared, common), **_remotes(own, folder)}
    default = own.get("default-remote") or shared.get("default-remote") or LOCAL
    return ClientConfig(folder, remotes, str(default))


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}") from error
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    if not isinstance(content or {}, Mapping):
        raise UsageError(f"{path} is not a configuration of the Incus client")
    return content or {}


def _remotes(content: Mapping[str, Any], folder: Path) -> dict[str, _Remote]:
    found = content.get("remotes") or {}
    return {
        str(name): _Remote(str(settings.get("addr") or ""), folder, settings)
        for name, settings in found.items()
        if isinstance(settings, Mapping) and name != LOCAL
    }


def _named_by_url(url: str, config: ClientConfig) -> str:
    wanted = _host_and_port(url)
    for name, remote in sorted(config.remotes.items()):
        if remote.addr.startswith("https://") and _host_and_port(remote.addr) == wanted:
            return name
    raise UsageError(
        f"no remote has the address {url}, so its certificate is not known",
        hint=f"add it with `incus remote add NAME {url}`, then use --remote NAME",
    )


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url} is not a URL: {error}") from error
    if parts.scheme != "https" or not host:
        raise UsageError(f"{url} is not of the form https://HOST:PORT")
    return host, port or _DEFAULT_PORT


def _configured(name: str, config: ClientConfig) -> Endpoint:
    remote = config.remotes[name]
    if remote.settings.get("protocol", "incus") not in ("incus", "") or remote.settings.get("public"):
        raise UsageError(f"remote {name!r} is an image server; backups need an Incus server of your own")
    if remote.settings.get("auth_type") == "oidc":
        raise UsageError(
            f"remote {name!r} asks for an OIDC login, which can't be used unattended",
            hint="trust a client certificate on that server and add it as a remote with "
            "`incus remote add NAME URL --auth-type tls`",
        )
    if remote.addr.startswith("unix:"):
        return _unix(remote.addr, name)
    host, port = _host_and_port(remote.addr)
    bracketed = f"[{host}]" if ":" in host else host
    pin = _checked_pin(remote.folder / "servercerts" / f"{name}.crt")
    certificate, key = _key_pair(name, config)
    return Endpoint(name, f"https://{bracketed}:{port}", pin, certificate, key)


def _checked_pin(path: Path) -> Path | None:
    if not path.exists():
        return None
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as error:
        raise UsageError(f"{path} is not a certificate: {error}") from error
    return path


def _key_pair(name: str, config: ClientConfig) -> tuple[Path, Path]:
    """The client's certificate and key, of this remote alone where there is one."""
    own = config.folder / "clientcerts" / f"{name}.crt"
    certificate = own if own.exists() else config.folder / "client.crt"
    key = certificate.with_suffix(".key")
    try:
        if "ENCRYPTED" in key.read_text(encoding="ascii", errors="replace"):
            raise UsageError(f"{key} is encrypted; an unattended backup needs a key without a password")
        ssl.create_default_context().load_cert_chain(certificate, key)
    except OSError as error:
        raise UsageError(
            f"the client certificate {certificate} and its key can't be used: {error}",
            hint="`incus remote list` makes one, `incus config trust add` on the server trusts it",
        ) from error
    return certificate, key
