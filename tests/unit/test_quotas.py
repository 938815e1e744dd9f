"""What does not fit into the size it gets is found while planning: refused where sure, else told."""

from typing import Any

import pytest
from attrs import evolve

from incusbak.engine.planning.planner import make_plan
from incusbak.errors import Unplannable
from incusbak.kinds.instance.capacity import capacity_of
from incusbak.model.admissions import Capacity
from incusbak.model.backups import StoredManifest
from incusbak.model.goals import Restored, RestoreOptions
from incusbak.model.policies import IfPresent, Maps
from incusbak.model.refs import ResourceRef, instance_ref
from tests.unit.worlds import ORIGIN, STORED, SURROUNDINGS, stored_manifest, world

FAST = ResourceRef("pool", name="fast")
WEB = STORED.ref
MIB = 1 << 20
TO = instance_ref("default", "web")


def manifest(
    own: int | None, *, content: int = 9 * MIB, size: str = "2MiB", **changes: Any
) -> StoredManifest:
    stored = stored_manifest(unpacked=content, size=100)
    captured = stored.manifest.captured
    document = {**captured.resource, "config": {**captured.resource["config"], "size": size}}
    captured = evolve(captured, resource=document, own_bytes=own, data_bytes=own, **changes)
    return evolve(stored, manifest=evolve(stored.manifest, captured=captured))


def planned(stored: StoredManifest, pool: dict[str, Any]) -> tuple[str, ...]:
    surroundings = {**SURROUNDINGS, FAST: pool}
    seen = world(surroundings=surroundings, manifests={STORED: stored})
    goal = Restored(WEB, STORED, IfPresent.FAIL, RestoreOptions())
    return make_plan([goal], seen, ORIGIN).warnings


@pytest.mark.parametrize("driver", ["btrfs", "lvm", "ceph"])
def test_more_than_the_size_is_refused_where_nothing_grows_beyond_it(driver: str) -> None:
    with pytest.raises(Unplannable, match=r"may take 2\.0 MiB on pool fast, .* holds 3.0 MiB"):
        planned(manifest(3 * MIB), {"driver": driver, "config": {}})
    assert planned(manifest(2 * MIB), {"driver": driver, "config": {}}) == ()


@pytest.mark.parametrize(
    "pool",
    [
        {"driver": "dir"},
        {"driver": "zfs"},
        {"driver": "btrfs", "config": {"btrfs.mount_options": "user_subvol_rm_allowed,compress=zstd"}},
    ],
)
def test_it_is_told_where_it_may_fit_all_the_same(pool: dict[str, Any]) -> None:
    [warning] = planned(manifest(3 * MIB), pool)
    assert "may take 2.0 MiB" in warning


def test_of_backups_of_older_versions_it_is_told() -> None:
    [warning] = planned(manifest(None, content=3 * MIB), {"driver": "btrfs"})
    assert "holds 3.0 MiB" in warning
    assert planned(manifest(None, content=3 * MIB, snapshots=({"name": "s"},)), {"driver": "btrfs"}) == ()


def test_where_nothing_says_a_size_block_drivers_have_one() -> None:
    assert planned(manifest(11 << 30, size=""), {"driver": "btrfs"}) == ()
    [warning] = planned(manifest(11 << 30, size=""), {"driver": "lvm"})
    assert "may take 10.0 GiB" in warning


def test_the_size_of_a_root_disk_is_the_least_of_its_own_and_that_of_the_profiles_it_gets_it_from() -> None:
    root = {"type": "disk", "path": "/", "pool": "fast", "size": "3GB"}
    profile = {"devices": {"root": {**root, "size": "2GB"}}}

    def found(
        *,
        local: bool = False,
        pool: str = "fast",
        present: dict[str, Any] | None = profile,
        device: dict[str, Any] = root,
        holds: int = 2 * 10**9,
    ) -> Capacity:
        devices = {"root": device} if local else {}
        document = {"devices": devices, "expanded_devices": {"root": device}, "profiles": ["default"]}
        captured = evolve(manifest(holds).manifest.captured, resource=document)
        return capacity_of(captured, TO, Maps(), pool=pool, document_of=lambda _: present)

    assert found(local=True) == Capacity(3 * 10**9)
    assert found() == Capacity(2 * 10**9)
    assert found(pool="other") == Capacity(3 * 10**9)
    assert found(present=None) == Capacity(3 * 10**9)
    assert found(present=None, device={"type": "disk", "path": "/", "pool": "fast"}) == Capacity()
    assert found(holds=2 * 10**9 + 1) == Capacity(3 * 10**9, 2 * 10**9)


def test_a_size_of_the_profiles_that_is_too_small_is_told_and_passed_over() -> None:
    stored = manifest(3 * MIB, size="9MiB")
    document = stored.manifest.captured.resource
    config = {**document["config"], "passed_over": "2MiB"}
    captured = evolve(stored.manifest.captured, resource={**document, "config": config})
    stored = evolve(stored, manifest=evolve(stored.manifest, captured=captured))
    [warning] = planned(stored, {"driver": "btrfs"})
    assert warning.startswith(f"{WEB}: its profiles give its root disk 2.0 MiB by now, which is less")
