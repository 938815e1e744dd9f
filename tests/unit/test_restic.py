"""What is known of restic without running it: places, passwords, its failures in our words, its tags."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incusbak.errors import (
    Corrupt,
    RepositoryDenied,
    RepositoryError,
    RepositoryLocked,
    RepositoryMissing,
    RepositoryUnavailable,
    UsageError,
)
from incusbak.model.backups import Compression
from incusbak.model.refs import BackupId, instance_ref
from incusbak.repositories import Caller, open_repository
from incusbak.repositories.restic.content import catalog_from
from incusbak.repositories.restic.failures import as_damage, explain, gave_up, is_pointless
from incusbak.repositories.restic.passwords import Passwords
from incusbak.repositories.restic.process import find_restic
from incusbak.repositories.restic.snapshots import Shelf, Snapshot, parse_snapshots, tagged

NEW, OLD = (0, 18), (0, 14)
PLACE = "/srv/backups"
MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
WEB = BackupId(instance_ref("default", "web"), "20260301T123000Z")


# -- places -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "canonical"),
    [
        ("restic:/srv/backups", "restic:/srv/backups"),
        ("restic:///srv/x/../backups/", "restic:/srv/backups"),
        ("restic:local:/srv/backups", "restic:/srv/backups"),
        ("restic:sftp:me@host:/srv/backups", "restic:sftp:me@host:/srv/backups"),
        ("restic:rest:https://host:8000/web/", "restic:rest:https://host:8000/web/"),
        ("restic:s3:https://s3.host/bucket", "restic:s3:https://s3.host/bucket"),
        ("restic:rclone:cloud:backups", "restic:rclone:cloud:backups"),
    ],
)
def test_the_uri_is_canonical(uri: str, canonical: str) -> None:
    assert open_repository(uri).uri == canonical


def test_a_relative_path_is_to_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_repository("restic:backups").uri == f"restic:{tmp_path}/backups"


@pytest.mark.parametrize("place", ["rest:http://u:secret@host/", "s3:https://key:secret@host/bucket"])
def test_a_place_with_a_password_in_it_is_refused_without_repeating_it(place: str) -> None:
    with pytest.raises(UsageError, match="holds a password") as caught:
        open_repository(f"restic:{place}")
    assert "secret" not in caught.value.message
    assert "RESTIC_REST_PASSWORD" in caught.value.hint


def test_archives_get_no_compression_where_the_repository_compresses(tmp_path: Path) -> None:
    usual = {uri: open_repository(f"{uri}:{tmp_path}/x").usual_compression for uri in ("dir", "restic")}
    assert usual == {"dir": Compression.ZSTD, "restic": Compression.NONE}


def test_one_that_lost_its_config_is_not_made_anew(tmp_path: Path) -> None:
    """What its keys open would be lost."""
    for folder in ("data", "keys"):
        (tmp_path / "repository" / folder).mkdir(parents=True)
    repository = open_repository(f"restic:{tmp_path}/repository", Caller("", tmp_path))
    assert repository.catalog().repository_id == ""
    (tmp_path / "repository/keys/ab12").touch()
    with pytest.raises(RepositoryMissing, match="has keys but no config"):
        repository.catalog()


def test_nothing_is_asked_for_where_there_is_no_repository_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a password nor restic: a first plan can be made without them."""
    monkeypatch.setenv("PATH", str(tmp_path))
    repository = open_repository(f"restic:{tmp_path}/repository", Caller("", tmp_path))
    assert (repository.catalog().repository_id, repository.stored_bytes()) == ("", 0)
    assert (repository.free_bytes() or 0) > 0
    assert list(tmp_path.iterdir()) == []


# -- the program --------------------------------------------------------------------------------------


def test_restic_must_be_installed(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="restic is not installed") as caught:
        find_restic(str(tmp_path))
    assert "apt install restic" in caught.value.hint


