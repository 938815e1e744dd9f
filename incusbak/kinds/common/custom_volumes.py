"""What several kinds ask the server to do with a custom volume."""

import time
from collections.abc import Iterator

from ...errors import NotFound, ServerError, ServerUnavailable
from ...model.documents import Json
from ...model.refs import ResourceRef, volume_ref
from ...ports import IncusApi, path_of
from . import lost_mounts
from .paths import path

_REMOVE_SECONDS = 3600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0


def find(api: IncusApi, ref: ResourceRef) -> Json | None:
    try:
        return api.get(path(ref), project=ref.project).body
    except NotFound:
        return None


def listed(api: IncusApi, project: str) -> Iterator[tuple[ResourceRef, Json]]:
    """Read the volumes that a project has or uses, a request per pool."""
    for pool in sorted(str(each["name"]) for each in api.list("storage-pools")):
        try:
            found = api.list(path_of("storage-pools", pool, "volumes", "custom"), project=project)
        except NotFound:
            continue  # the pool vanished
        for document in found:
            if "/" not in document["name"]:  # some versions list snapshots among them
                yield volume_ref(str(document["project"]), pool, str(document["name"])), document


def rename(api: IncusApi, ref: ResourceRef, name: str) -> None:
    api.create(path(ref), {"name": name}, project=ref.project)


def remove(api: IncusApi, ref: ResourceRef, *, reused: bool = False) -> None:
    """Delete a volume with its snapshots; fine if there is none.

    The server answers only when it is done, and removing many files takes longer than a request may. Whether
    it has begun can't be told, so it is asked again now and then: servers take that well meanwhile.

    Args:
        reused: another volume gets this name next. Then it is asked once: of two requests one might still be
            carried out when the other is, and would remove what has the name by then.
    """
    deadline, pause = time.monotonic() + _REMOVE_SECONDS, _FIRST_PAUSE
    while True:
        try:
            api.delete(path(ref), project=ref.project)
        except NotFound:
            return
        except ServerUnavailable:
            if time.monotonic() > deadline:
                raise
        except ServerError as error:
            lost_mounts.explain(error)
            raise
        else:
            return
        if _is_gone_within(deadline - time.monotonic() if reused else pause, api, ref):
            return
        if reused:
            raise ServerUnavailable(f"{ref} is still there: whether it is being removed can't be told")
        pause = min(2 * pause, _LONGEST_PAUSE)


def _is_gone_within(seconds: float, api: IncusApi, ref: ResourceRef) -> bool:
    end = time.monotonic() + seconds
    while find(api, ref) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(min(max(seconds, 0), 1))
    return True
