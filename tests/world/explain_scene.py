"""A server with something of everything that a rule can say, and what ``explain`` says of it."""

import json
from typing import Any

from incusbak.cli.explain_cmd import explain_by
from incusbak.engine.selection.addresses import read_address
from incusbak.kinds import KINDS
from incusbak.model.explanations import Explanation
from incusbak.model.refs import ResourceRef, instance_ref, volume_ref
from incusbak.policyfile import parse_policy
from tests.fake_incus import images
from tests.world.session import Estate

WEB, DB, SHOP = instance_ref("default", "web"), instance_ref("default", "db"), instance_ref("shop", "web")
DATA, SPARE = volume_ref("default", "fast", "data"), volume_ref("default", "fast", "spare")
DISK = {"type": "disk", "pool": "fast", "source": "data", "path": "/data"}
PROTECT, BEFORE, AFTER = (f"user.incus-backup.{key}" for key in ("protect", "before", "after"))


def make_estate() -> Estate:
    """``web`` has a volume and an image, ``db`` wishes, ``shop`` is another project without own volumes."""
    estate = Estate()
    world = estate.server.world
    world.add_pool("fast")
    world.add_project("shop", {"features.storage.volumes": "false"})
    world.add_volume("data", pool="fast")
    world.add_volume("spare", pool="fast")
    used = image_of(estate, b"used", aliases=[{"name": "golden/1", "description": ""}])
    image_of(estate, b"idle")
    image_of(estate, b"cached", cached=True)
    config = {"volatile.base_image": used.name, "user.tier": "gold", "user.token": "hunter2"}
    world.add_instance("web", devices={"data": DISK}, config=config)
    wishes = {PROTECT: "true", BEFORE: '[["sync"]]', AFTER: '[["resume", "now"]]'}
    world.add_instance("db", config=wishes)
    world.add_instance("web", project="shop", config={PROTECT: "false", BEFORE: "sync"})
    return estate


def image_of(estate: Estate, content: bytes, **parts: Any) -> ResourceRef:
    return ResourceRef("image", name=images.add(estate.server.world, content, **parts))


USED, IDLE, CACHED = (image_of(Estate(), content) for content in (b"used", b"idle", b"cached"))


def rule(kind: str | list[str] = "instance", **parts: Any) -> dict[str, Any]:
    """A rule; projects, names and where go into its selector."""
    select = {key: parts.pop(key) for key in ("projects", "names", "where") if key in parts}
    return {"name": "r", "select": {"kind": kind, **select}, **parts}


def explain(estate: Estate, address: object, *rules: dict[str, Any], **more: Any) -> Explanation:
    named = [{**each, "name": f"r{number}"} for number, each in enumerate(rules, 1)]
    text = json.dumps({"version": 1, "protect": named, **more})
    policy, session = parse_policy(text, "p.yaml"), estate.session()
    return explain_by(policy, session, read_address(str(address), KINDS))


def verdicts(explanation: Explanation) -> list[object]:
    return [ruling.verdict for ruling in explanation.rulings]
