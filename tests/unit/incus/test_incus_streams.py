"""How the Incus adapter carries large bodies, and what it makes of those that break off."""

import pytest

from incusbak.errors import NotUnderstood, OperationFailed, ServerError, ServerUnavailable
from incusbak.incus.streams import CHUNK_BYTES

from .stub import (
    Stub,
    answer,
    chunked,
    hang_up,
    operation,
    refusal,
    stall,
    started,
    stream,
)

DONE = operation(200)
C1 = {"name": "c1"}


def download(stub: Stub, *reactions: object, body: dict[str, object] | None = None) -> bytes:
    method, path = ("GET", "x/export") if body is None else ("POST", "instances/c1/backups")
    stub.on(method, path, *reactions)  # type: ignore[arg-type]
    with stub.connect().download(path, body=body) as chunks:
        return b"".join(chunks)


def test_a_download_comes_in_chunks_of_an_even_size(stub: Stub) -> None:
    size = 5 * CHUNK_BYTES + 7
    stub.on("GET", "x/export", stream(bytes(size), announced=size))
    with stub.connect().download("x/export") as chunks:
        sizes = [len(chunk) for chunk in chunks]
    assert sizes == [CHUNK_BYTES] * 5 + [7]


def test_a_download_of_unknown_length_ends_with_its_end_mark(stub: Stub) -> None:
    assert download(stub, chunked(b"one", b"two"), body={}) == b"onetwo"


@pytest.mark.parametrize(
    "reaction",
    [
        stream(b"half", announced=8),
        chunked(b"half", ends=False),
        stream(b"half", announced=8, then=stall),
        hang_up,
        stall,
    ],
)
@pytest.mark.parametrize("body", [None, {}])
def test_a_download_that_breaks_off_is_unavailable(
    stub: Stub, reaction: object, body: dict[str, object] | None
) -> None:
    with pytest.raises(ServerUnavailable):
        download(stub, reaction, body=body)
    streams = [each for each in stub.seen if "operations" not in str(each)]
    assert len(streams) == 2, "streams are not tried again"


def test_a_direct_download_that_the_server_refuses_says_why(stub: Stub) -> None:
    with pytest.raises(ServerError, match="No backup name can be set"):
        download(stub, refusal(400, "No backup name can be set"), body={"name": "b1"})


def test_a_server_that_stages_instead_of_streaming_is_found_out(stub: Stub) -> None:
    with pytest.raises(ServerError) as caught:
        download(stub, started(), body={})
    assert "direct_backup" in caught.value.hint


def test_a_server_that_breaks_off_is_asked_why(stub: Stub) -> None:
    def failed(name: str, words: str, at: str) -> dict[str, object]:
        return {
            "resources": {"instances": [f"/1.0/instances/{name}?project=p"]},
            "err": words,
            "created_at": at,
        }

    told = [failed("c1", "older", "1"), failed("c1", "disk quota exceeded", "2"), failed("c2", "other", "3")]
    stub.on("GET", "operations", answer({"failure": told, "success": []}))
    with pytest.raises(OperationFailed, match="disk quota exceeded"):
        download(stub, chunked(b"some", ends=False), body={})


@pytest.mark.parametrize("body", [None, {}])
def test_a_page_in_place_of_an_archive_is_found_out(stub: Stub, body: dict[str, object] | None) -> None:
    page = {"Content-Type": "text/html"}
    with pytest.raises(NotUnderstood, match="an answer that is not of Incus"):
        download(stub, lambda handler: handler.say(200, b"<html>", page), body=body)


def test_an_upload_is_sent_in_chunks_and_waited_for(stub: Stub) -> None:
    bodies: list[bytes] = []

    def take(handler: object) -> None:
        bodies.append(handler.read_chunked())  # type: ignore[attr-defined]
        started()(handler)  # type: ignore[arg-type]

    stub.on("POST", "instances", take)
    stub.on("GET", "operations/op1", operation(), DONE)
    headers = {"X-Incus-name": "c1"}
    stub.connect().upload("instances", iter([b"one", b"", b"two"]), headers=headers)
    assert bodies == [b"onetwo"]


def test_an_early_refusal_of_an_upload_is_told(stub: Stub) -> None:
    stub.on("POST", "instances", refusal(400, "Storage pool not found"))
    with pytest.raises(ServerError, match="Storage pool not found"):
        stub.connect().upload("instances", (bytes(1 << 16) for _ in range(200)), headers={})


@pytest.mark.parametrize("reaction", [hang_up, stall])
def test_an_upload_that_is_not_taken_is_unavailable(stub: Stub, reaction: object) -> None:
    stub.on("POST", "instances", reaction)  # type: ignore[arg-type]
    with pytest.raises(ServerUnavailable):
        stub.connect().upload("instances", (bytes(1 << 16) for _ in range(200)), headers={})
    assert stub.count("POST", "instances") == 1
