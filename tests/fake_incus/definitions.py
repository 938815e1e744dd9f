"""What a PUT of an instance's definition does besides what it says."""

from incusbak.errors import Conflict, OperationFailed
from incusbak.model.documents import Json

from .copying import copied
from .world import Document, Instance, World, mac_of, pool_of

_PARTS: Document = {
    "architecture": "x86_64",
    "config": {},
    "description": "",
    "devices": {},
    "ephemeral": False,
    "profiles": [],
    "stateful": False,
}
"""What a PUT takes, and what it means when it is left out."""


def check_definition(world: World, instance: Instance, body: Json) -> None:
    """Refuse what the server refuses.

    Raises:
        NotFound: a profile is not there.
        OperationFailed: a key on how the files lie on disk would go, or the root disk would move.
        Conflict: a NIC is added with an address that another instance has, running or not.
    """
    wanted = world.expanded({**_merged(instance, body), "project": instance.document["project"]})
    for key in instance.config:
        if _is_idmap(key) and key not in wanted["config"]:
            raise OperationFailed("Volatile idmap keys can't be deleted by the user")
    pool = pool_of(wanted["expanded_devices"])
    if pool != instance.pool:
        raise OperationFailed(f'Cannot update root disk device pool name to "{pool}"')
    present = world.expanded(instance.document)["expanded_devices"]
    for name, device in wanted["expanded_devices"].items():
        if device["type"] == "nic" and present.get(name) != device:
            mac = mac_of(wanted, name)
            if mac and world.is_taken(mac, wanted, name, by_others_than=instance):
                raise Conflict(f'MAC address "{mac}" already defined on another NIC')


def put_definition(world: World, instance: Instance, body: Json) -> None:
    """Take the definition over, with the server's own inventions.

    A device that was another type before gets a new MAC address whatever the body says, and a change of NICs
    or of what cloud-init reads gets a new cloud-init id: the same PUT again sets what the body says.
    """
    before = world.expanded(instance.document)
    instance.document |= _merged(instance, body)
    after = world.expanded(instance.document)
    for name, device in after["expanded_devices"].items():
        old = before["expanded_devices"].get(name)
        if device["type"] == "nic" and "hwaddr" not in device and old is not None and old["type"] != "nic":
            instance.config[f"volatile.{name}.hwaddr"] = world.new_mac()
    if _seen_by_cloud_init(before) != _seen_by_cloud_init(after):
        instance.config["volatile.cloud-init.instance-id"] = world.unique()


def _merged(instance: Instance, body: Json) -> Document:
    return {**instance.document, **copied({key: body.get(key, _PARTS[key]) for key in _PARTS})}


def _seen_by_cloud_init(document: Json) -> tuple[Json, Json]:
    nics = {k: d for k, d in document["expanded_devices"].items() if d["type"] == "nic"}
    return nics, {k: v for k, v in document["expanded_config"].items() if k.startswith("cloud-init.")}


def _is_idmap(key: str) -> bool:
    return key.startswith("volatile.idmap.") or key == "volatile.last_state.idmap"
