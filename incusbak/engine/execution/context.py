"""What steps are carried out with."""

from collections.abc import Callable, Mapping

from attrs import field, frozen

from ...errors import RepositoryMissing
from ...model.inventory import Resource
from ...model.refs import ResourceRef
from ...ports import Entity, Kind, KindContext, Repository


def _no_other(uri: str) -> Repository:
    raise RepositoryMissing(f"there is no way to {uri} from here")


@frozen
class ExecutionContext:
    """What steps are carried out with. ``others`` opens another repository by its URI."""

    tools: KindContext
    repository: Repository
    kinds: Mapping[str, Kind]
    entities: Mapping[str, Entity] = field(factory=dict)
    others: Callable[[str], Repository] = _no_other

    def inspect(self, ref: ResourceRef) -> Resource | None:
        """Look at something on the server, of whatever kind; None if it is not there."""
        looker = self.kinds.get(ref.kind) or self.entities[ref.kind]
        return looker.inspect(self.tools.api, ref)
