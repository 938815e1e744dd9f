"""The whole configuration of a server in one JSON object: a list of documents for each kind of entity."""

from collections.abc import Iterator

from ...errors import NotFound
from ...model.documents import Json
from ...model.refs import ResourceRef
from ...ports import ALL_PROJECTS, IncusApi
from .definition import tidied
from .rows import ROWS, EntityRow

TEMPORARY_PROJECT = "incusbak-tmp-"
"""How the names of projects begin that this tool makes and removes again."""


def read_state(api: IncusApi) -> Json:
    """Read everything, with a request per kind, network (twice more for OVN's) and zone.

    The same configuration gives the same object. What a server of this version does not have is empty.
    """
    state: dict[str, list[Json]] = {}
    for row in sorted(ROWS, key=lambda row: bool(row.parent)):
        found = [document for document in _documents(api, row, state) if not _is_temporary(row.ref(document))]
        state[row.part] = sorted(found, key=row.ref)
    return state


def _documents(api: IncusApi, row: EntityRow, state: Json) -> Iterator[Json]:
    if not row.parent:
        here = ResourceRef(row.name, project="default")
        for document in _listed(api, row, here, project=ALL_PROJECTS if row.has_project else ""):
            if document.get("managed", True):  # else an interface of the host
                yield tidied(row, document, here)
        return
    for parent in state[row.parents]:
        if row.parent_types and parent["type"] not in row.parent_types:
            continue  # the server would refuse
        here = ResourceRef(row.name, project=parent["project"], parent=parent["name"])
        for document in _listed(api, row, here, project=here.project):
            yield tidied(row, document, here)


def _listed(api: IncusApi, row: EntityRow, where: ResourceRef, *, project: str) -> tuple[Json, ...]:
    try:
        return api.list(row.path(where), project=project)
    except NotFound:
        return ()  # the server is of a version without, or the parent has just gone


def _is_temporary(ref: ResourceRef) -> bool:
    project = ref.name if ref.kind == "project" else ref.project
    return project.startswith(TEMPORARY_PROJECT)
