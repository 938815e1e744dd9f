"""Which resources names, globs and times on a command line mean."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from incusbak.model.refs import (
    BackupId,
    ResourceRef,
    format_timestamp,
    instance_ref,
    parse_timestamp,
    volume_ref,
)
from incusbak.ports import Repository
from incusbak.repositories import open_repository
from tests.cli.command import Shell, listed
from tests.fake_incus import FakeIncus
from tests.samples import MOMENT, store

DAY = timedelta(days=1)
AT = ("--target", "dir:repository")
DATA = ("--output", "json")


@pytest.fixture
def repository(shell: Shell) -> Repository:
    return open_repository(f"dir:{shell.home}/repository")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeIncus:
    """A server with four instances."""
    fake = FakeIncus()
    for name in ("web-1", "web-2", "web-canary", "db"):
        fake.world.add_instance(name)
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    return fake


def stored(repository: Repository, *refs: ResourceRef, at: datetime = MOMENT) -> list[BackupId]:
    return [store(repository, ref, at=at) for ref in refs]


def names(shell: Shell, *line: str) -> set[str]:
    """What ``list`` shows, without project and time."""
    return {
        address.rpartition("@")[0].split("/", 2)[-1] for address in listed(shell("list", *line, *AT, *DATA))
    }


INSTANCES = tuple(instance_ref("default", name) for name in ("web-1", "web-2", "web-canary", "db"))


@pytest.mark.parametrize(
    ("globs", "meant"),
    [
        (["web-*"], {"web-1", "web-2", "web-canary"}),
        (["web-*", "!web-canary"], {"web-1", "web-2"}),
        (["web-?", "db"], {"web-1", "web-2", "db"}),
        (["web-[1]"], {"web-1"}),
        (["!web-*"], {"db"}),
        (["*"], {"web-1", "web-2", "web-canary", "db"}),
        (["!scratch-*"], {"web-1", "web-2", "web-canary", "db"}),
        (["db", "d*"], {"db"}),
    ],
)
def test_globs_mean_what_they_mean_in_policies(
    shell: Shell, repository: Repository, globs: list[str], meant: set[str]
) -> None:
    stored(repository, *INSTANCES)
    assert names(shell, "instances", *globs) == meant


def test_globs_say_what_is_backed_up_verified_copied_and_restored(shell: Shell, fake: FakeIncus) -> None:
    assert shell("backup", "instances", "web-*", "!web-canary", *AT).code == 0
    assert names(shell, "instances") == {"web-1", "web-2"}
    assert shell("verify", "instances", "*-1", *AT).out.count(" good") == 1
    assert shell("copy", "instances", "*-2", "--from", "dir:repository", "--to", "dir:other").code == 0
    assert {each.rpartition("@")[0] for each in listed(shell("list", "--target", "dir:other", *DATA))} == {
        "instance/default/web-2"
    }
    fake.world.instances.clear()
    assert shell("restore", "instances", "web-*", *AT).code == 0
    assert {name for _, name in fake.world.instances} == {"web-1", "web-2"}


@pytest.mark.parametrize(
    ("line", "complaint", "hint"),
    [
        (
            "list instances wbe-*",
            "no such instance in the repository in project default: 'wbe-*'",
            "did you mean web-",
        ),
        ("verify instances web-* nope-*", "'nope-*'", "there are db, web-1, web-2, web-canary"),
        ("restore instances zzz*", "no such instance in the repository", "there are db, web-1"),
        ("list instances web-* !web-canray", "'!web-canray'", "did you mean web-canary"),
        ("list instances web-* !web-*", "web-* !web-* excludes every instance in the repository", ""),
        (
            "backup instances wbe-*",
            "no such instance on the server in project default: 'wbe-*'",
            "did you mean web-",
        ),
        ("list instance web-*", "no such instance in the repository", "patterns go with the plural"),
        ("list volumes slow/*", "no such volume in the repository", "there are fast/data"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_what_means_nothing_is_refused_with_the_nearest_names(
    shell: Shell, repository: Repository, line: str, complaint: str, hint: str
) -> None:
    stored(repository, *INSTANCES, volume_ref("default", "fast", "data"))
    told = shell.fails(*line.split(), *AT, code=1)
    assert complaint in told
    assert hint in told


def test_a_name_that_looks_like_a_glob_names_what_has_it(shell: Shell, repository: Repository) -> None:
    stored(repository, *(volume_ref("default", "fast", name) for name in ("a[1]", "a1", "b*", "bc")))
    assert names(shell, "volumes", "fast/a[1]") == {"fast/a[1]"}
    assert names(shell, "volume", "fast/b*") == {"fast/b*"}
    assert names(shell, "volumes", "fast/b?") == {"fast/b*", "fast/bc"}
    assert names(shell, "volumes", "fast/*") == {"fast/a[1]", "fast/a1", "fast/b*", "fast/bc"}


def test_a_singular_means_one_and_a_list_without_a_kind_everything(
    shell: Shell, repository: Repository
) -> None:
    stored(repository, *INSTANCES, volume_ref("default", "fast", "data"))
    assert names(shell, "instance", "db") == {"db"}
    assert names(shell, "volume", "fast/data") == {"fast/data"}
    assert len(names(shell)) == 5
    assert shell("list", "instance", "db", *AT).out.startswith("PROJECT")
    assert shell("verify", "instance", "db", "--read-data", "none", *AT).out.count("/db@") == 1
    assert shell("prune", "instance", "--keep", "1", *AT).code == 0


def test_one_instance_is_backed_up_in_the_singular(shell: Shell, fake: FakeIncus) -> None:
    assert shell("backup", "instance", "db", "--images", "none", *AT).code == 0
    assert names(shell) == {"db"}
    assert len(fake.world.instances) == 4


# -- which backup -------------------------------------------------------------------------------------


@pytest.fixture
def history(shell: Shell, fake: FakeIncus, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The timestamps of backups on three days: of db, of db and web-1, of db. Both are gone since."""
    days = [MOMENT, MOMENT + DAY, MOMENT + 2 * DAY]
    for day, instances in zip(days, (["db"], ["db", "web-1"], ["db"]), strict=True):
        monkeypatch.setattr("incusbak.cli.session.now", lambda day=day: day)
        assert shell("backup", "instances", *instances, "--images", "none", *AT).code == 0
    monkeypatch.setattr("incusbak.cli.times.now", lambda: days[2] + DAY)
    fake.world.instances.clear()
    return [format_timestamp(day) for day in days]