@pytest.mark.parametrize(
    ("says", "message"),
    [("restic 0.13.1 compiled with go1.18", "is restic 0.13"), ("hello", "is not restic: it says 'hello'")],
)
def test_a_restic_that_is_too_old_or_none_is_refused(tmp_path: Path, says: str, message: str) -> None:
    program = tmp_path / "restic"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o700)
    with pytest.raises(RepositoryError, match=message):
        find_restic(str(tmp_path))


# -- passwords ----------------------------------------------------------------------------------------


@pytest.fixture
def no_password(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("PASSWORD", "PASSWORD_FILE", "PASSWORD_COMMAND", "REST_USERNAME", "REST_PASSWORD"):
        monkeypatch.delenv(f"RESTIC_{name}", raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND"])
def test_restics_own_variables_are_left_to_restic(no_password: pytest.MonkeyPatch, name: str) -> None:
    no_password.setenv(name, "x")
    assert Passwords(lambda _: "typed").environment(PLACE, NEW) == {}


@pytest.mark.usefixtures("no_password")
def test_a_password_is_asked_for_once() -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "typed"

    passwords = Passwords(ask)
    for _ in range(2):
        assert passwords.environment(PLACE, NEW) == {"RESTIC_PASSWORD": "typed"}
    assert prompts == [f"Repository {PLACE}\nPassword: "]
    passwords.confirm(PLACE)
    assert prompts[1:] == ["Once more, for a new repository: "]


@pytest.mark.usefixtures("no_password")
@pytest.mark.parametrize("was_asked_before", [False, True])
def test_a_new_repository_is_not_made_with_a_slip_of_the_finger(was_asked_before: bool) -> None:
    answers = iter(["typed", "tpyed"])
    passwords = Passwords(lambda _: next(answers))
    if was_asked_before:
        passwords.environment(PLACE, NEW)
    with pytest.raises(RepositoryDenied, match="not the same"):
        passwords.confirm(PLACE)


@pytest.mark.usefixtures("no_password")
def test_without_a_password_and_a_terminal_it_is_said_how_to_give_one() -> None:
    with pytest.raises(RepositoryDenied, match="no password is given") as caught:
        Passwords(lambda _: "").environment(PLACE, NEW)
    assert "RESTIC_PASSWORD_FILE" in caught.value.hint


def test_an_older_restic_gets_credentials_in_the_only_way_it_knows(no_password: pytest.MonkeyPatch) -> None:
    no_password.setenv("RESTIC_PASSWORD", "x")
    no_password.setenv("RESTIC_REST_USERNAME", "me")
    no_password.setenv("RESTIC_REST_PASSWORD", "p@ss")
    passwords, place = Passwords(), "rest:https://host/web/"
    assert passwords.environment(place, NEW) == {}
    assert passwords.environment(place, OLD) == {"RESTIC_REPOSITORY": "rest:https://me:p%40ss@host/web/"}


# -- failures -----------------------------------------------------------------------------------------

LOCKED = """unable to create lock in backend: repository is already locked exclusively by PID 12 on vm by \
root (UID 0, GID 0)
lock was created at 2026-11-25 20:22:58 (7.07s ago)
storage ID 72f55868
the `unlock` command can be used to remove stale locks"""
MISSING = """Fatal: unable to open config file: stat {place}/config: no such file or directory
Is there a repository at the following location?
{place}"""
REFUSED = """Fatal: unable to open config file: client.Head: Head "http://h/config": dial tcp 127.0.0.1:1: \
connect: connection refused
Is there a repository at the following location?
rest:http://h/"""


def error(code: int, message: str) -> str:
    """As restic says it since 0.17."""
    return json.dumps({"message_type": "exit_error", "code": code, "message": message})


@pytest.mark.parametrize(
    ("code", "text", "place", "kind", "words"),
    [
        (12, error(12, "Fatal: wrong password or no key found"), PLACE, RepositoryDenied, "is not that of"),
        (1, "Fatal: wrong password or no key found", PLACE, RepositoryDenied, "is not that of /srv/backups"),
        (1, "Resolving password failed: /n does not exist", PLACE, RepositoryDenied, "/n does not"),
        (1, LOCKED, PLACE, RepositoryLocked, r"pid 12 on vm, run by root\) holds it since 2026"),
        (11, error(11, LOCKED), PLACE, RepositoryLocked, r"pid 12 on vm"),
        (1, MISSING, PLACE, RepositoryMissing, "no restic repository at /srv/backups"),
        (10, error(10, MISSING), PLACE, RepositoryMissing, "no restic repository"),
        (1, REFUSED, "rest:http://h/", RepositoryUnavailable, "connection refused"),
        (1, "Fatal: write data: no space left on device", PLACE, RepositoryError, "no space left at /srv"),
        (1, "Fatal: open locks/x: permission denied", PLACE, RepositoryError, "not permitted"),
        (-9, "", PLACE, RepositoryError, "ended with code -9 and said nothing"),
    ],
)
def test_a_failure_is_what_restic_means(
    code: int, text: str, place: str, kind: type[RepositoryError], words: str
) -> None:
    found = explain(place, "snapshots", code, text.replace("{place}", place).splitlines())
    with pytest.raises(kind, match=words) as caught:
        raise found
    assert type(caught.value) is kind


def test_one_that_tried_again_and_again_says_why() -> None:
    lines = ["Save(<data/ab>) returned error, retrying after 1.2s: dial tcp: refused", "context canceled"]
    assert (
        gave_up("rest:x", 4, lines).message
        == "rest:x can't be reached, tried again for 4 s: dial tcp: refused"
    )


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        ("Stat: The specified bucket does not exist", RepositoryMissing, "there is no restic repository at"),
        ("Stat: Access Denied", RepositoryError, "not permitted: Stat: Access Denied"),
        ("client.PutObject: The AWS access key Id you provided does not exist", RepositoryError, "not permi"),
    ],
)
def test_what_no_trying_mends_is_not_tried_again_and_is_no_temporary_failure(
    cause: str, kind: type[RepositoryError], words: str
) -> None:
    line = f"Stat(<config/>) returned error, retrying after 1.2s: {cause}"
    assert is_pointless(line)
    found = gave_up("s3:http://h/bucket", 60, [line])
    assert (type(found), words in found.message) == (kind, True)


