"""Any name a server takes is a folder's name: a different one for each, inside the repository, read back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incusbak.errors import RepositoryError
from incusbak.model.refs import BackupId, ResourceRef, parse_backup_id, unsafe_reason, volume_ref
from incusbak.repositories.encoding import decoded, encoded, is_plain
from incusbak.repositories.layout import folder_of, resource_folders

STRANGE = (
    ".hid", "..a", "...", "a\tb", "a\nb", "\x1b[31m", "a\0b", "a\u202eb", "a\u200bb", "a\xa0b", "ä" * 200,
    "\t" * 240, "." * 250, "%" * 100 + "\t", ".staging", ".lock", "a\\b\t", "日本\u2028", "x" * 199 + ".\t",
)  # fmt: skip
PLAIN = (
    "data", "a b", " a", "a ", "a.", "a..b", "-a", "a%b", "a%2eb", "a%09b", "%", "a\\b", "ä", "日本", "a:b",
    "a*b", "lost+found", "20260101T000000Z", "a@20260101T000000Z", "encoded", "x" * 255, "ä" * 127, "CON",
)  # fmt: skip
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=300)
names = (names | st.sampled_from(STRANGE + PLAIN)).filter(lambda name: name not in (".", ".."))
refs = st.builds(volume_ref, names, names, names)


@given(names)
def test_a_name_comes_back_from_its_folders(name: str) -> None:
    assert decoded(encoded(name)) == name


@given(names)
def test_folders_are_ones_that_every_file_system_takes(name: str) -> None:
    for folder in encoded(name):
        assert 0 < len(folder.encode()) <= 255
        assert not folder.startswith(".")
        assert not set(folder) & set("/\0\n\t\\")


@given(st.lists(st.text(st.sampled_from("a%.\t09E"), max_size=6), min_size=1, max_size=3).map(tuple))
def test_folders_that_are_no_name_in_its_one_form_are_none(folders: tuple[str, ...]) -> None:
    name = decoded(folders)
    assert name is None or encoded(name) == folders


@given(refs, refs)
def test_no_two_resources_share_a_folder_nor_lie_in_each_other(one: ResourceRef, other: ResourceRef) -> None:
    first, second = folder_of(one), folder_of(other)
    depth = min(len(first), len(second))
    assert one == other or first[:depth] != second[:depth]


@given(refs)
def test_addresses_of_any_name_are_read_back(ref: ResourceRef) -> None:
    backup = BackupId(ref, "20260301T123000Z")
    assert parse_backup_id(backup.address) == backup


@pytest.mark.parametrize("name", PLAIN, ids=ascii)
def test_what_was_stored_under_its_own_name_still_is(name: str) -> None:
    ref = volume_ref("default", "fast", name)
    assert (is_plain(name), folder_of(ref)) == (True, ("volumes", "default", "fast", name))


@given(names)
def test_whatever_an_earlier_version_could_store_lies_where_it_did(name: str) -> None:
    assert is_plain(name) or unsafe_reason(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\ud800"], ids=ascii)
def test_what_no_name_can_be_has_no_folder(name: str) -> None:
    with pytest.raises(RepositoryError):
        folder_of(volume_ref("default", "fast", name))


def test_a_person_can_read_them() -> None:
    ref = volume_ref("default", "fast", ".hid\tden")
    assert folder_of(ref) == ("encoded", "volumes", "default", "fast", "%2Ehid%09den")


def test_a_long_name_goes_on_in_a_folder_below() -> None:
    assert encoded("\t" * 70) == ("%09" * 66 + "%", "%09" * 4)


@given(st.sets(refs, max_size=5))
def test_resources_are_found_by_their_folders(
    tmp_path_factory: pytest.TempPathFactory, there: set[ResourceRef]
) -> None:
    root = tmp_path_factory.mktemp("repository")
    for ref in there:
        try:
            root.joinpath(*folder_of(ref)).mkdir(parents=True)
        except OSError:  # longer than a whole path may be here
            return
    assert {ref for ref, _ in resource_folders(root)} == there


@pytest.mark.parametrize(
    "folder", ["data", "%2Ehid%", "%2ehid", "%GG", "a%09", "%FF", ".hid", "%2Fetc", "%2E."]
)
def test_folders_of_others_are_no_resources(tmp_path: Path, folder: str) -> None:
    """What an encoded folder means is written in one way only; what needs no encoding is not found there."""
    (tmp_path / "encoded/volumes/default/fast" / folder / "20260301T123000Z").mkdir(parents=True)
    found = [ref for ref, _ in resource_folders(tmp_path)]
    assert found == ([volume_ref("default", "fast", "a\t")] if folder == "a%09" else [])
