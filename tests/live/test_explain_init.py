"""``init`` and ``explain`` on real servers: the first policy covers all, and every rule can be asked why."""

import json
from typing import Any

import pytest

from tests.live import estate
from tests.live.estate import Named
from tests.live.support.daemon import Daemon
from tests.live.tool import Tool

pytestmark = pytest.mark.once

POLICY = """\
version: 1
protect:
  - name: loud
    select: {kind: instance, projects: ["*"], where: {limits.memory: 1GiB}}
  - name: shop
    select: {kind: instance, projects: [shop], names: ["*", "!app"]}
    backup: {every: 24h}
  - name: polite
    select: {kind: [instance, volume], projects: ["*"]}
    backup: {images: none, before: [[sync]]}
    instances_may: [opt-out, hooks]
"""


def plan_of(tool: Tool, policy: str) -> dict[str, Any]:
    told = tool.do("plan", "-f", policy, "--no-out", "--format", "json").out
    plan: dict[str, Any] = json.loads(told)["plan"]
    return plan


def test_what_init_writes_covers_an_estate_and_is_applied(fresh_incus: Daemon, fresh_tool: Tool) -> None:
    estate.build(fresh_incus)
    fresh_incus.api("DELETE", "/1.0/instances/app?project=shop")
    told = fresh_tool.do("init")
    assert "incus-backup plan -f policy.yaml" in told.err
    text = (fresh_tool.folder / "policy.yaml").read_text()
    assert f'target: "dir:{fresh_tool.repository}"' in text
    assert "# Instances (3 now)" in text
    assert "# Images that no instance was made from (1 now)." in text
    plan = plan_of(fresh_tool, "policy.yaml")
    assert (plan["drift"]["unprotected"], plan["drift"]["unmatched"], plan["warnings"]) == ([], [], [])
    backed_up = {step["address"] for step in plan["steps"]}
    assert {"config", "instance/shop/db", "volume/default/fast/spare"} <= backed_up
    fresh_tool.do("plan", "-f", "policy.yaml")
    fresh_tool.do("apply", "plan.json")
    assert "No changes" in fresh_tool.do("plan", "-f", "policy.yaml", "--no-out").out
    again = fresh_tool.run("init")
    assert (again.code, "is there already" in again.err) == (64, True)
    assert (fresh_tool.folder / "policy.yaml").read_text() == text


def test_init_on_an_empty_server(fresh_incus: Daemon, fresh_tool: Tool) -> None:
    [image] = fresh_incus.api("GET", "/1.0/images")
    fresh_incus.api("DELETE", image)
    fresh_tool.do("init", "start.yaml")
    plan = plan_of(fresh_tool, "start.yaml")
    assert ([step["address"] for step in plan["steps"]], plan["warnings"]) == (["config"], [])


def explain(tool: Tool, address: str) -> dict[str, Any]:
    told = tool.do("explain", address, "-f", "policy.yaml", "--output", "json").out
    explanation: dict[str, Any] = json.loads(told)
    return explanation


def verdicts(explanation: dict[str, Any]) -> list[tuple[str, str]]:
    return [(ruling["rule"], ruling["verdict"]["type"]) for ruling in explanation["rulings"]]


def test_every_resource_of_an_estate_says_why(fresh_incus: Daemon, fresh_tool: Tool) -> None:
    estate.build(fresh_incus)
    config = {"user.incus-backup.protect": "false"}
    fresh_incus.api("PATCH", "/1.0/instances/job?project=lab", {"config": config})
    hooks = {"user.incus-backup.before": '[["touch", "/tmp/asked"]]'}
    fresh_incus.api("PATCH", "/1.0/profiles/web", {"config": hooks})
    (fresh_tool.folder / "policy.yaml").write_text(POLICY)

    web = explain(fresh_tool, "instance/default/web")
    assert verdicts(web) == [("loud", "other-config"), ("shop", "other-project"), ("polite", "selected")]
    before = [(each["value"], each["origin"]["type"]) for each in web["settings"] if each["name"] == "before"]
    assert before == [([["sync"]], "written"), ([["touch", "/tmp/asked"]], "own-key")]

    assert verdicts(explain(fresh_tool, "volume/shop/bt/db")) == [
        ("loud", "other-kind"),
        ("shop", "attached-to"),
    ]
    assert verdicts(explain(fresh_tool, "instance/shop/app"))[1] == ("shop", "excluded-name")
    assert explain(fresh_tool, "instance/lab/job")["coverage"] == "opted-out"
    assert verdicts(explain(fresh_tool, "image/small"))[1] == ("shop", "image-of")
    assert explain(fresh_tool, "image/golden/1")["coverage"] == "unprotected"
    assert explain(fresh_tool, "config")["coverage"] == "not-expected"


def test_what_is_gone_and_what_never_was(fresh_incus: Daemon, fresh_tool: Tool) -> None:
    Named(fresh_incus, "default").launch("web", start=False)
    (fresh_tool.folder / "policy.yaml").write_text(POLICY)
    unknown = fresh_tool.run("explain", "instance/default/wep", "-f", "policy.yaml")
    assert (unknown.code, "did you mean instance/default/web" in unknown.err) == (1, True)
    fresh_tool.do("backup", "instances", "web")
    fresh_incus.api("DELETE", "/1.0/instances/web")
    gone = explain(fresh_tool, "instance/default/web")
    assert (gone["is_present"], gone["coverage"], gone["stored"]["count"]) == (False, "protected", 1)
    shown = fresh_tool.do("explain", "instance/default/web", "-f", "policy.yaml").out
    assert "Not on the server; as it is in its newest backup, rule polite" in shown