def chosen(shell: Shell, *line: str) -> set[str]:
    """The backups that a restore would take."""
    result = shell("restore", *line, "--dry-run", *AT)
    assert result.code == 0, result.err
    return set(re.findall(r"\w+/default/[\w-]+@\w+", result.out))


def iso(timestamp: str) -> str:
    return parse_timestamp(timestamp).strftime("%Y-%m-%dT%H:%M:%S")


def test_a_version_of_several_is_the_newest_of_each_not_after_it(shell: Shell, history: list[str]) -> None:
    first, _, third = history
    [web] = [each for each in listed(shell("list", *AT, *DATA)) if "web-1" in each]
    assert chosen(shell, "instances", "--version", third) == {f"instance/default/db@{third}", web}
    assert chosen(shell, "instances", "*", "--version", first) == {f"instance/default/db@{first}"}
    assert chosen(shell, "all", "--version", first) == {f"instance/default/db@{first}"}
    assert chosen(shell, "instances", "db", "web-1", "--version", third) == {
        f"instance/default/db@{third}",
        web,
    }
    assert "web-1: no backup from" in shell.fails(
        "restore", "instances", "db", "web-1", "--version", first, *AT, code=1
    )


def test_a_version_of_one_is_that_backup_or_none(shell: Shell, history: list[str]) -> None:
    later = format_timestamp(parse_timestamp(history[2]) + DAY)
    for word in ("instance", "instances"):
        assert chosen(shell, word, "db", "--version", history[1]) == {f"instance/default/db@{history[1]}"}
        told = shell.fails("restore", word, "db", "--version", later, *AT, code=1)
        assert f"no backup with the timestamp {later}; the nearest: " in told
    assert chosen(shell, "instances", "d*", "--version", later) == {f"instance/default/db@{history[2]}"}


def test_a_time_means_the_newest_not_after_it(shell: Shell, history: list[str]) -> None:
    newest = {f"instance/default/db@{history[2]}"}
    assert chosen(shell, "instance", "db", "--at", iso(history[1])) == {f"instance/default/db@{history[1]}"}
    assert chosen(shell, "instance", "db", "--at", "2d") == {f"instance/default/db@{history[1]}"}
    assert chosen(shell, "instance", "db", "--at", history[2]) == newest
    away = parse_timestamp(history[2]).astimezone(ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%dT%H:%M:%S")
    assert chosen(shell, "instance", "db", "--at", away, "--timezone", "Asia/Tokyo") == newest
    assert "no backup from" in shell.fails("restore", "instance", "db", "--at", "9d", *AT, code=1)


# -- entities of the configuration --------------------------------------------------------------------


@pytest.mark.usefixtures("fake")
def test_names_of_entities_are_globs_that_must_mean_some(shell: Shell) -> None:
    assert shell("backup", "config", *AT).code == 0
    assert shell("restore", "config", "profile/default/*", *AT).code == 0
    told = shell.fails("restore", "config", "profile/default/defualt", *AT, code=1)
    assert "no such entity here or in config@" in told
    assert "did you mean profile/default/default" in told
    assert "'nope/*'" in shell.fails("restore", "config", "profile/*", "nope/*", *AT, code=1)
