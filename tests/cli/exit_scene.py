"""A server, a repository and all that can come between, for the table of exit codes."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from attrs import define, field

from incusbak.errors import IncusbakError, ServerError, ServerUnavailable
from incusbak.repositories import open_repository
from tests.cli.command import Shell
from tests.fake_incus import FakeIncus

POLICY = """
version: 1
protect: [{name: all, select: {kind: instance}, backup: {images: none, every: 1h}}]
"""
MORE = {
    "restore.yaml": "version: 1\nrestore: [{name: back, select: {kind: instance}, if_present: IF}]\n",
    "block.yaml": POLICY.replace("protect", "guards: {max_prune: 1%}\nprotect").replace(
        "images: none, every: 1h}", "images: none, every: 1h}, keep: {last: 1}"
    ),
    "bad.yaml": "version: 1\nprotect: [{}]\n",
}


@define
class Scene:
    """A server with two instances, a backup of each in ``repository``, and what a test makes of both."""

    shell: Shell
    fake: FakeIncus
    patch: pytest.MonkeyPatch
    held: ExitStack = field(factory=ExitStack)

    @property
    def stamps(self) -> list[str]:
        return sorted(folder.name for folder in Path("repository/instances/default/web").iterdir())

    def words(self, line: str) -> list[str]:
        return line.replace("STAMP", self.stamps[0] if "STAMP" in line else "").split()

    def run(self, line: str) -> int:
        return self.shell(*self.words(line)).code

    def plan(self, policy: str = "policy.yaml") -> None:
        assert self.run(f"plan -f {policy}") in (0, 7)


@pytest.fixture
def scene(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    fake = FakeIncus()
    for name in ("web", "db"):
        fake.world.add_instance(name, files={"rootfs/data": b"x" * 2000})
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    shell.file("policy.yaml", POLICY)
    for name, text in MORE.items():
        shell.file(name, text.replace("IF", "fail"))
    shell.file("replace.yaml", MORE["restore.yaml"].replace("IF", "replace"))
    found = Scene(shell, fake, monkeypatch)
    assert found.run("backup instances --images none") == 0
    with found.held:
        yield found


# -- what comes between -------------------------------------------------------------------------------


def nothing(_: Scene) -> None:
    """All is well."""


def new_instance(scene: Scene) -> None:
    scene.fake.world.add_instance("new")


def planned(scene: Scene) -> None:
    new_instance(scene)
    scene.plan()


def planned_replace(scene: Scene) -> None:
    changed(scene)
    scene.plan("replace.yaml")


def planned_block(scene: Scene) -> None:
    assert scene.run("backup instances --images none") == 0
    scene.plan("block.yaml")


def stale(scene: Scene) -> None:
    planned(scene)
    del scene.fake.world.instances["default", "new"]


def stale_replace(scene: Scene) -> None:
    """Somebody changes what is to be replaced after it was planned and agreed to."""
    changed(scene)

    def disturb(method: str, path: str) -> None:
        if (method, path) == ("POST", "instances"):
            scene.fake.world.instance("web").config["user.note"] = "changed"

    scene.fake.after(disturb)


def changed(scene: Scene) -> None:
    for name in ("web", "db"):
        scene.fake.world.instance(name).files["rootfs/data"] = b"since"
        scene.fake.world.instance(name).document["config"]["user.since"] = "yes"


def lost(scene: Scene) -> None:
    scene.fake.world.instances.clear()


def failing(*names: str, error: IncusbakError | None = None) -> Callable[[Scene], None]:
    """Have the server refuse every export, or those of some instances."""

    def arrange(scene: Scene) -> None:
        ends = tuple(f"{name}/backups" for name in names or ("",))
        fault = error or ServerError("the server says no")
        scene.fake.fail_on(lambda method, path: method == "POST" and path.endswith(ends), fault)

    return arrange


def failing_imports(scene: Scene) -> None:
    lost(scene)
    scene.fake.fail_on(
        lambda method, path: (method, path) == ("POST", "instances"), ServerError("the server says no")
    )


def refuse_one_import(scene: Scene) -> None:
    left = [ServerError("the server says no")]
    scene.fake.fail_on(
        lambda method, path: (method, path) == ("POST", "instances") and bool(left) and bool(left.pop()),
        left[0],
    )


def one_import_fails(scene: Scene) -> None:
    lost(scene)
    refuse_one_import(scene)


def before(arrange: Callable[[Scene], None], then: Callable[[Scene], None]) -> Callable[[Scene], None]:
    def both(scene: Scene) -> None:
        arrange(scene)
        then(scene)

    return both


def damage(_: Scene) -> None:
    for archive in Path("repository/instances").glob("default/*/*/export.tar.*"):
        archive.write_bytes(archive.read_bytes()[:-9] + b"otherwise")


def known_damage(scene: Scene) -> None:
    damage(scene)
    assert scene.run("verify") == 6
    lost(scene)


def no_policy(_: Scene) -> None:
    Path("policy.yaml").unlink()


def unplug(_: Scene) -> None:
    shutil.rmtree("repository")


def strange_folder(_: Scene) -> None:
    shutil.rmtree("repository")
    Path("repository").mkdir()
    Path("repository/photo.jpg").write_text("of something else")


def locked(scene: Scene) -> None:
    scene.held.enter_context(open_repository(f"dir:{Path('repository').absolute()}").lock(writing=True))


def locked_plan(scene: Scene) -> None:
    planned(scene)
    locked(scene)


def unreachable(scene: Scene) -> None:
    def connect(*_: object, **__: object) -> FakeIncus:
        raise ServerUnavailable("the server can't be reached")

    scene.patch.setattr("incusbak.incus.connect", connect)


def no_notes(_: Scene) -> None:
    Path("repository/notes").write_text("in the way")


def signalled(number: int, *, at: str = "POST") -> Callable[[Scene], None]:
    def arrange(scene: Scene) -> None:
        sent: list[int] = []

        def strike(method: str, _: str) -> None:
            if method == at and not sent:
                sent.append(number)
                os.kill(os.getpid(), number)

        scene.fake.after(strike)

    return arrange


def wrong_password(scene: Scene) -> None:
    where = {**os.environ, "RESTIC_PASSWORD": "right", "RESTIC_REPOSITORY": str(scene.shell.home / "restic")}
    subprocess.run(["restic", "init", "-q"], env=where, check=True, capture_output=True)
    scene.patch.setenv("RESTIC_PASSWORD", "wrong")
    scene.patch.setenv("RESTIC_CACHE_DIR", str(scene.shell.home / "cache"))
    scene.patch.delenv("INCUS_BACKUP_DIR")
    scene.patch.setenv("INCUS_BACKUP_TARGET", f"restic:{scene.shell.home}/restic")