def test_what_may_pass_is_tried_again() -> None:
    assert not is_pointless("Stat(<config/>) returned error, retrying after 1.2s: dial tcp: refused")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RepositoryError("restic dump failed: ciphertext verification failed"), Corrupt),
        (RepositoryError("restic dump failed: blob ab12 not found in index"), Corrupt),
        (RepositoryError("restic dump failed: out of memory"), RepositoryError),
        (RepositoryError("unable to load blob ab12: read /r/data/ab: input/output error"), RepositoryError),
        (RepositoryError("Load(<data/ab12>) failed: open /r/data/ab: permission denied"), RepositoryError),
        (RepositoryError("unable to read tree: stale NFS file handle"), RepositoryError),
        (RepositoryError("unable to load blob ab12: open /r/data/ab: no such file or directory"), Corrupt),
        (RepositoryLocked("is locked by something that does not match"), RepositoryLocked),
        (RepositoryUnavailable("connection reset: unexpected EOF"), RepositoryUnavailable),
    ],
)
def test_only_what_looks_like_damage_is_damage(error: RepositoryError, kind: type[RepositoryError]) -> None:
    assert type(as_damage(error, "a file")) is kind


# -- tags ---------------------------------------------------------------------------------------------


def snapshot(number: int, *tags: tuple[str, str], taken: datetime = MOMENT) -> Snapshot:
    return Snapshot(f"{number:064x}", taken, tags)


def listed(*snapshots: Snapshot) -> bytes:
    """What restic would say of them."""
    return json.dumps(
        [
            {
                "id": each.id,
                "time": each.taken.isoformat().replace("+00:00", ".123456789Z"),
                "tags": [tag.removeprefix("--tag=") for tag in tagged(each.tags)],
            }
            for each in snapshots
        ]
    ).encode()


