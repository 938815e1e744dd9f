"""Rules of commands inside of instances that hooks live by: true of Incus, and therefore of the fake."""

from collections.abc import Mapping

import pytest

from incusbak.errors import NotFound, OperationFailed, ServerError
from incusbak.model.documents import Json

from .incus_site import Site


def execute(site: Site, *command: str, record: bool = True) -> Json:
    """Run a command in c1; what the operation says of its end."""
    body = {
        "command": list(command),
        "wait-for-websocket": False,
        "record-output": record,
        "interactive": False,
        "environment": {"NAME": "value"},
    }
    ended: Json = site.api.create("instances/c1/exec", body, project=site.project)["metadata"]
    return ended


def said(site: Site, ended: Json) -> Mapping[str, bytes]:
    """What a command wrote, by the number of the stream; the recordings are removed."""
    found = {}
    for stream, url in ended["output"].items():
        path = str(url).removeprefix("/1.0/")
        with site.api.download(path, project=site.project) as chunks:
            found[stream] = b"".join(chunks)
        site.api.delete(path, project=site.project)
        with pytest.raises(NotFound), site.api.download(path, project=site.project) as chunks:
            b"".join(chunks)
    return found


class IncusCommandRulesSuite:
    """Needs a fixture ``site``."""

    def test_a_command_ends_with_its_code(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")
        assert [execute(site, name, record=False)["return"] for name in ("true", "false")] == [0, 1]

    def test_what_a_command_says_is_recorded_and_can_be_removed(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")
        assert said(site, execute(site, "echo", "hello", "world")) == {"1": b"hello world\n", "2": b""}
        ended = execute(site, "cat", "/no/such/file")
        assert ended["return"] == 1
        assert b"No such file" in said(site, ended)["2"]

    def test_a_command_changes_files_for_the_next(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")
        execute(site, "touch", "/locked")
        assert execute(site, "cat", "/locked")["return"] == 0
        execute(site, "rm", "-f", "/locked")
        assert execute(site, "cat", "/locked")["return"] == 1

    def test_a_program_that_is_not_there_is_a_failed_operation(self, site: Site) -> None:
        site.make()
        site.act("c1", "start")
        with pytest.raises(OperationFailed, match="Command not found"):
            execute(site, "no-such-program")

    def test_nothing_runs_in_a_stopped_instance(self, site: Site) -> None:
        site.make()
        with pytest.raises(ServerError, match="not running"):
            execute(site, "true")
