"""What the documents of servers and manifests must hold, since the rest of the program relies on it."""

from typing import Any

import pytest

from incusbak.errors import NotUnderstood
from incusbak.incus import answers
from incusbak.kinds.config.definition import tidied
from incusbak.kinds.config.rows import ROWS, EntityRow
from incusbak.kinds.image.definition import definition
from incusbak.model.forms import CAPTURED, misfit
from incusbak.model.refs import ResourceRef
from tests.config_samples import EVERYTHING

INSTANCE = {
    "name": "web",
    "project": "default",
    "type": "container",
    "status": "Running",
    "config": {},
    "devices": {"root": {"type": "disk"}},
}
BY_PART = {row.part: row for row in ROWS}


def told(path: str, document: dict[str, Any]) -> str:
    """In which words an answer is refused."""
    with pytest.raises(NotUnderstood) as caught:
        answers.one(path, document, f"GET /1.0/{path}")
    return caught.value.message


@pytest.mark.parametrize("part", ["devices", "expanded_devices", "expanded_config"])
def test_what_is_never_nothing_is_refused_where_it_is(part: str) -> None:
    assert f"$.{part}" in told("instances/web", {**INSTANCE, part: None})


@pytest.mark.parametrize("part", ["devices", "expanded_devices"])
def test_a_device_is_not_nothing(part: str) -> None:
    odd = {**INSTANCE, part: {"eth0": None}}
    assert f"$.{part}.eth0: expected an object, got nothing" in told("instances/web", odd)
    assert misfit(odd, CAPTURED["instance"]) == f"$.{part}.eth0: expected an object, got nothing"


@pytest.mark.parametrize(
    "path", ["profiles/web", "storage-pools/fast/volumes/custom/data"], ids=["profile", "volume"]
)
def test_what_is_listed_for_all_projects_says_its_own(path: str) -> None:
    more = {"type": "custom", "content_type": "filesystem", "description": ""}
    assert "$.project: is missing" in told(path, {"name": "web", "config": {}, **more})


def test_aliases_have_names_and_may_have_no_description() -> None:
    image = {"fingerprint": "ab", "type": "container", "size": 5}
    assert "$.aliases.0.name: is missing" in told("images/ab", {**image, "aliases": [{"description": "x"}]})
    assert definition({**image, "aliases": [{"name": "golden"}]})["aliases"] == {"golden": ""}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_tells_entities_apart_is_in_each_of_them(row: EntityRow) -> None:
    """In those of a server, and in those of a stored configuration."""
    needed = (row.key, *([row.parent] if row.parent else []))
    whole = {row.key: "x", row.parent: "y", "config": {}, "driver": "dir", "type": "t", "project": "p"}
    assert misfit({row.part: [whole]}, CAPTURED["config"]) == ""
    for key in needed:
        less = {name: value for name, value in whole.items() if name != key}
        assert misfit({row.part: [less]}, CAPTURED["config"]) == f"$.{row.part}.0.{key}: is missing"
    with pytest.raises(NotUnderstood, match=rf"\$\.{row.key}: is missing"):
        answers.several(row.collection, [{**whole, row.key: None}], "GET /1.0/x")


@pytest.mark.parametrize("key", ["network", "target_network", "target_project", "target_integration"])
def test_what_an_entity_refers_to_is_text(key: str) -> None:
    peer = {"name": "far", "network": "ovn1", key: True}
    words = f"$.network_peers.0.{key}: expected text, got true or false"
    assert misfit({"network_peers": [peer]}, CAPTURED["config"]) == words


@pytest.mark.parametrize(("key", "value"), [("name", "a/b"), ("name", ""), ("project", "a/b")])
def test_what_addresses_an_entity_is_a_part_of_an_address(key: str, value: str) -> None:
    profile = {"name": "web", "project": "", key: value}
    words = f"$.profiles.0.{key}: is no part of an address"
    assert misfit({"profiles": [profile]}, CAPTURED["config"]) == words


def test_an_entity_without_a_configuration_has_an_empty_one() -> None:
    document = {"fingerprint": "ab", "config": None}
    found = tidied(BY_PART["certificates"], document, ResourceRef("certificate", name="ab"))
    assert found["config"] == {}


def test_every_sample_of_an_entity_is_understood() -> None:
    for collection, _, body in EVERYTHING:
        answers.several(
            collection, [{"project": "default", "config": {}, "fingerprint": "ab", **body}], "GET"
        )
