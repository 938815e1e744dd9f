"""What the repository knows of resources, for rules that are about what is stored. Pure."""

from collections.abc import Iterator, Mapping

from ...model.backups import Catalog
from ...model.documents import Json
from ...model.inventory import Inventory, Resource
from ...model.policies import Latest, Policy, ProtectRule, Select, Version
from ...model.refs import BackupId
from ...ports import Kind
from .companions import IMAGE
from .matching import config_matches, selects
from .protection import is_meant
from .versions import find_source

Documents = Mapping[BackupId, Json]
"""What manifests say of their resources."""


def documents_to_read(
    policy: Policy, inventory: Inventory, catalog: Catalog, *, kinds: Mapping[str, Kind]
) -> frozenset[BackupId]:
    """Name the backups whose documents tell whether a rule means them; mostly the address is enough."""
    asked: list[tuple[Select, Version]] = [(rule.select, rule.version) for rule in policy.restore]
    asked += [(rule.select, Latest()) for rule in idle_rules(policy, inventory, kinds)]
    found = {
        backup
        for select, version in asked
        for backup, _ in _candidates(select, version, catalog, {})
        if _needs_document(select, backup)
    }
    found |= {
        backup
        for rule in policy.protect
        for backup, resource in _candidates(rule.select, Latest(), catalog, {})
        if resource.ref not in inventory.resources and _needs_document(rule.select, backup)
    }
    return frozenset(found)


def remembered(
    select: Select, version: Version, catalog: Catalog, documents: Documents, kinds: Mapping[str, Kind]
) -> list[Resource]:
    """The resources of the repository that a selector means, as the wanted or the newest backup has them."""

    def matches(resource: Resource) -> bool:
        kind = kinds[resource.ref.kind]
        if not selects(select, resource, kind.labels(resource)):
            return False
        return not select.where or config_matches(select.where, kind.effective_config(resource.document))

    found = (resource for _, resource in _candidates(select, version, catalog, documents))
    return sorted(filter(matches, found), key=lambda resource: resource.ref)


def idle_rules(policy: Policy, inventory: Inventory, kinds: Mapping[str, Kind]) -> list[ProtectRule]:
    """The protect rules that mean nothing on the server."""
    living = inventory.resources.values()
    return [rule for rule in policy.protect if not any(is_meant(rule, each, kinds) for each in living)]


def _candidates(
    select: Select, version: Version, catalog: Catalog, documents: Documents
) -> Iterator[tuple[BackupId, Resource]]:
    for ref in catalog.backups:
        backup = find_source(ref, version, catalog) or catalog.last(ref)
        if ref.kind in select.kinds and backup is not None:
            yield backup, Resource(ref, documents.get(backup, {}))


def _needs_document(select: Select, backup: BackupId) -> bool:
    """Configuration stands in the document, and so do an image's aliases and projects."""
    is_plain = select.names == ("*",) and select.projects == ("*",)
    return bool(select.where) or (backup.ref.kind == IMAGE and not is_plain)
