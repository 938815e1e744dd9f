"""Wait for what the server still does on behalf of a run that may be dead: it goes on all the same."""

import time
from collections.abc import Callable

from ...errors import Busy, NotFound
from ...model.documents import Json
from ...model.refs import ResourceRef
from ...ports import IncusApi, path_of

SETTLE_SECONDS = 20.0
_UNFINISHED = ("pending", "running", "cancelling")


def settle(api: IncusApi, ref: ResourceRef, *, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until the server works on a resource no longer: what it is making can't be removed before.

    Raises:
        Busy: it still does; operations can't be cancelled.
    """
    if not is_settled(api, ref, ref.name, seconds=seconds):
        raise _busy(str(ref))


def settle_project(api: IncusApi, project: str, *, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until nothing is done in a project: the copy of a volume does not say what it works on.

    Raises:
        Busy: something still is.
    """
    settle_where(api, project, lambda _: True, f"project/{project}", seconds=seconds)


def settle_where(
    api: IncusApi, project: str, matters: Callable[[Json], bool], what: str, *, seconds: float
) -> None:
    """Wait until no operation that matters is under way in a project.

    Raises:
        Busy: one still is.
    """
    if not _wait_while(api, project, matters, seconds):
        raise _busy(what)


def is_settled(api: IncusApi, ref: ResourceRef, name: str, *, seconds: float = SETTLE_SECONDS) -> bool:
    """Wait until the server works no longer on ``name``, a resource or something of it; tell if it did."""
    return _wait_while(api, ref.project, lambda operation: _concerns(operation, name), seconds)


def _busy(what: str) -> Busy:
    return Busy(f"the server is still busy with {what}")


def _wait_while(api: IncusApi, project: str, matters: Callable[[Json], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    pause = 0.05
    while _is_busy(api, project, matters):
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(1.0, pause * 2)
    return True


def _is_busy(api: IncusApi, project: str, matters: Callable[[Json], bool]) -> bool:
    try:
        by_status = api.get("operations", project=project).body
    except NotFound:
        return False  # the project is gone, and nothing can go on in it
    urls = [url for status in _UNFINISHED for url in by_status.get(status) or ()]
    return any(_goes_on(api, str(url), project, matters) for url in urls)


def _goes_on(api: IncusApi, url: str, project: str, matters: Callable[[Json], bool]) -> bool:
    """Whether an operation is one that ends by itself, and one that matters."""
    operation_id = url.split("?")[0].rsplit("/", 1)[-1]
    try:
        operation = api.get(path_of("operations", operation_id), project=project).body
    except NotFound:
        return False
    # a shell or a console lasts as long as its user likes
    return operation.get("class", "task") == "task" and matters(operation)


def _concerns(operation: Json, name: str) -> bool:
    urls = [url for group in (operation.get("resources") or {}).values() for url in group]
    return any(name in str(url).split("?")[0].split("/") for url in urls)
