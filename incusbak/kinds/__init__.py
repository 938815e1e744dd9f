"""The kinds of resources, one module each; ``KINDS`` is the registry."""

from collections.abc import Mapping

from ..ports import Kind
from .instance import InstanceKind

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (InstanceKind(),)}
