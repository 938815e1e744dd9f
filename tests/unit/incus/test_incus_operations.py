"""How the Incus adapter waits for what the server does in the background."""

import pytest
from attrs import evolve

from incusbak.errors import Conflict, OperationFailed, OperationLost, OperationStalled, ServerError

from .stub import (
    QUICK,
    Stub,
    hang_up,
    operation,
    refusal,
    started,
)

DONE = operation(200)
C1 = {"name": "c1"}


def test_create_returns_the_operation_when_it_has_ended(stub: Stub) -> None:
    stub.on("POST", "instances", started())
    stub.on("GET", "operations/op1", operation(), operation(), DONE)
    assert stub.connect().create("instances", {})["status_code"] == 200


def test_watch_hears_the_progress_in_the_words_of_the_server(stub: Stub) -> None:
    stub.on("POST", "instances/c1/backups", started())
    progress = ("", "1MB (1MB/s)", "2MB (1MB/s)")
    stub.on("GET", "operations/op1", *(operation(progress=words) for words in progress), DONE)
    heard: list[str] = []
    stub.connect().create("instances/c1/backups", {}, watch=heard.append)
    assert tuple(heard) == progress


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("something broke", OperationFailed),
        ("Profile not found", OperationFailed),
        ("Cannot restore volume, already exists on target", Conflict),
        ('Failed to create "instances" entry: UNIQUE constraint failed: instances.name', Conflict),
    ],
)
@pytest.mark.parametrize("form", ["sync", "error"])
def test_a_failed_operation_says_why_in_either_form(
    stub: Stub, words: str, error: type[ServerError], form: str
) -> None:
    failed = operation(400, err=words) if form == "sync" else refusal(500, words, status=200)
    stub.on("POST", "instances", started())
    stub.on("GET", "operations/op1", operation(), failed)
    with pytest.raises(error, match=words) as caught:
        stub.connect().create("instances", {})
    assert type(caught.value) is error


def test_an_operation_that_the_server_forgot_is_lost(stub: Stub) -> None:
    stub.on("POST", "instances", started())
    stub.on("GET", "operations/op1", operation(), refusal(404, "Operation not found"))
    with pytest.raises(OperationLost):
        stub.connect().create("instances", {})


def test_an_operation_is_waited_for_across_a_broken_connection(stub: Stub) -> None:
    stub.on("POST", "instances", started())
    stub.on("GET", "operations/op1", hang_up, hang_up, DONE)
    stub.connect().create("instances", {})
    assert stub.count("POST", "instances") == 1


def test_a_backup_without_progress_is_stalled(stub: Stub) -> None:
    stub.on("POST", "instances/c1/backups", started())
    stub.on("GET", "operations/op1", operation(progress="1MB"))
    with pytest.raises(OperationStalled, match="no progress"):
        stub.connect(evolve(QUICK, silent=60)).create("instances/c1/backups", {})


@pytest.mark.parametrize(
    ("path", "body"), [("instances", {}), ("instances/c1/backups", {"optimized_storage": True})]
)
def test_what_never_reports_progress_gets_more_time(stub: Stub, path: str, body: dict[str, object]) -> None:
    stub.on("POST", path, started())
    stub.on("GET", "operations/op1", operation())
    with pytest.raises(OperationStalled):
        stub.connect(evolve(QUICK, stalled=0)).create(path, body)


def test_a_change_of_state_that_hangs_is_given_up_soon(stub: Stub) -> None:
    stub.on("PUT", "instances/c1/state", started())
    stub.on("GET", "operations/op1", operation())
    with pytest.raises(OperationStalled):
        stub.connect(evolve(QUICK, silent=60)).replace("instances/c1/state", {"action": "stop"})


def test_a_change_of_state_may_take_the_time_it_was_given(stub: Stub) -> None:
    stub.on("PUT", "instances/c1/state", started())
    stub.on("GET", "operations/op1", *[operation()] * 30, DONE)
    limits = evolve(QUICK, stalled=0, first_poll=0.01, longest_poll=0.01)
    stub.connect(limits).replace("instances/c1/state", {"action": "stop", "timeout": 30})


def test_an_operation_with_progress_may_take_its_time(stub: Stub) -> None:
    stub.on("POST", "instances/c1/backups", started())
    steps = [operation(progress=f"{number}MB") for number in range(30)]
    stub.on("GET", "operations/op1", *steps, DONE)
    limits = evolve(QUICK, stalled=0.2, first_poll=0.05, longest_poll=0.05)
    stub.connect(limits).create("instances/c1/backups", {})
