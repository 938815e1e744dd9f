"""The kinds of resources, one module each; ``KINDS`` and ``ENTITIES`` are the registries."""

from collections.abc import Mapping

from ..ports import Kind
from .config import ENTITIES, ConfigKind
from .image import ImageKind
from .instance import InstanceKind
from .volume import VolumeKind

_ALL: tuple[Kind, ...] = (ConfigKind(), ImageKind(), VolumeKind(), InstanceKind())
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}

__all__ = ["ENTITIES", "KINDS"]
