"""Where the things that kinds work on are in the API."""

from ...model.refs import BadAddress, ResourceRef
from ...ports import path_of


def path(ref: ResourceRef, *more: str) -> str:
    """Return the path of an instance, a volume or a profile, or of something below it."""
    match ref.kind:
        case "instance":
            return path_of("instances", ref.name, *more)
        case "volume":
            return path_of("storage-pools", ref.pool, "volumes", "custom", ref.name, *more)
        case "profile":
            return path_of("profiles", ref.name, *more)
    raise BadAddress(f"{ref} has no path of its own")
