"""Of several things that were tried it is told what was refused, why, and what a person can do about it."""

import pytest

from incusbak.errors import Busy, OperationFailed, ServerError
from incusbak.kinds.common.attempts import Attempts
from incusbak.kinds.volume import users
from incusbak.model.records import VolumeUser
from incusbak.model.refs import ResourceRef, instance_ref, volume_ref
from tests.fake_incus import FakeIncus


def refused(*attempts: Attempts) -> ServerError:
    first, *others = attempts
    with pytest.raises(ServerError) as caught:
        first.check(*others)
    return caught.value


def test_a_command_is_for_when_what_is_in_the_way_is_gone() -> None:
    attempts = Attempts()
    with attempts.at("starting it", "incus start web"):
        raise OperationFailed("no address left")
    error = refused(attempts)
    assert error.message == "starting it: no address left"
    assert error.hint == (
        "once what the server names is out of the way: `incus start web`, or run incus-backup again"
    )


def test_what_the_error_hints_at_is_kept_and_said_once() -> None:
    attempts, others = Attempts(), Attempts()
    for each, what in ((attempts, "one"), (others, "two")):
        with each.at(f"removing {what}"):
            raise OperationFailed("read-only", hint="unmount it")
    error = refused(attempts, others)
    assert (error.message, error.hint) == ("removing one: read-only; removing two: read-only", "unmount it")


def test_only_what_was_busy_alone_passes_by_itself() -> None:
    attempts, others = Attempts(), Attempts()
    with attempts.at("one"):
        raise Busy("still at it")
    assert isinstance(refused(attempts, others), Busy)
    with others.at("two"):
        raise OperationFailed("no")
    assert type(refused(attempts, others)) is ServerError


@pytest.mark.parametrize(
    ("ref", "command"),
    [
        (instance_ref("shop", "web"), "`incus config edit web --project shop`"),
        (ResourceRef("profile", project="shop", name="web"), "`incus profile edit web --project shop`"),
    ],
)
def test_the_command_for_devices_that_can_not_be_given_back_is_one(ref: ResourceRef, command: str) -> None:
    fake = FakeIncus()
    fake.world.add_project("shop")
    fake.world.add_instance("web", project="shop")
    fake.world.add_profile("web", project="shop")
    fake.fail_on(lambda method, _: method == "PUT", OperationFailed("no"))
    device = {"type": "disk", "pool": "default", "source": "data", "path": "/data"}
    user = VolumeUser(ref, {"project": "shop", "devices": {"data": device}})
    with pytest.raises(ServerError) as caught:
        users.attach(fake, volume_ref("shop", "default", "data"), (user,))
    assert command in caught.value.hint