def test_tags_come_back_whatever_they_hold() -> None:
    tags = (("file", "a,b=c%d é\n"), ("backup", WEB.address))
    [found] = parse_snapshots(listed(snapshot(1, *tags)))
    assert (found.tags, found.backup) == (tags, WEB)
    assert all("," not in word and "\n" not in word for word in tagged(tags))


def test_snapshots_of_others_are_not_seen() -> None:
    others = [{"id": "1", "time": "2026-01-01T00:00:00Z"}, {"id": "2", "time": "", "tags": ["x"]}]
    assert parse_snapshots(json.dumps(others).encode()) == ()
    assert parse_snapshots(b"null") == ()


@pytest.mark.parametrize("answer", [b"{", b'[{"tags": ["incus-backup"]}]', b"[1]"])
def test_an_answer_that_is_none_is_an_error(answer: bytes) -> None:
    with pytest.raises(RepositoryError, match="can't be understood"):
        parse_snapshots(answer)


def test_only_a_manifest_makes_a_backup_and_what_has_none_is_an_orphan() -> None:
    def of(token: str, type_: str) -> tuple[tuple[str, str], ...]:
        return ("type", type_), ("backup", WEB.address), ("token", token)

    metadata = snapshot(1, ("type", "metadata"), ("repository", "r"))
    shelf = Shelf((metadata, snapshot(2, *of("a", "file")), snapshot(3, *of("b", "file"))))
    assert catalog_from(shelf).backups == {}
    whole = shelf.with_one(snapshot(4, *of("b", "manifest")))
    assert catalog_from(whole).of(WEB.ref) == (WEB,)
    assert [each.token for each in whole.orphans()] == ["a"]
    assert list(whole.without(frozenset({f"{4:064x}"})).orphans()) == list(shelf.orphans())


def test_a_backup_whose_files_somebody_forgot_is_known_to_be_damaged() -> None:
    def of(type_: str, *parts: str) -> tuple[tuple[str, str], ...]:
        about = ("type", type_), ("backup", WEB.address), ("token", "a")
        return (*about, *(("part", part) for part in parts))

    metadata = snapshot(1, ("type", "metadata"), ("repository", "r"))
    cut = Shelf((metadata, snapshot(2, *of("file", "1")), snapshot(4, *of("manifest", "1", "2"))))
    assert (catalog_from(cut).of(WEB.ref), catalog_from(cut).newest(WEB.ref)) == ((WEB,), None)
    whole = cut.with_one(snapshot(3, *of("file", "2")))
    assert catalog_from(whole).newest(WEB.ref) == WEB


def test_of_two_backups_of_one_name_that_machines_made_at_once_the_first_counts() -> None:
    manifests = [
        snapshot(number, ("type", "manifest"), ("backup", WEB.address), ("token", token))
        for number, token in ((2, "b"), (1, "a"))
    ]
    assert [m.token for m in Shelf(parse_snapshots(listed(*manifests))).manifests(WEB)] == ["a", "b"]


def test_findings_and_runs_that_were_overtaken_long_ago_are_not_kept_for_ever() -> None:
    def note(number: int, verdict: str) -> Snapshot:
        at = f"20260301T{number:06d}Z"
        return snapshot(number, ("type", "note"), ("backup", WEB.address), ("verdict", verdict), ("at", at))

    def run(number: int, *more: tuple[str, str]) -> Snapshot:
        return snapshot(1000 + number, ("type", "run"), *more)

    few = [note(number, "good") for number in range(12)]
    many = [note(number, "unfit") for number in range(20, 33)]
    runs = [run(0, ("restored", "instance/default/web")), *(run(number) for number in range(1, 1002))]
    assert list(Shelf((*few, *many, *runs[:1001])).superseded()) == many[:-3]
    assert list(Shelf(tuple(runs)).superseded()) == runs[1:-500]
