"""What passes, or is the server's own trouble, says nothing about a backup: it is rehearsed again."""

import pytest

from incusbak.errors import (
    Conflict,
    IncusbakError,
    NotAuthorized,
    NotFound,
    NotUnderstood,
    OperationFailed,
    Refused,
    RepositoryError,
    ServerError,
    ServerUnavailable,
)
from tests.fakes import MemoryRepository
from tests.world.rehearse_scene import GOOD, estate_with, left, notes, problems
from tests.world.session import Estate

PASSING = [
    ServerError("500, spoilt"),
    ServerUnavailable("429, too many requests"),
    NotUnderstood("a page of HTML"),
    NotUnderstood("cut JSON"),
    NotFound("gone"),
    Conflict("in use"),
]
NO_ROOM = [
    OperationFailed("Failed to write: no space left on device"),
    OperationFailed("Failed to run: fork: Cannot allocate memory"),
]
PLACES = {"import": ("POST", "instances"), "start": ("PUT", "/state"), "probe": ("POST", "/exec")}


def fail_once(estate: Estate, place: str, error: IncusbakError) -> None:
    """Have the first request of a kind in the scratch project end so."""
    method, end = PLACES[place]
    left_over = [error]

    def matches(asked: str, path: str) -> bool:
        if (asked, path.endswith(end)) != (method, True) or not left_over:
            return False
        left_over.pop()
        return True

    estate.server.fail_on(matches, error)


@pytest.mark.parametrize(
    ("place", "error"),
    [
        *((place, error) for place in PLACES for error in PASSING),
        *((place, error) for place in ("import", "start") for error in NO_ROOM),
    ],
)
def test_a_server_that_errs_makes_no_backup_unfit(place: str, error: IncusbakError) -> None:
    estate = estate_with()
    fail_once(estate, place, error)
    code = estate.rehearse("web", probe=GOOD)
    assert (code, notes(estate), left(estate)) == (error.exit_code, [], [])
    assert code in (1, 75)
    assert estate.rehearse("web", probe=GOOD) == 0
    assert problems(estate) == [""]


@pytest.mark.parametrize(
    ("place", "error", "problem"),
    [
        ("import", OperationFailed("Unknown configuration key: foo"), "it can't be brought in: "),
        ("import", Refused("Invalid index"), "it can't be brought in: "),
        ("start", OperationFailed("Failed to run: exec format error"), "it does not start: "),
    ],
)
def test_what_the_server_refuses_for_its_content_is_unfit(
    place: str, error: IncusbakError, problem: str
) -> None:
    estate = estate_with()
    fail_once(estate, place, error)
    assert estate.rehearse("web", probe=GOOD) == 6
    assert problems(estate) == [problem + error.message]


@pytest.mark.parametrize("probe", [GOOD, (("false",),)])
def test_a_rehearsal_that_can_not_be_recorded_ends_with_one(
    probe: tuple[tuple[str, ...], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = estate_with()

    def refuse(_: object, __: object) -> None:
        raise RepositoryError("the repository is read-only")

    monkeypatch.setattr(MemoryRepository, "note", refuse)
    assert estate.rehearse("web", probe=probe) == 1
    assert left(estate) == []


def test_who_may_make_no_project_leaves_nothing_that_others_would_have_to_clean_up() -> None:
    """It may not even ask for what it could not make, so every run after it would fail to clean up."""
    estate = estate_with()

    def is_hidden(method: str, path: str) -> bool:
        return (method, path) == ("POST", "projects") or path.startswith("instances/incusbak-")

    estate.server.fail_on(is_hidden, NotAuthorized("Certificate is restricted"))
    assert estate.rehearse("web", probe=GOOD) == 1
    assert (estate.session().journal.leftovers(), notes(estate)) == ((), [])
    assert estate.back_up("web") == 0
