"""The words for resources on the command line."""

from ..errors import UsageError

_KNOWN = ("all", "instance", "instances", "volume", "volumes", "images", "config")
_BUILT = ("instance", "instances")


def check_resource(word: str, names: tuple[str, ...]) -> None:
    """Refuse words that mean nothing, and those that mean something this version can't do.

    Raises:
        UsageError: see above; also a singular without exactly one name.
    """
    if word not in _KNOWN:
        raise UsageError(f"{word!r} is not a kind of resource", hint="use `instances`, maybe with names")
    if word not in _BUILT:
        raise UsageError(f"`{word}` is not supported by this version yet", hint="use `instances`")
    if word == "instance" and len(names) != 1:
        raise UsageError("`instance` takes exactly one name", hint="use `instances` for several, or all")
