"""Which snapshots a server can't delete after a copy, and what they are called in a copy of ours."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from incusbak.errors import OperationFailed, Unplannable
from incusbak.kinds.archive.renaming import is_misread, is_odd, is_pattern, readable, unreachable
from incusbak.kinds.common.lost_mounts import check_apart, check_deletable, explain, found_again
from incusbak.kinds.instance import InstanceKind
from incusbak.kinds.volume import VolumeKind
from incusbak.model.backups import ExportOptions
from incusbak.model.documents import Json
from incusbak.model.goals import RestoreOptions
from incusbak.model.inventory import Resource, ServerInfo
from incusbak.model.refs import BackupId, instance_ref, volume_ref
from tests.fake_incus import FakeIncus
from tests.samples import manifest_of

COPY = instance_ref("incusbak-1", "incusbak-1")
ODD = ("back\\slash", "ta\tb", "new\nline", "\u00a0nbsp", "back\\", "\u2028")
"""Each of them seen on Incus 6.0.4: mounted for ever after an export, on a pool of the driver dir."""
EVEN = ("snap0", "ha#sh", "do$lar", "s[ab]", "st*r", "ä", "日本")


def called(*names: str) -> list[Json]:
    return [{"name": name} for name in names]


def test_blanks_and_backslashes_are_what_mounts_are_lost_by() -> None:
    assert [name for name in (*ODD, *EVEN) if is_odd(name)] == list(ODD)


def test_a_lost_name_gives_way_to_one_of_the_same_length() -> None:
    assert found_again(called("back\\slash", "ok", "\u00a0n"), "dir") == {
        "back\\slash": "backaslash",
        "\u00a0n": "aan",
    }


def test_no_other_driver_mounts_them_so() -> None:
    assert [found_again(called(*ODD), driver) for driver in ("btrfs", "zfs", "lvm", "ceph")] == [{}] * 4


@given(st.lists(st.text("\\\tab", min_size=1, max_size=3), unique=True, max_size=30))
def test_new_names_are_new_and_each_is_one_snapshots(names: list[str]) -> None:
    found = found_again(called(*names), "dir")
    assert found.keys() == {name for name in names if is_odd(name)}
    final = [found.get(name, name) for name in names]
    assert len(set(final)) == len(final)
    assert not any(map(is_odd, final))
    assert [len(each.encode()) for each in final] == [len(each.encode()) for each in names]


def test_where_all_names_are_taken_it_is_refused() -> None:
    taken = [chr(code) for code in (*range(ord("a"), ord("z") + 1), *range(ord("0"), ord("9") + 1))]
    with pytest.raises(Unplannable, match="rename it"):
        found_again(called(*taken, "\\"), "dir")


def test_where_pool_or_project_is_odd_no_copy_with_snapshots_is_made() -> None:
    with pytest.raises(Unplannable, match="pool 'po"):
        check_deletable(called("ok"), "dir", COPY, "po\\ol")
    with pytest.raises(Unplannable, match="project 'p"):
        check_deletable(called("ok"), "dir", instance_ref("p\\j", "x"), "pool")
    check_deletable([], "dir", COPY, "po\\ol")
    check_deletable(called("ok"), "lvm", COPY, "po\\ol")


@pytest.mark.parametrize("name", [".", ".."])
def test_what_has_a_snapshot_that_is_the_folder_of_all_is_neither_copied_nor_removed(name: str) -> None:
    """Seen on Incus 6.0.4: with either went the folder of all snapshots on the pool."""
    with pytest.raises(Unplannable, match="lies where the snapshots of all others on its pool do"):
        check_apart(called("ok", name), "dir")
    check_apart(called("ok", name), "btrfs")
    check_apart(called("ok", "..."), "dir")
    for kind, ref in ((InstanceKind(), COPY), (VolumeKind(), volume_ref("p", "pool", "data"))):
        current = Resource(ref, {}, snapshots=tuple(called("ok", name)))
        assert "lies where" in kind.foresee(FakeIncus(), current).obstacle


@pytest.mark.parametrize("optimized", [True, False])
def test_in_the_drivers_own_format_such_a_snapshot_can_not_be_brought_back(optimized: bool) -> None:
    plain = manifest_of(BackupId(instance_ref("p", "web"), "20260301T123000Z"), ())
    captured = evolve(plain.captured, snapshots=tuple(called("ok", "..")))
    stored = evolve(plain, captured=captured, options=ExportOptions(optimized=optimized))
    words = InstanceKind().unrestorable(stored, RestoreOptions(), ServerInfo("", "", "6.0.4"), None)
    assert ("its snapshot '..' has a name that this server does not take" in words) == optimized


def explained(words: str) -> str:
    error = OperationFailed(words)
    explain(error)
    return error.hint


@pytest.mark.parametrize("end", ["read-only file system", "device or resource busy"])
def test_a_lost_mount_is_told_where_the_server_stumbles_over_it(end: str) -> None:
    """As Incus 6.0.4 says of instances and of volumes."""
    words = (
        "Failed to remove '/pools/default/x-snapshots/w/{0}': unlinkat /pools/default/x-snapshots/w/{0}: "
        + end
    )
    assert "lost track of a mount" in explained(words.format("back\\slash"))
    assert explained(words.format("plain")) == ""
    assert explained("Instance is running") == ""


def test_tar_misreads_a_backslash_before_some_letters() -> None:
    """As GNU tar 1.34 does, which Incus 6.0.4 and 7.0.2 unpack with: it finds none of the first."""
    misread, found = ["n\\nl", "t\\t1", "\\\\d", "o\\101"], ["x\\y", "tr\\", "ta\tb", "s[ab]", "st*r"]
    assert [name for name in (*misread, *found) if is_misread(name)] == misread
    assert readable(called(*misread[:1], *found), is_misread) == {"n\\nl": "nanl"}
    assert readable(called("x\\y", "plain"), is_odd) == {"x\\y": "xay"}


def test_tar_unpacks_nothing_whose_path_goes_up() -> None:
    """As with Incus 6.0.4 and 7.0.2: "Member name contains '..'"."""
    for is_unfit in (is_misread, is_pattern):
        assert readable(called("..", ".", "aa", "..."), is_unfit) == {"..": "bb", ".": "a"}


def test_names_of_volumes_snapshots_are_taken_for_regular_expressions() -> None:
    """As Incus 6.0.4 and 7.0.2 have tar place what they unpack: seen in wrong folders, or refused."""
    meant_otherwise = ["v[1]x", "a[b", "back\\slash", "a\\.b", "a\\|b", "a*b", "*", "a$", "tail\\", "n\\nl"]
    meant_so = ["a.b", "a{2}b", "a+b", "^a", "$(x)", "a?b", "x&y", "a]b", "a:b"]
    assert [name for name in (*meant_otherwise, *meant_so) if is_pattern(name)] == meant_otherwise
    found = readable(called(*meant_otherwise, *meant_so), is_pattern)
    assert found.keys() == set(meant_otherwise)
    assert (found["v[1]x"], found["tail\\"], found["a$"]) == ("va1]x", "taila", "aa")
    assert not any(map(is_pattern, found.values()))


def test_a_name_for_an_import_is_one_that_every_server_takes() -> None:
    odd = ("\tdaily", "-a-", "é", "a+b'c", "_")
    assert list(readable(called(*odd), lambda _: True).values()) == ["adaily", "aaa", "aa", "aabac", "a"]


def test_where_tar_misreads_the_folder_nothing_can_be_unpacked() -> None:
    assert unreachable("default", "po\\ol") == ""
    assert "tar misreads" in unreachable("default", "po\\nl")
