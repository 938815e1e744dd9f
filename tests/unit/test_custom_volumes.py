"""A volume is removed whatever becomes of the request, which the server answers only when it is done."""

from incusbak.errors import ServerUnavailable
from incusbak.kinds.common import custom_volumes
from incusbak.model.refs import volume_ref
from tests.fake_incus import FakeIncus

REF = volume_ref("default", "default", "data")


def server() -> FakeIncus:
    made = FakeIncus()
    made.world.add_volume("data")
    return made


def deletes(server: FakeIncus) -> int:
    return [method for method, _ in server.requests].count("DELETE")


def test_what_never_reached_the_server_is_asked_for_again() -> None:
    asked = server()

    def is_lost(method: str, _: str) -> bool:
        return method == "DELETE" and deletes(asked) == 1

    asked.fail_on(is_lost, ServerUnavailable("502, a page of HTML"))
    custom_volumes.remove(asked, REF)
    assert (asked.world.volumes, deletes(asked)) == ({}, 2)


def test_what_was_done_is_not_asked_for_again() -> None:
    asked = server()

    def forget(method: str, _: str) -> None:
        if method == "DELETE":
            raise ServerUnavailable("reset")

    asked.after(forget)
    custom_volumes.remove(asked, REF)
    assert (asked.world.volumes, deletes(asked)) == ({}, 1)


def test_what_is_not_there_is_fine() -> None:
    custom_volumes.remove(FakeIncus(), REF)


def test_what_gives_its_name_to_another_is_asked_for_once() -> None:
    """A second request could still be under way when the first is done, and take the other one."""
    asked = server()

    def is_lost(method: str, _: str) -> bool:
        return method == "DELETE"

    def go_away(*_: str) -> None:
        if len(asked.requests) == 3:
            asked.world.volumes.clear()

    asked.fail_on(is_lost, ServerUnavailable("no answer in time"))
    asked.before(go_away)
    custom_volumes.remove(asked, REF, reused=True)
    assert (asked.world.volumes, deletes(asked)) == ({}, 1)
