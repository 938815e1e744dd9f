"""Hypothesis strategies for model values, as wide as their types."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from incusbak.model.actions import (
    Accept,
    Action,
    BackUp,
    Copy,
    Create,
    Delete,
    Discard,
    Kept,
    Pin,
    Prune,
    Purge,
    Recover,
    Rehearse,
    Replace,
    Restore,
    Undelete,
    Update,
    Verify,
)
from incusbak.model.backups import (
    Captured,
    Compression,
    Consistency,
    ExportOptions,
    Manifest,
    Method,
    RepositoryIdentity,
    Source,
    StoredFile,
)
from incusbak.model.goals import RestoreOptions
from incusbak.model.plans import (
    Absent,
    Change,
    Drift,
    Exists,
    Expectation,
    HasBackups,
    HasCopies,
    HasManifest,
    HasRecord,
    Hazard,
    Plan,
    ServerIdentity,
    Step,
    Summary,
    Unchanged,
)
from incusbak.model.policies import Hooks, Identity, Maps, PolicyFile
from incusbak.model.records import Phase, Record, Restoration, ScratchExport, ScratchInstance, ScratchRestore
from incusbak.model.refs import SHAPES, BackupId, ResourceRef, format_timestamp, impossible_reason

texts = st.text(max_size=12)
counts = st.integers(min_value=0, max_value=2**62)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=12)
names = names.filter(lambda name: not impossible_reason(name))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=4)


def tuples_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=3).map(tuple)


@st.composite
def refs(draw: st.DrawFn) -> ResourceRef:
    kind = draw(st.sampled_from(sorted(SHAPES)))
    return ResourceRef(kind, **{part: draw(names) for part in SHAPES[kind]})


moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))
backup_ids = st.builds(BackupId, ref=refs(), timestamp=moments.map(format_timestamp))

stored_files = st.builds(StoredFile, name=names, size_bytes=counts, sha256=digests)
export_options = st.builds(
    ExportOptions,
    snapshot=st.booleans(),
    optimized=st.booleans(),
    compression=st.sampled_from(Compression),
)
captured = st.builds(
    Captured,
    resource=json_objects,
    snapshots=tuples_of(json_objects),
    consistency=st.sampled_from(Consistency),
    method=st.sampled_from(Method),
    references=tuples_of(refs()),
    pool=texts,
    pool_driver=texts,
    content_bytes=counts,
)
manifests: st.SearchStrategy[Manifest] = st.builds(
    Manifest,
    id=backup_ids,
    source=st.builds(Source, fingerprint=digests, name=texts, version=texts),
    options=export_options,
    captured=captured,
    files=tuples_of(stored_files),
    tool_version=texts,
)

maps = st.builds(Maps, **{key: st.dictionaries(texts, texts, max_size=2) for key in ("pools", "networks")})
restore_options = st.builds(
    RestoreOptions, pool=texts, maps=maps, identity=st.sampled_from(Identity), start=st.booleans()
)
identities = st.builds(RepositoryIdentity, id=texts, uri=texts)
hooks = st.builds(Hooks, before=tuples_of(tuples_of(texts)), after=tuples_of(tuples_of(texts)))
actions: st.SearchStrategy[Action] = st.one_of(
    st.builds(
        BackUp,
        ref=refs(),
        options=export_options,
        hooks=hooks,
        full_bytes=st.none() | st.integers(0, 2**40),
    ),
    st.builds(Copy, ref=refs(), backups=tuples_of(backup_ids), source=identities),
    st.builds(Verify, ref=refs(), backups=tuples_of(backup_ids)),
    st.builds(
        Prune,
        ref=refs(),
        backups=tuples_of(backup_ids),
        keep=tuples_of(st.builds(Kept, backup=backup_ids, reasons=tuples_of(texts))),
    ),
    st.builds(Purge, ref=refs(), backups=tuples_of(backup_ids)),
    st.builds(Pin, backup=backup_ids, pinned=st.booleans()),
    st.builds(Accept, backup=backup_ids),
    st.builds(Undelete, backup=backup_ids),
    st.builds(
        Rehearse,
        ref=refs(),
        backup=st.none() | backup_ids,
        probe=tuples_of(tuples_of(texts)),
        timeout_seconds=st.integers(1, 9999),
    ),
    st.builds(Restore, source=backup_ids, to=refs(), options=restore_options),
    st.builds(Replace, source=backup_ids, to=refs(), options=restore_options),
    st.builds(Recover, record=texts, ref=refs()),
    st.builds(Discard, ref=refs()),
    st.builds(Create, source=backup_ids, ref=refs(), options=restore_options),
    st.builds(Update, source=backup_ids, ref=refs(), options=restore_options),
    st.builds(Delete, ref=refs()),
)
expectations: st.SearchStrategy[Expectation] = st.one_of(
    st.builds(Exists, ref=refs(), identity=texts),
    st.builds(Absent, ref=refs()),
    st.builds(
        Unchanged, ref=refs(), identity=texts, generation=texts, etag=texts, snapshots=tuples_of(texts)
    ),
    st.builds(HasManifest, backup=backup_ids, sha256=digests),
    st.builds(HasBackups, backups=tuples_of(backup_ids), sound=tuples_of(backup_ids)),
    st.builds(HasCopies, source=identities, backups=tuples_of(backup_ids)),
    st.builds(HasRecord, record=texts),
)
steps = st.builds(
    Step,
    id=texts,
    address=texts,
    action=actions,
    reason=texts,
    hazards=tuples_of(st.sampled_from(Hazard)),
    after=tuples_of(texts),
    expects=tuples_of(expectations),
    changes=tuples_of(st.builds(Change, path=texts, before=json_values, after=json_values)),
    estimated_bytes=st.none() | counts,
)
plans: st.SearchStrategy[Plan] = st.builds(
    Plan,
    server=st.builds(ServerIdentity, fingerprint=digests, name=texts, remote=texts),
    repository=identities,
    policies=tuples_of(st.builds(PolicyFile, path=texts, sha256=digests)),
    steps=tuples_of(steps),
    drift=st.builds(Drift, unprotected=tuples_of(texts), unmatched=tuples_of(texts)),
    warnings=tuples_of(texts),
    summary=st.builds(Summary, backup=counts, restore=counts, replace=counts, clean_up=counts),
)
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(ScratchExport, id=texts, ref=refs(), name=texts),
    st.builds(ScratchInstance, id=texts, ref=refs(), source=refs(), source_was_frozen=st.booleans()),
    st.builds(ScratchRestore, id=texts, ref=refs(), source=backup_ids),
    st.builds(
        Restoration,
        id=texts,
        ref=refs(),
        temporary=texts,
        aside=texts,
        phase=st.sampled_from(Phase),
        start=st.booleans(),
        victim=st.none() | json_objects,
    ),
)
