"""Back up a scene, lose it in every way and bring it back; what the official client takes in must come."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from tests.live.portrait import differences
from tests.live.support import servers
from tests.live.support.client import IncusError
from tests.live.support.project import Project
from tests.live.tool import NewTool, Result, Tool
from tests.live.witness import things_on

from .scene import ABSENT, COPY, EMPTY, REPLACE, Scene, same_project
from .subjects import DIFFERS, OF_A_COPY, Subject, newest_archive

NEW_NAME = "another"


@frozen
class Witnessed:
    """How all of a scene looked when it was backed up."""

    looks: Mapping[str, Any]
    files: Mapping[str, Any]


@frozen
class Court:
    """One scene on one server, and the tool."""

    scene: Scene
    project: Project
    tool: Tool
    new_tool: NewTool

    def judge(self, modes: Sequence[str]) -> None:
        """Try these modes one after another; each ends with the scene as it was."""
        before = self.witness()
        things = things_on(self.project.server)
        result = self.back_up()
        with said("backup"):
            self._check(before, things)
            if self.project.server.version in self.scene.kept_out:
                assert result.code == 1, result.err
                return
            assert result.code == 0, result.err
        for mode in modes:
            with said(mode):
                {REPLACE: self._replace, COPY: self._copy, ABSENT: self._absent, EMPTY: self._empty}[mode](
                    before, things, result
                )
        self.scene.subject.use(self.project)

    # -- the ways -------------------------------------------------------------------------------------

    def _replace(self, before: Witnessed, things: list[str], _: Result) -> None:
        self.scene.subject.change(self.project)
        changed = self.witness()
        done = self.restore("--replace", *self.scene.replace_flags)
        if self._is_refused(done, REPLACE):
            self._check(changed, things)
            return
        self._check(before, things)
        self._second_backup()

    def _copy(self, before: Witnessed, things: list[str], _: Result) -> None:
        present = self.witness()
        done = self.restore("--target-name", NEW_NAME)
        if not self._is_refused(done, COPY):
            subject = self.scene.subject
            self._compare(subject, before, self.project, NEW_NAME)
            subject.remove(self.project, NEW_NAME)
        self._check(present, things)

    def _absent(self, before: Witnessed, things: list[str], backed_up: Result) -> None:
        """As the judge of it the official client goes first."""
        subject = self.scene.subject
        archive = newest_archive(self.tool, self.project, subject)
        subject.remove(self.project)
        obstacle = self._client_refuses(archive)
        done = self.restore()
        if done.code and obstacle:
            assert "Warning" in backed_up.err, f"no word of it at backup time: {obstacle}\n{done.err}"
            return
        assert done.code == 0, done.err
        self._check(before, things)
        self._second_backup()

    def _client_refuses(self, archive: str) -> str:
        """Have the official client import it and remove that; gives the client's words if it can't."""
        subject = self.scene.subject
        try:
            subject.take_in(self.project, archive)
        except IncusError as error:
            return str(error)
        subject.remove(self.project)
        return ""

    def _empty(self, before: Witnessed, _: list[str], __: Result) -> None:
        """All of the server is backed up and comes back where there was nothing."""
        folder = self.tool.folder / "all"
        folder.mkdir()
        self.new_tool(self.tool.socket, folder).do("backup", "all", *self.scene.flags)
        with servers.empty_server(self.project.server.version) as server:
            tool, project = self.new_tool(server.socket, folder), same_project(self.project, server)
            tool.do("restore", "all")
            self._compare_all(before, project)
            assert tool.leftovers() == []
            assert "No changes" in tool.do("restore", "all", "--skip-existing").err
            tool.do(*self._backup_words(), "--project", project.name)
            self.scene.subject.use(project)

    # -- what must be true ----------------------------------------------------------------------------

    def witness(self) -> Witnessed:
        everything = (self.scene.subject, *self.scene.beside)
        return Witnessed(
            {"/".join(each.words): each.look(self.project) for each in everything},
            {"/".join(each.words): each.files(self.project) for each in everything},
        )

    def _check(self, before: Witnessed, things: list[str]) -> None:
        """All is as it was, and nothing is left behind."""
        self._compare_all(before, self.project)
        assert things_on(self.project.server) == things
        assert self.tool.leftovers() == []

    def _compare_all(self, before: Witnessed, project: Project) -> None:
        for each in (self.scene.subject, *self.scene.beside):
            self._compare(each, before, project)

    def _compare(self, subject: Subject, before: Witnessed, project: Project, name: str = "") -> None:
        key = "/".join(subject.words)
        of_a_copy = {**OF_A_COPY, **self.scene.copy_differs} if name else {}
        but_for = {**DIFFERS, **self.scene.differs, **of_a_copy}
        found = differences(before.looks[key], subject.look(project, name), but_for=but_for)
        assert found == [], "\n".join(found)
        found = differences(before.files[key], subject.files(project, name))
        assert found == [], "\n".join(found)

    def _second_backup(self) -> None:
        result = self.back_up()
        assert result.code == 0, result.err

    def _is_refused(self, result: Result, mode: str) -> bool:
        """Whether it can't be brought back this way, and planning has found that: nothing was carried out."""
        if mode in self.scene.may_refuse and result.code == 1:
            assert "Failed:" not in result.err, result.err
            return True
        assert result.code == 0, result.err
        return False

    # -- commands -------------------------------------------------------------------------------------

    def _backup_words(self) -> tuple[str, ...]:
        kind, name = self.scene.subject.words
        return "backup", f"{kind}s", name, *(("--images", "none") if kind == "instance" else ())

    def back_up(self) -> Result:
        return self.tool.run(*self._backup_words(), "--project", self.project.name, *self.scene.flags)

    def restore(self, *flags: str) -> Result:
        return self.tool.run("restore", *self.scene.subject.words, "--project", self.project.name, *flags)


@contextmanager
def said(mode: str) -> Iterator[None]:
    """Add to whatever fails in which mode it was."""
    try:
        yield
    except Exception as error:
        error.add_note(f"mode: {mode}")
        raise
