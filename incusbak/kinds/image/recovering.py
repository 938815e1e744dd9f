"""Finish or undo an import: at once when it fails, in the next run when it was killed.

An image that this tool imports carries a mark until it is whole in all its projects, so nothing that
someone else has put there meanwhile is ever taken for it. Everything here can be run again from its start.
"""

from attrs import evolve

from ...model.documents import Json
from ...model.records import ImageImport
from ...ports import ALL_PROJECTS, KindContext
from . import shelf
from .definition import mark


def recover(tools: KindContext, record: ImageImport) -> str:
    """Remove what was imported under this record; where it is whole (see ``complete``), unmark it.

    Raises:
        ServerError: not possible now; the record stays for another try.
    """
    fingerprint = record.ref.name
    shelf.settle(tools.api, fingerprint, record.projects)
    documents = tools.api.list("images", project=ALL_PROJECTS)
    for project in [str(each.get("project", "default")) for each in documents if _is_of(each, record)]:
        if project in record.projects:
            shelf.remove(tools.api, fingerprint, project)
        else:
            shelf.unmark(tools.api, fingerprint, project)
    tools.journal.remove(record.id)
    if record.projects:
        return f"removed an unfinished import of {record.ref}"
    return f"finished the import of {record.ref}"


def complete(tools: KindContext, record: ImageImport) -> ImageImport:
    """Note that the image is whole in all projects: from here on it is finished, not undone."""
    done = evolve(record, projects=())
    tools.journal.write(done)
    return done


def _is_of(document: Json, record: ImageImport) -> bool:
    return document["fingerprint"] == record.ref.name and mark(document) == record.id
