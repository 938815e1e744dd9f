"""The kinds of resources, one module each; ``KINDS`` and ``ENTITIES`` are the registries."""

from collections.abc import Mapping

from ..ports import Entity, Kind
from .instance import InstanceKind

ENTITIES: Mapping[str, Entity] = {}
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (InstanceKind(),)}
