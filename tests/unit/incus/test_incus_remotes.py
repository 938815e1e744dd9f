"""Which server a remote means, read from the Incus client's own configuration."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from incusbak.errors import UsageError
from incusbak.incus import remotes
from incusbak.incus.remotes import Endpoint, resolve

CONFIG = """
default-remote: prod
remotes:
  prod: {addr: "https://10.0.0.1:8443", auth_type: tls, protocol: incus, public: false}
  bare: {addr: "https://10.0.0.2", protocol: incus}
  v6: {addr: "https://[::1]:9443", protocol: incus}
  ca: {addr: "https://backup.example:443", protocol: incus}
  box: {addr: "unix:/srv/box/unix.socket", protocol: incus}
  images: {addr: "https://images.example", protocol: simplestreams, public: true}
  shared: {addr: "https://shared.example:8443", protocol: incus, public: true}
  login: {addr: "https://login.example:8443", auth_type: oidc, protocol: incus}
"""
PINNED = ("prod", "bare", "v6")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("pair")
    certificate, key = folder / "c.crt", folder / "c.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    names = ["-subj", "/CN=test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(autouse=True)
def conf(tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder with remotes, a client certificate and pins."""
    for name in ("INCUS_REMOTE", "INCUS_SOCKET", "INCUS_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "conf"
    (folder / "servercerts").mkdir(parents=True)
    (folder / "config.yml").write_text(CONFIG)
    for name in PINNED:
        shutil.copy(pair[0], folder / f"servercerts/{name}.crt")
    shutil.copy(pair[0], folder / "client.crt")
    shutil.copy(pair[1], folder / "client.key")
    monkeypatch.setenv("INCUS_CONF", str(folder))
    monkeypatch.setenv("INCUS_GLOBAL_CONF", str(tmp_path / "global"))
    return folder


def at(path: str) -> str:
    return "http+unix://" + quote(path, safe="")


# -- names ------------------------------------------------------------------------------------------


def test_a_remote_has_its_address_its_pin_and_the_clients_certificate(conf: Path) -> None:
    expected = Endpoint(
        name="prod",
        url="https://10.0.0.1:8443",
        pin=conf / "servercerts/prod.crt",
        certificate=conf / "client.crt",
        key=conf / "client.key",
    )
    assert resolve("prod") == expected


@pytest.mark.parametrize(
    ("environment", "name"), [({}, "prod"), ({"INCUS_REMOTE": "ca"}, "ca"), ({"INCUS_REMOTE": ""}, "prod")]
)
def test_no_remote_means_that_of_the_environment_else_the_default(
    environment: Mapping[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert resolve("").name == name


def test_without_any_configuration_the_default_is_local(conf: Path) -> None:
    shutil.rmtree(conf)
    assert resolve("").name == "local"


@pytest.mark.parametrize(("name", "url"), [("bare", "https://10.0.0.2:8443"), ("v6", "https://[::1]:9443")])
def test_addresses_are_completed(name: str, url: str) -> None:
    assert resolve(name).url == url


def test_a_remote_without_a_pin_is_trusted_by_authorities() -> None:
    assert resolve("ca").pin is None


def test_a_certificate_of_the_remote_comes_first(conf: Path, pair: tuple[Path, Path]) -> None:
    (conf / "clientcerts").mkdir()
    shutil.copy(pair[0], conf / "clientcerts/prod.crt")
    shutil.copy(pair[1], conf / "clientcerts/prod.key")
    assert resolve("prod").certificate == conf / "clientcerts/prod.crt"
    assert resolve("ca").certificate == conf / "client.crt"


def test_remotes_of_the_machine_are_known_and_have_their_pins_there(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    (tmp_path / "global/servercerts").mkdir(parents=True)
    (tmp_path / "global/config.yml").write_text(
        'remotes: {site: {addr: "https://site:8443"}, prod: {addr: "https://other:8443"}}'
    )
    shutil.copy(pair[0], tmp_path / "global/servercerts/site.crt")
    assert resolve("site").pin == tmp_path / "global/servercerts/site.crt"
    assert resolve("prod").url == "https://10.0.0.1:8443"


def test_a_url_means_the_remote_with_that_address() -> None:
    assert resolve("https://10.0.0.1:8443") == resolve("prod")
    assert resolve("https://10.0.0.2") == resolve("bare")


# -- sockets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "name", "path"),
    [
        ("box", "box", "/srv/box/unix.socket"),
        ("unix:/x/y.socket", "unix:/x/y.socket", "/x/y.socket"),
        ("unix:///x/y.socket", "unix:///x/y.socket", "/x/y.socket"),
        ("unix://", "local", "/s"),
        ("local", "local", "/s"),
    ],
)
def test_a_socket_is_named(remote: str, name: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCUS_SOCKET", "/s")
    assert resolve(remote) == Endpoint(name, at(path))


def test_the_local_socket_is_looked_for_in_the_folder_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCUS_DIR", str(tmp_path))
    assert resolve("local").url == at(f"{tmp_path}/unix.socket")


def test_who_may_not_use_the_socket_gets_that_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCUS_DIR", str(tmp_path))
    users = tmp_path / "unix.socket.user"
    users.touch()
    (tmp_path / "unix.socket").touch()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) == users)
    assert resolve("local").url == at(str(users))


def test_the_usual_place_of_the_socket_is_below_run_or_var(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remotes, "_usable", lambda folder: folder)
    expected = Path("/run/incus" if Path("/run/incus/unix.socket").exists() else "/var/lib/incus")
    assert remotes.default_socket() == expected


# -- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "words"),
    [
        ("nowhere", r"no remote 'nowhere' .*known: bare, box, ca, images, local, login, prod, shared, v6"),
        ("images", "image server"),
        ("shared", "image server"),
        ("login", "OIDC"),
        ("https://10.9.9.9:8443", "no remote has the address"),
        ("http://10.0.0.1:8443", "not of the form"),
        ("https://[bad", "not a URL"),
        ("https://host:port", "not a URL"),
    ],
)
def test_a_remote_that_can_not_be_used_is_refused(remote: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        resolve(remote)


def test_the_hint_for_an_unknown_address_says_how_to_add_it() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("https://10.9.9.9:8443")
    assert "incus remote add NAME https://10.9.9.9:8443" in caught.value.hint


@pytest.mark.parametrize("key", ["-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "Proc-Type: 4,ENCRYPTED\n"])
def test_an_encrypted_key_is_refused(conf: Path, key: str) -> None:
    (conf / "client.key").write_text(key)
    with pytest.raises(UsageError, match="is encrypted"):
        resolve("prod")


@pytest.mark.parametrize("missing", ["client.crt", "client.key"])
def test_a_missing_client_certificate_is_told_with_a_hint(conf: Path, missing: str) -> None:
    (conf / missing).unlink()
    with pytest.raises(UsageError, match=r"client\.crt") as caught:
        resolve("prod")
    assert "incus config trust add" in caught.value.hint


def test_a_pin_that_is_no_certificate_is_refused(conf: Path) -> None:
    (conf / "servercerts/prod.crt").write_text("nonsense")
    with pytest.raises(UsageError, match="is not a certificate"):
        resolve("prod")


@pytest.mark.parametrize("text", ["a: [", "- list", "just text", "a: !python/object:x {}\n", "\xff\x00"])
def test_a_broken_configuration_is_refused(conf: Path, text: str) -> None:
    (conf / "config.yml").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"config\.yml"):
        resolve("prod")


@pytest.mark.parametrize("text", ["", "remotes:\n", "remotes: {prod: null}\n"])
def test_an_empty_configuration_knows_only_local(conf: Path, text: str) -> None:
    (conf / "config.yml").write_text(text)
    with pytest.raises(UsageError, match=r"known: local\)"):
        resolve("prod")
