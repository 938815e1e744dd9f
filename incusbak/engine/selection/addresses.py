"""From an address as a person types it to what it names on the server or in the repository. Pure."""

import difflib
from collections.abc import Iterable, Mapping

from ...errors import NotFound, UsageError
from ...model.backups import Catalog
from ...model.inventory import Inventory, Resource
from ...model.refs import BadAddress, ResourceRef, parse_address
from ...ports import Kind
from ..ownership import owned
from .companions import IMAGE

FORMS = (
    "an address is instance/PROJECT/NAME, volume/PROJECT/POOL/NAME, config, or image/FINGERPRINT, "
    "of which the beginning is enough, or an alias"
)


def read_address(text: str, kinds: Mapping[str, Kind]) -> ResourceRef:
    """Read the address of a resource; of an image, the name may be an alias or incomplete.

    Raises:
        UsageError: it is none.
    """
    kind, _, name = text.partition("/")
    if kind == IMAGE and name:
        return ResourceRef(IMAGE, name=name)
    try:
        ref = parse_address(text)
    except BadAddress as error:
        raise UsageError(str(error), hint=FORMS) from error
    if ref.kind not in kinds:
        raise UsageError(f"{ref} is part of the configuration, which rules mean as one: `config`", hint=FORMS)
    return ref


def resolve(
    ref: ResourceRef, inventory: Inventory, catalog: Catalog, *, kinds: Mapping[str, Kind]
) -> ResourceRef:
    """Find what an address as it was typed names on the server or in the repository.

    Raises:
        UsageError: it means several images, or what is no resource of its own.
        NotFound: neither the server nor the repository knows it.
    """
    stored = (ref for ref, backups in catalog.backups.items() if backups)
    known = {ref: Resource(ref, {}) for ref in stored} | dict(inventory.resources)
    if ref.kind == IMAGE:
        return _image(ref.name, [each for each in known.values() if each.ref.kind == IMAGE], kinds[IMAGE])
    for candidate in (ref, owned(ref, inventory.surroundings.get)):
        if whole := inventory.parts.get(candidate):
            raise UsageError(
                f"{candidate} is part of {whole}, and is backed up with it", hint=f"ask for {whole}"
            )
        if candidate in known:
            return candidate
    elsewhere = [other.address for other in known if (other.kind, other.name) == (ref.kind, ref.name)]
    alike = (other.address for other in known if other.kind == ref.kind)
    raise _unknown(ref, dict.fromkeys([*sorted(elsewhere), *_near(ref, alike)]))


def _image(name: str, images: Iterable[Resource], kind: Kind) -> ResourceRef:
    labels = {resource.ref: kind.labels(resource) for resource in images}
    found = [ref for ref, names in labels.items() if name in names]
    found = found or [ref for ref in labels if ref.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    asked = ResourceRef(IMAGE, name=name)
    if found:
        listed = ", ".join(sorted(ref.address for ref in found))
        raise UsageError(f"{asked} is not one image but {len(found)}: {listed}")
    raise _unknown(asked, _near(asked, (f"{IMAGE}/{label}" for names in labels.values() for label in names)))


def _near(ref: ResourceRef, addresses: Iterable[str]) -> list[str]:
    """Compare what follows the kind: that they have it in common would make any two alike."""
    _, _, wanted = ref.address.partition("/")
    by_path = {address.partition("/")[2]: address for address in sorted(addresses)}
    return [by_path[path] for path in difflib.get_close_matches(wanted, by_path, n=3, cutoff=0.7)]


def _unknown(ref: ResourceRef, near: Iterable[str]) -> NotFound:
    suggestion = " or ".join([*near][:3])
    return NotFound(
        f"{ref} is neither on the server nor in the repository",
        hint=f"did you mean {suggestion}?" if suggestion else "",
    )
