"""An alias that several images had, each in its time, has one owner; which one, the plan says."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.image_samples import unified_of
from tests.live.support.daemon import Daemon
from tests.live.tool import Result, Tool

pytestmark = pytest.mark.once


class Shop:
    """A project with images of its own."""

    def __init__(self, server: Daemon, folder: Path) -> None:
        self.server, self.folder = server, folder
        server.api("POST", "/1.0/projects", {"name": "shop", "config": {"features.images": "true"}})

    def api(self, method: str, path: str, body: object = None) -> Any:
        return self.server.api(method, f"{path}{'&' if '?' in path else '?'}project=shop", body)

    def add(self, version: str) -> str:
        """Import an image and have ``mini`` point to it."""
        file = self.folder / f"{version}.tar.gz"
        file.write_bytes(unified_of(version))
        if any(self.aliases()):
            self.api("DELETE", "/1.0/images/aliases/mini")
        self.server.import_image(file, "mini", project="shop")
        return self.aliases()["mini"]

    def back_up(self, tool: Tool, fingerprint: str) -> None:
        """In a second of its own: the timestamps tell which backup is newer."""
        tool.do("backup", "images", fingerprint, "--project", "shop")
        time.sleep(1.0)

    def aliases(self) -> dict[str, str]:
        return {a["name"]: a["target"] for a in self.api("GET", "/1.0/images/aliases?recursion=1")}

    def images(self) -> set[str]:
        return {each["fingerprint"] for each in self.api("GET", "/1.0/images?recursion=1")}

    def delete(self, *fingerprints: str) -> None:
        for fingerprint in fingerprints:
            self.api("DELETE", f"/1.0/images/{fingerprint}")


@pytest.fixture
def shop(incus_server: Daemon, workdir: Path) -> Iterator[Shop]:
    made = Shop(incus_server, workdir)
    yield made
    made.delete(*made.images())
    incus_server.api("DELETE", "/1.0/projects/shop")


def words(result: Result) -> str:
    return " ".join((result.out + result.err).split())


def test_the_image_whose_backup_is_newest_gets_the_alias(shop: Shop, tool: Tool) -> None:
    first = shop.add("v1")
    shop.back_up(tool, first)
    second = shop.add("v2")
    shop.back_up(tool, second)
    shop.delete(first, second)

    restore = ("restore", "images", "--project", "shop")
    shown = tool.do(*restore, "--dry-run")
    assert f"image/{first} comes without the alias mini in project shop: it goes to image/{second}" in words(
        shown
    )
    tool.do(*restore)
    assert (shop.images(), shop.aliases()) == ({first, second}, {"mini": second})
    assert "No changes" in tool.do(*restore).err

    third = shop.add("v3")
    shop.delete(second)
    kept = tool.do(*restore)
    assert f"comes without the alias mini in project shop, which image/{third} has by now" in words(kept)
    assert (shop.images(), shop.aliases()) == ({first, second, third}, {"mini": third})
    assert "No changes" in tool.do(*restore).err

    refused = tool.run(*restore, "--replace")
    assert refused.code == 5
    assert f"image/{second} takes the alias mini in project shop from image/{third}" in words(refused)
    tool.do(*restore, "--replace", "--yes")
    assert (shop.images(), shop.aliases()) == ({first, second, third}, {"mini": second})
    assert "No changes" in tool.do(*restore, "--replace", "--yes").err


def test_it_moves_within_a_plan_from_one_that_is_put_back_to_another(shop: Shop, tool: Tool) -> None:
    """The first one has it again by now; both are put back, in an order in which that can be done."""
    first = shop.add("v1")
    shop.back_up(tool, first)
    second = shop.add("v2")
    shop.back_up(tool, second)
    shop.api("DELETE", "/1.0/images/aliases/mini")
    shop.api("POST", "/1.0/images/aliases", {"name": "mini", "target": first})
    plan = tool.folder / "plan.json"
    tool.do("restore", "images", "--project", "shop", "--replace", "--out", str(plan))
    steps = json.loads(plan.read_text())["plan"]["steps"]
    assert [step["id"] for step in steps] == [f"replace:image/{first}", f"replace:image/{second}"]
    assert steps[1]["after"] == [steps[0]["id"]]
    tool.do("apply", str(plan), "--yes")
    assert shop.aliases() == {"mini": second}


def test_a_plan_that_takes_an_alias_is_stale_once_its_holder_changes(shop: Shop, tool: Tool) -> None:
    first = shop.add("v1")
    shop.back_up(tool, first)
    second = shop.add("v2")
    shop.delete(first)
    plan = tool.folder / "plan.json"
    tool.do("restore", "images", "--project", "shop", "--replace", "--out", str(plan))
    shop.api("POST", "/1.0/images/aliases", {"name": "more", "target": second})
    assert tool.run("apply", str(plan), "--yes").code == 4
    assert shop.aliases() == {"mini": second, "more": second}
