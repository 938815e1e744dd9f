"""How the Incus adapter behaves when server or connection misbehave."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from incusbak.errors import (
    ChangedMeanwhile,
    Conflict,
    NotAuthorized,
    NotFound,
    NotUnderstood,
    Refused,
    ServerError,
    ServerUnavailable,
    Stopped,
)
from incusbak.model.inventory import ServerInfo

from .stub import (
    QUICK,
    Stub,
    answer,
    hang_up,
    operation,
    refusal,
    stall,
    started,
)

DONE = operation(200)
C1 = {
    "name": "c1",
    "project": "default",
    "type": "container",
    "status": "Stopped",
    "config": {},
    "devices": {},
}


# -- connecting -------------------------------------------------------------------------------------


def test_a_server_without_extensions_and_certificate_is_understood(stub: Stub) -> None:
    assert stub.connect().info() == ServerInfo(fingerprint="", name="stub", version="")


def test_a_socket_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="No such file"):
        Stub(tmp_path / "nothing").connect(evolve(QUICK, retry_reads=60))


def test_connecting_waits_for_a_server_that_starts(stub: Stub) -> None:
    stub.on("GET", "", refusal(503, "Daemon is starting up"), answer({"auth": "trusted"}))
    assert stub.connect().remote_name == "stub"


def test_a_server_that_refuses_connections_is_unavailable(stub: Stub) -> None:
    stub.stop()
    with pytest.raises(ServerUnavailable, match="refused"):
        stub.connect()


def test_a_client_that_is_not_trusted_is_not_authorized(stub: Stub) -> None:
    stub.on("GET", "", answer({"auth": "untrusted", "api_extensions": None}))
    with pytest.raises(NotAuthorized) as caught:
        stub.connect()
    assert "incus config trust add" in caught.value.hint


# -- reads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [hang_up, refusal(503, "Daemon is starting up"), *(refusal(code, "later") for code in (429, 502, 504))],
)
def test_a_read_is_tried_again_after_a_passing_failure(stub: Stub, failure: object) -> None:
    stub.on("GET", "instances/c1", failure, failure, answer(C1))  # type: ignore[arg-type]
    assert stub.connect().get("instances/c1").body == C1
    assert stub.count("GET", "instances/c1") == 3


def test_a_read_waits_for_a_restart(stub: Stub) -> None:
    stub.on("GET", "instances/c1", answer(C1))
    server = stub.connect()
    stub.stop()
    timer = stub.restart_after(0.3)
    assert server.get("instances/c1").body == C1
    timer.join()


def test_a_read_waits_while_the_socket_is_gone(stub: Stub) -> None:
    stub.on("GET", "instances/c1", answer(C1))
    server = stub.connect()
    stub.stop()
    stub.socket.unlink()
    timer = stub.restart_after(0.3)
    assert server.get("instances/c1").body == C1
    timer.join()


def test_a_read_gives_up_in_the_end(stub: Stub) -> None:
    stub.on("GET", "instances/c1", hang_up)
    with pytest.raises(ServerUnavailable, match=r"GET /1\.0/instances/c1"):
        stub.connect().get("instances/c1")
    assert stub.count("GET", "instances/c1") > 2


@pytest.mark.parametrize("code", [400, 403, 404, 409, 500])
def test_a_read_that_was_answered_is_not_tried_again(stub: Stub, code: int) -> None:
    stub.on("GET", "instances/c1", refusal(code, "no"))
    with pytest.raises(ServerError, match="no"):
        stub.connect().get("instances/c1")
    assert stub.count("GET", "instances/c1") == 1


def test_a_server_that_never_answers_is_unavailable(stub: Stub) -> None:
    stub.on("GET", "instances/c1", stall)
    with pytest.raises(ServerUnavailable, match="no answer for too long"):
        stub.connect(evolve(QUICK, read=0.2, retry_reads=0)).get("instances/c1")


def test_an_answer_that_is_not_of_incus_is_an_error(stub: Stub) -> None:
    stub.on("GET", "instances/c1", lambda handler: handler.say(200, b"<html>", {}))
    with pytest.raises(NotUnderstood, match="an answer that is not of Incus"):
        stub.connect().get("instances/c1")


def test_threads_share_a_server(stub: Stub) -> None:
    names = [f"c{number}" for number in range(40)]
    for name in names:
        stub.on("GET", f"instances/{name}", answer({**C1, "name": name}))
    server = stub.connect()

    def read(_: int) -> list[object]:
        return [server.get(f"instances/{name}").body["name"] for name in names]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(read, range(16))) == [names] * 16


# -- writes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        refusal(503, "Daemon is starting up"),
        refusal(503, "Shutting down"),
        refusal(429, "too many requests"),
        refusal(500, 'Instance is busy running a "stop" operation'),
    ],
)
def test_a_write_is_tried_again_when_the_server_did_not_begin_it(stub: Stub, failure: object) -> None:
    stub.on("DELETE", "instances/c1", failure, answer({}))  # type: ignore[arg-type]
    stub.connect().delete("instances/c1")
    assert stub.count("DELETE", "instances/c1") == 2


def test_a_write_waits_for_a_server_that_refuses_connections(stub: Stub) -> None:
    stub.on("DELETE", "instances/c1", answer({}))
    server = stub.connect()
    stub.stop()
    timer = stub.restart_after(0.3)
    server.delete("instances/c1")
    timer.join()
    assert stub.count("DELETE", "instances/c1") == 1


@pytest.mark.parametrize(
    "failure", [hang_up, refusal(503, "no available cowsql leader"), refusal(502, "bad gateway")]
)
def test_a_write_that_the_server_may_have_begun_is_not_tried_again(stub: Stub, failure: object) -> None:
    stub.on("DELETE", "instances/c1", failure, answer({}))  # type: ignore[arg-type]
    with pytest.raises(ServerUnavailable):
        stub.connect().delete("instances/c1")
    assert stub.count("DELETE", "instances/c1") == 1


def test_a_write_whose_operation_found_the_instance_busy_is_tried_again(stub: Stub) -> None:
    stub.on("PUT", "instances/c1/state", started("op1"), started("op2"))
    stub.on("GET", "operations/op1", operation(400, err='Instance is busy running a "start" operation'))
    stub.on("GET", "operations/op2", DONE)
    stub.connect().replace("instances/c1/state", {"action": "stop"})
    assert stub.count("PUT", "instances/c1/state") == 2


def test_watch_can_end_the_waiting_for_another_try(stub: Stub) -> None:
    stub.on("POST", "instances", refusal(503, "Daemon is starting up"))

    def watch(words: str) -> None:
        raise Stopped(words)

    with pytest.raises(Stopped):
        stub.connect().create("instances", {}, watch=watch)
    assert stub.count("POST", "instances") == 1


# -- messages and traces ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words", "error"),
    [
        (401, "who are you", NotAuthorized),
        (403, "not authorized", NotAuthorized),
        (404, "Instance not found", NotFound),
        (409, "clash", Conflict),
        (500, "The profile already exists", Conflict),
        (400, 'Name "c1" already in use', Conflict),
        (412, "ETag doesn't match", ChangedMeanwhile),
        (500, "Target cluster member is unavailable", ServerUnavailable),
        (400, "bad", Refused),
        (500, "worse", ServerError),
    ],
)
def test_an_answer_becomes_its_error(stub: Stub, code: int, words: str, error: type[ServerError]) -> None:
    stub.on("PUT", "instances/c1", refusal(code, words))
    with pytest.raises(ServerError) as caught:
        stub.connect().replace("instances/c1", {})
    assert type(caught.value) is error
    assert caught.value.message == f"PUT /1.0/instances/c1: {words}"


def test_a_change_that_was_saved_is_not_sent_again(stub: Stub) -> None:
    """With the ETag of before it would be told as one that was not made."""
    words = 'profile change still saved: web: Instance is busy running a "restore" operation'
    stub.on("PUT", "profiles/own", refusal(500, words), refusal(412, "ETag doesn't match"))
    with pytest.raises(ServerError, match="still saved") as caught:
        stub.connect().replace("profiles/own", {}, etag="before")
    assert type(caught.value) is ServerError


def test_the_trace_names_requests_but_neither_bodies_nor_headers(
    stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stub.on("POST", "instances", started())
    stub.on("GET", "operations/op1", DONE)
    lines: list[str] = []
    server = stub.connect(on_trace=lines.append)
    secret = {"config": {"user.password": "hunter2"}}
    server.upload("instances", [b"hunter2"], headers={"X-Incus-config": "hunter2"}, project="p1")
    server.create("instances", secret, project="p1")
    text = "\n".join([*lines, *caplog.messages])
    assert "hunter2" not in text
    assert any(
        line.startswith("POST /1.0/instances project=p1: 202, operation") and line.endswith(" ms")
        for line in lines
    )


ODD: list[Any] = [
    *([], "x", 5, None, True, {"name": "c1"}, {**C1, "config": []}, {**C1, "config": {"a": 5}}),
    *({**C1, "devices": {"eth0": "x"}}, {**C1, "profiles": {}}, {**C1, "type": None}, {**C1, "status": 7}),
    *({**C1, "description": "\ud800"}, {**C1, "snapshots": ["x", 5]}, {**C1, "ephemeral": "no"}),
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_document_of_another_form_is_an_error_that_names_the_request(stub: Stub, odd: object) -> None:
    stub.on("GET", "instances/c1", answer(odd))
    stub.on("GET", "instances", answer([C1, odd]))
    server = stub.connect()
    with pytest.raises(NotUnderstood, match=r"GET /1\.0/instances/c1: .* form than Incus gives: \$"):
        server.get("instances/c1")
    with pytest.raises(NotUnderstood, match=r"GET /1\.0/instances: .* form than Incus gives: \$"):
        server.list("instances")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"7", b"null", b"[" * 5000 + b"]" * 5000], ids=len)
def test_an_answer_that_is_no_message_is_an_error_that_names_the_request(stub: Stub, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    server = stub.connect()
    stub.on("GET", "instances/c1", lambda handler: handler.say(200, body, headers))
    stub.on("DELETE", "instances/c1", lambda handler: handler.say(200, body, headers))
    with pytest.raises(NotUnderstood, match=r"GET /1\.0/instances/c1: "):
        server.get("instances/c1")
    with pytest.raises(NotUnderstood, match=r"DELETE /1\.0/instances/c1: "):
        server.delete("instances/c1")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_nobody_is_followed_elsewhere(stub: Stub, code: int) -> None:
    """It would be shown the certificate, and might answer as if it were the server."""
    elsewhere = {"Location": "http://127.0.0.1:9/1.0/instances/c1", "Content-Length": "0"}
    server = stub.connect()
    for method in ("GET", "DELETE"):
        stub.on(method, "instances/c1", lambda handler: handler.say(code, b"", elsewhere))
    with pytest.raises(NotUnderstood, match=r"GET /1\.0/instances/c1: the answer sends elsewhere"):
        server.get("instances/c1")
    with pytest.raises(NotUnderstood, match=r"DELETE /1\.0/instances/c1: the answer sends elsewhere"):
        server.delete("instances/c1")
