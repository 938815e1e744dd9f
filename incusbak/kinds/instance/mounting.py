"""See whether the host has what the devices of a restored instance need, before another one is stopped."""

from ...errors import ServerError, ServerUnavailable
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.policies import Maps
from ...model.refs import ResourceRef
from ...model.results import Phased
from ...ports import KindContext
from . import lifecycle
from .definition import definition, mapped
from .devices import host_paths


def try_devices(tools: KindContext, manifest: Manifest, temporary: ResourceRef, maps: Maps) -> None:
    """Have the server look for the host's files and folders: only it can see them, and only for an instance.

    The imported one is given the disks that are such, while it is harmless and stopped, and loses them again.

    Raises:
        ServerError: something is missing; the message names the device.
    """
    disks = _of_the_host(manifest.captured.resource, maps)
    imported = lifecycle.find(tools.api, temporary)
    if not disks or imported is None:
        return
    tools.tell(Phased("seeing whether the host has what its devices need"))
    harmless = definition(imported)
    try:
        lifecycle.put(tools.api, temporary, {**harmless, "devices": {**harmless["devices"], **disks}})
    except ServerUnavailable:
        raise
    except ServerError as error:
        raise ServerError(
            f"{manifest.id} can't be restored as it is, and nothing was stopped for it: {error.message}",
            hint="make what is missing, or leave the device out with --without-device NAME "
            "(in a policy: without_devices)",
        ) from error
    lifecycle.put(tools.api, temporary, harmless)


def _of_the_host(document: Json, maps: Maps) -> dict[str, Json]:
    """The disks that are no storage volumes, those of its profiles as well."""
    everything = document.get("expanded_devices") or document.get("devices") or {}
    needed = {name: everything[name] for name in host_paths(document)}
    return dict(mapped({"devices": needed}, maps)["devices"])
