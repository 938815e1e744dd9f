"""Whatever the command line does, no sensitive value is in what it shows, nor in plans and reports it keeps.

The backups themselves hold every definition as it is, and so does the journal of what a killed run left:
those are for the eyes of who may read the repository, and of the user.
"""

import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from attrs import define, field

from incusbak.errors import ServerError
from incusbak.render import FORMS
from tests.cli.command import Result, Shell
from tests.fake_incus import FakeIncus
from tests.world.full_estate import full_estate

HUSH = "hush"
ODD = "user.own ['x']\"\\ é"
ALWAYS = (
    "environment.DB",
    "cloud-init.user-data",
    "user.user-data",
    "User.Api_TOKEN",
    "user.DbPassWord",
    "user.secrets.1",
    "sshKey",
    "__passwd__",
)
"""Sensitive by their names."""
BY_POLICY = ("user.private.note", ODD)
"""Sensitive because the policy says so."""
POLICY = """
version: 1
sensitive: ["user.private.*", "user.own [[]*"]
protect:
  - name: all
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    backup: {every: 1s, images: all}
    instances_may: [opt-out, hooks]
restore:
  - name: back
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    version: {before: %s}
    if_present: replace
"""


@define
class Scene:
    """A server in whose every corner is a secret, and a user at the command line."""

    shell: Shell
    keys: tuple[str, ...] = ALWAYS
    server: FakeIncus = field(factory=lambda: full_estate().server)
    said: list[str] = field(factory=list)

    def run(self, *arguments: str, code: int = 0) -> Result:
        result = self.shell(*arguments, "--target", "dir:repository", "--log-level", "debug")
        assert result.code == code, result.err
        self.said += [result.out, result.err]
        return result

    def hide(self, word: str) -> None:
        """Give everything that can have configuration secrets, or other ones."""
        world = self.server.world
        secrets = {key: f"{HUSH}-{word}-{number}" for number, key in enumerate(self.keys)}
        for instance in world.instances.values():
            instance.config.update(secrets)
            instance.document["devices"]["my-sshKey"] = {"type": "none", "note": secrets["sshKey"]}
            for snapshot in instance.snapshots.values():
                snapshot.document["config"].update(secrets)
        for document in (*world.profiles.values(), *world.volumes.values(), *world.networks.values()):
            document["config"].update(secrets)
        for document in (*world.projects.values(), *world.pools.values()):
            document["config"].update(secrets)
        for entity in world.entities.values():
            entity.setdefault("config", {}).update(secrets)
        for image in world.images.values():
            image.document["properties"] = dict(secrets)


@pytest.fixture
def scene(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(shell)
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: made.server)
    monkeypatch.setattr("incusbak.cli.guarding.guard_for", lambda _: lambda _: nullcontext())
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return made


def kept(home: Path) -> list[str]:
    """The plans and reports of all runs, and the plans that were saved."""
    files = [*home.glob("repository/runs/*/*.json"), *home.glob("*.json")]
    return [path.read_text() for path in files]


def check(scene: Scene) -> None:
    """See that secrets were there, but not in what was said and kept."""
    told = [*scene.said, *kept(scene.shell.home)]
    assert [text for text in told if HUSH in text] == []
    assert "(sensitive value)" in "".join(told)
    manifests = [path.read_text() for path in scene.shell.home.glob("repository/*/**/manifest.json")]
    assert [text for text in manifests if HUSH in text] != []


def backed_up(scene: Scene) -> str:
    """Back up, then change all secrets; return when the backup was made."""
    scene.hide("before")
    scene.run("backup", "all")
    scene.hide("after")
    del scene.server.world.instances["default", "db"]
    return max(path.parent.name for path in scene.shell.home.glob("repository/*/**/manifest.json"))


def test_a_policy_tells_no_secret_on_its_whole_way(scene: Scene) -> None:
    scene.keys = (*ALWAYS, *BY_POLICY)
    policy = scene.shell.file("policy.yaml", POLICY % backed_up(scene))
    for form in FORMS:
        scene.run("plan", "-f", policy, "--format", form)
        scene.run("show", "plan.json", "--format", form)

    scene.server.world.instances["default", "web"].config["user.tier"] = "stale"
    assert "has changed" in scene.run("apply", "plan.json", "--yes", code=4).err
    scene.run("plan", "-f", policy)
    scene.server.fail_on(lambda method, path: method == "PUT" and "br1" in path, ServerError("refused"))
    assert "refused" in scene.run("apply", "plan.json", "--yes", code=3).err
    check(scene)
    assert len(kept(scene.shell.home)) == 5


def test_commands_tell_no_secret(scene: Scene) -> None:
    first = backed_up(scene)
    scene.run("restore", "config")
    scene.run("restore", "all", "--version", first, "--replace", code=5)
    scene.run("restore", "all", "--version", first, "--replace", "--dry-run")
    scene.run("restore", "all", "--version", first, "--replace", "--force")
    for output in ("table", "json", "yaml"):
        scene.run("list", "all", "--output", output)
    check(scene)
