"""What earlier runs left on the server, in words that change when there is a reason to try it again."""

from ..model.inventory import ServerInfo
from ..model.records import Record
from ..ports import IncusApi, Kind


def as_seen(api: IncusApi, server: ServerInfo, kind: Kind, record: Record) -> str:
    """Tell what there is of a leftover; a new process of the server may have let go of what it held."""
    return f"{kind.remains(api, record)}; server process {server.process}"
