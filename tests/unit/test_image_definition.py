"""What of an image is compared and put back."""

from typing import Any

import pytest
from attrs import evolve

from incusbak.errors import Blocked, Unplannable
from incusbak.kinds.image import ImageKind
from incusbak.kinds.image.definition import (
    IMPORTING,
    body,
    comparable,
    definition,
    grouped,
    image_ref,
    wanted,
)
from incusbak.model.backups import Manifest
from incusbak.model.documents import Json
from incusbak.model.goals import RestoreOptions
from incusbak.model.policies import Destination, Maps
from incusbak.model.records import ScratchExport
from incusbak.model.refs import BackupId, ResourceRef, parse_address
from tests.fake_incus import FakeIncus
from tests.samples import manifest_of

NEVER, LONG_AGO, LATER = "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2091-01-02T03:04:05Z"
FINGERPRINT = "ab" * 32
REF = image_ref(FINGERPRINT)
KIND = ImageKind()


def image(project: str = "default", **parts: Any) -> Json:
    """A document as a server gives it."""
    return {
        "fingerprint": FINGERPRINT,
        "project": project,
        "type": "container",
        "size": 7,
        "filename": "f.tar",
        "aliases": [],
        "architecture": "x86_64",
        "auto_update": False,
        "cached": False,
        "expires_at": NEVER,
        "profiles": ["default"],
        "properties": {},
        "public": False,
        "created_at": LATER,
        "uploaded_at": LATER,
        "last_used_at": NEVER,
        **parts,
    }


def resource_of(*images: Json) -> Json:
    (found,) = grouped(images).values()
    return found.document


def manifest(*images: Json) -> Manifest:
    sample = manifest_of(BackupId(REF, "20260301T123000Z"), ())
    return evolve(sample, captured=evolve(sample.captured, resource=resource_of(*images)))


def test_an_image_of_several_projects_is_one_resource() -> None:
    other = image("shop", fingerprint="cd" * 32)
    found = grouped([image("shop"), other, image("default")])
    assert [*found] == [REF, image_ref("cd" * 32)]
    assert [*found[REF].document["projects"]] == ["default", "shop"]
    assert KIND.identity(found[REF].document) == FINGERPRINT


@pytest.mark.parametrize(("cached", "is_cached"), [((True, True), True), ((True, False), None)])
def test_an_image_is_cached_if_it_is_in_every_project(
    cached: tuple[bool, bool], is_cached: bool | None
) -> None:
    documents = (image(project, cached=each) for project, each in zip(("a", "b"), cached, strict=True))
    assert resource_of(*documents).get("cached") == is_cached


def test_what_is_still_being_imported_is_not_there() -> None:
    unfinished = image("shop", properties={IMPORTING: "0123456789ab"})
    assert [*resource_of(image(), unfinished)["projects"]] == ["default"]
    assert grouped([unfinished]) == {}


def test_only_what_can_be_put_back_is_compared() -> None:
    aliases = [{"name": "b", "description": ""}, {"name": "a", "description": "first"}]
    document = resource_of(image(aliases=aliases, properties={"os": "x"}, expires_at=LATER))
    assert comparable(document) == {
        "default": {
            "aliases": {"a": "first", "b": ""},
            "auto_update": False,
            "expires_at": LATER,
            "profiles": ["default"],
            "properties": {"os": "x"},
            "public": False,
        }
    }
    again = resource_of(image(aliases=aliases[::-1], properties={"os": "x"}, expires_at=LATER, size=9))
    assert KIND.comparable(again) == KIND.comparable(document)


def test_both_dates_that_mean_never_are_the_same() -> None:
    assert definition(image(expires_at=LONG_AGO)) == definition(image(expires_at=NEVER))


@pytest.mark.parametrize(("present", "sent"), [(NEVER, NEVER), (LONG_AGO, NEVER), (LATER, LONG_AGO)])
def test_an_expiry_is_cleared_only_where_there_is_one(present: str, sent: str) -> None:
    """The server takes the one date for "as it is", so only the other clears anything."""
    assert body(definition(image()), image(expires_at=present))["expires_at"] == sent


