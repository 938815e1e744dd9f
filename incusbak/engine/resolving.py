"""From an address as a person types it to what it names on the server or in the repository. Pure."""

import difflib
from collections.abc import Iterable, Mapping

from ..errors import NotFound, UsageError
from ..model.backups import Catalog
from ..model.inventory import Inventory, Resource
from ..model.refs import BadAddress, ResourceRef, parse_address
from ..ports import Kind
from .companions import IMAGE
from .ownership import owned

FORMS = (
    "an address is instance/PROJECT/NAME, volume/PROJECT/POOL/NAME, config, or image/FINGERPRINT, "
    "of which the beginning is enough, or an alias"
)


def resolve(text: str, inventory: Inventory, catalog: Catalog, *, kinds: Mapping[str, Kind]) -> ResourceRef:
    """Find the resource that an address names; an image goes by alias and by the beginning of its name.

    Raises:
        UsageError: that is no address of a resource, or of more than one.
        NotFound: neither the server nor the repository knows it.
    """
    stored = (ref for ref, backups in catalog.backups.items() if backups)
    known = {ref: Resource(ref, {}) for ref in stored} | dict(inventory.resources)
    kind, _, name = text.partition("/")
    if kind == IMAGE and name:
        return _image(name, [resource for ref, resource in known.items() if ref.kind == IMAGE], kinds[IMAGE])
    ref = _parsed(text, kinds)
    for candidate in (ref, owned(ref, inventory.surroundings.get)):
        if candidate in known:
            return candidate
    elsewhere = [other.address for other in known if (other.kind, other.name) == (ref.kind, ref.name)]
    alike = (other.address for other in known if other.kind == ref.kind)
    raise _unknown(text, dict.fromkeys([*sorted(elsewhere), *_near(text, alike)]))


def _parsed(text: str, kinds: Mapping[str, Kind]) -> ResourceRef:
    try:
        ref = parse_address(text)
    except BadAddress as error:
        raise UsageError(str(error), hint=FORMS) from error
    if ref.kind not in kinds:
        raise UsageError(f"{ref} is part of the configuration, which rules mean as one: `config`", hint=FORMS)
    return ref


def _image(name: str, images: Iterable[Resource], kind: Kind) -> ResourceRef:
    labels = {resource.ref: kind.labels(resource) for resource in images}
    found = [ref for ref, names in labels.items() if name in names]
    found = found or [ref for ref in labels if ref.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(sorted(ref.address for ref in found))
        raise UsageError(f"{IMAGE}/{name} is not one image but {len(found)}: {listed}")
    every = (f"{IMAGE}/{label}" for names in labels.values() for label in names)
    raise _unknown(f"{IMAGE}/{name}", _near(f"{IMAGE}/{name}", every))


def _near(text: str, addresses: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(text, sorted(addresses), n=3)


def _unknown(text: str, near: Iterable[str]) -> NotFound:
    suggestion = " or ".join([*near][:3])
    return NotFound(
        f"{text} is neither on the server nor in the repository",
        hint=f"did you mean {suggestion}?" if suggestion else "",
    )
