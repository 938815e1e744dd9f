"""What there is in a server's configuration: a row for each kind of entity."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from ...model.documents import Json
from ...model.plans import Hazard
from ...model.refs import SHAPES, ResourceRef
from ...ports import path_of

_NETWORK = frozenset({Hazard.CHANGES_NETWORK})
_PLAIN: Mapping[str, Any] = {"description": "", "config": {}}
_PORTS: Mapping[str, Any] = {**_PLAIN, "ports": []}


@frozen
class EntityRow:
    """One kind of entity.

    ``part`` names its list in a state, ``collection`` its path, below ``parent`` if it has one: the kind, and
    the key in a document, of what it hangs on, in a state's ``parents``, only on those of ``parent_types``.
    ``writable``: what a PUT takes, with the value that means nothing. ``fixed``: what is said at creation
    only. ``feature``: what a project must have to have some of its own.
    """

    name: str
    rank: int
    part: str
    collection: str
    writable: Mapping[str, Any] = _PLAIN
    fixed: tuple[str, ...] = ()
    key: str = "name"
    feature: str = ""
    hazards: frozenset[Hazard] = frozenset()
    parent: str = ""
    parents: str = ""
    parent_types: tuple[str, ...] = ()
    is_listed_only: bool = False

    @property
    def has_project(self) -> bool:
        return "project" in SHAPES[self.name]

    def path(self, ref: ResourceRef, *more: str) -> str:
        """The path of the collection that ``ref`` is in; with its name, of itself."""
        above = (self.parents.replace("_", "-"), ref.parent) if self.parent else ()
        return path_of(*above, self.collection, *more)

    def ref(self, document: Json) -> ResourceRef:
        return ResourceRef(
            self.name,
            name=str(document[self.key]),
            project=str(document.get("project") or "default") if self.has_project else "",
            parent=str(document[self.parent]) if self.parent else "",
        )


ROWS = (
    # before projects, whose limits may name pools
    EntityRow(
        "pool",
        10,
        "storage_pools",
        "storage-pools",
        fixed=("driver",),
        hazards=frozenset({Hazard.CHANGES_POOL}),
    ),
    EntityRow("project", 20, "projects", "projects"),
    EntityRow("integration", 30, "network_integrations", "network-integrations", fixed=("type",)),
    EntityRow(
        "address-set",
        25,
        "network_address_sets",
        "network-address-sets",
        {**_PLAIN, "addresses": []},
        feature="features.networks",
        hazards=_NETWORK,
    ),
    EntityRow(
        "acl",
        30,
        "network_acls",
        "network-acls",
        {**_PLAIN, "ingress": [], "egress": []},
        feature="features.networks",
        hazards=_NETWORK,
    ),
    EntityRow(
        "zone", 30, "network_zones", "network-zones", feature="features.networks.zones", hazards=_NETWORK
    ),
    EntityRow(
        "record",
        40,
        "network_zone_records",
        "records",
        {**_PLAIN, "entries": []},
        feature="features.networks.zones",
        hazards=_NETWORK,
        parent="zone",
        parents="network_zones",
    ),
    EntityRow(
        "network",
        40,
        "networks",
        "networks",
        fixed=("type",),
        feature="features.networks",
        hazards=_NETWORK,
    ),
    EntityRow(
        "forward",
        50,
        "network_forwards",
        "forwards",
        _PORTS,
        key="listen_address",
        feature="features.networks",
        hazards=_NETWORK,
        parent="network",
        parents="networks",
        parent_types=("bridge", "ovn"),
    ),
    EntityRow(
        "load-balancer",
        50,
        "network_load_balancers",
        "load-balancers",
        {**_PORTS, "backends": []},
        key="listen_address",
        feature="features.networks",
        hazards=_NETWORK,
        parent="network",
        parents="networks",
        parent_types=("ovn",),
    ),
    EntityRow(
        "peer",
        50,
        "network_peers",
        "peers",
        fixed=("type", "target_integration", "target_network", "target_project"),
        feature="features.networks",
        hazards=_NETWORK,
        parent="network",
        parents="networks",
        parent_types=("ovn",),
    ),
    EntityRow("profile", 60, "profiles", "profiles", {**_PLAIN, "devices": {}}, feature="features.profiles"),
    EntityRow(
        "certificate",
        70,
        "certificates",
        "certificates",
        {"name": "", "description": "", "projects": [], "restricted": False},
        fixed=("type",),
        key="fingerprint",
        is_listed_only=True,
    ),
)
"""In the order in which they are made."""