def test_a_mark_is_put_but_never_compared() -> None:
    put = body(definition(image(properties={"os": "x"})), image(), "0123456789ab")
    assert put["properties"] == {"os": "x", "user.incusbak.run": "0123456789ab"}
    assert definition(image(properties=put["properties"]))["properties"] == {"os": "x"}


# -- what a restore would give ----------------------------------------------------------------------


def test_maps_rename_projects_and_profiles() -> None:
    maps = Maps(projects={"shop": "store"}, profiles={"big": "large", "wide": "large"})
    document = resource_of(image(), image("shop", profiles=["big", "small", "wide"]))
    found = wanted(document, RestoreOptions(maps=maps))
    assert {name: each["profiles"] for name, each in found.items()} == {
        "default": ["default"],
        "store": ["large", "small"],
    }


def test_one_project_of_several_can_be_asked_for_by_its_old_name() -> None:
    options = RestoreOptions(maps=Maps(projects={"shop": "store"}), project="shop")
    assert [*wanted(resource_of(image(), image("shop")), options)] == ["store"]


def test_a_project_the_image_was_not_in_is_an_error() -> None:
    with pytest.raises(Unplannable, match="was not in project elsewhere"):
        wanted(resource_of(image()), RestoreOptions(project="elsewhere"))


def test_two_projects_may_become_one_if_they_agree() -> None:
    options = RestoreOptions(maps=Maps(projects={"shop": "default"}))
    assert [*wanted(resource_of(image(), image("shop")), options)] == ["default"]
    with pytest.raises(Unplannable, match="twice"):
        wanted(resource_of(image(), image("shop", public=True)), options)


def test_a_restore_requires_the_projects_and_the_profiles() -> None:
    options = RestoreOptions(maps=Maps(profiles={"default": "plain"}))
    stored = manifest(image(), image("shop", profiles=["default", "big"]))
    assert {ref.address for ref in KIND.requires(stored, REF, options)} == {
        "project/default",
        "project/shop",
        "profile/default/plain",
        "profile/shop/plain",
        "profile/shop/big",
    }


# -- names ------------------------------------------------------------------------------------------


def test_an_image_is_known_by_its_fingerprint_and_its_aliases() -> None:
    images = (image(aliases=[{"name": "os/1", "description": ""}]), image("shop", aliases=[]))
    assert KIND.labels(grouped(images)[REF]) == {FINGERPRINT, FINGERPRINT[:12], "os/1"}


def test_an_image_whose_document_is_not_known_has_its_fingerprint() -> None:
    (found,) = grouped([image()]).values()
    assert KIND.labels(evolve(found, document={})) == {FINGERPRINT, FINGERPRINT[:12]}


def test_selectors_see_the_properties_of_the_first_project_first() -> None:
    document = resource_of(
        image("a", properties={"os": "x"}), image("b", properties={"os": "y", "tier": "gold"})
    )
    assert KIND.effective_config(document) == {"os": "x", "tier": "gold"}


def test_an_image_stays_what_it_is_wherever_it_goes() -> None:
    ref = parse_address(f"image/{FINGERPRINT}")
    assert KIND.relocated(ref, Maps(projects={"default": "b"}), Destination(name="new", pool="fast")) == REF


def test_no_image_is_discarded() -> None:
    (found,) = grouped([image()]).values()
    assert not KIND.is_temporary(found)
    assert KIND.expiry(found) is None


def test_a_record_of_something_else_is_refused() -> None:
    record = ScratchExport("1", ResourceRef("instance", name="web", project="default"), "x")
    with pytest.raises(Blocked, match="not of an image"):
        KIND.recover(_no_tools(), record)
    with pytest.raises(Blocked, match="no temporary image"):
        KIND.discard(_no_tools(), REF)


def _no_tools() -> Any:
    return FakeIncus()  # not reached
