"""Definitions inside of archives are no larger than they have to be for a server to read them."""

from typing import Any

from incusbak.kinds.archive.definitions import INDEX, MAX_BYTES, dump_definition, load_definition
from incusbak.kinds.instance.backup_yaml import caveats, slimming
from incusbak.kinds.volume.definition import caveats as volume_caveats

DEFINITION = "backup/container/backup.yaml"
ROOT = {"root": {"type": "disk", "path": "/", "pool": "default"}}


def part(name: str, size: int) -> dict[str, Any]:
    config = {"user.user-data": "x" * size, "limits.cpu": "1"}
    more = {"config": config, "expanded_config": config, "devices": {}, "expanded_devices": ROOT}
    return {"name": name, "created_at": "2026-01-02T03:04:05Z", **more}


def definition(snapshots: int, size: int) -> dict[str, Any]:
    return {"container": part("web", size), "snapshots": [part(f"s{n}", size) for n in range(snapshots)]}


def test_what_fits_stays_as_the_server_wrote_it() -> None:
    content = b"container: {config: {a: b}}\n"
    for rewrite in slimming("container", optimized=False).values():
        assert rewrite(content) == content


def test_a_large_definition_keeps_all_that_can_not_be_worked_out_anew() -> None:
    before = definition(10, 70_000)
    found = load_definition(slimming("container", optimized=False)[DEFINITION](dump_definition(before)))
    assert found == {
        "container": {k: v for k, v in before["container"].items() if k != "expanded_config"},
        "snapshots": [
            {k: v for k, v in each.items() if k != "expanded_config"} for each in before["snapshots"]
        ],
    }


def test_a_large_index_keeps_what_the_server_reads_of_it() -> None:
    index = {"name": "web", "snapshots": ["s0"], "config": definition(40, 30_000) | {"profiles": [{}]}}
    written = slimming("container", optimized=True)[INDEX](dump_definition(index))
    assert len(written) < MAX_BYTES // 100
    found = load_definition(written)
    assert (found["name"], found["snapshots"]) == ("web", ["s0"])
    container = found["config"]["container"]
    assert (container["config"], container["expanded_devices"]) == ({"limits.cpu": "1"}, ROOT)
    assert found["config"]["snapshots"][1] == {"name": "s1", "created_at": "2026-01-02T03:04:05Z"}


def test_an_optimized_archive_has_its_definition_in_its_stream() -> None:
    assert set(slimming("container", optimized=True)) == {INDEX}


def test_what_is_too_large_all_the_same_is_told() -> None:
    large = definition(12, 90_000)
    [words] = caveats(large["container"], large["snapshots"])
    assert "1.1 MiB: Incus 7.0.2 and later take back no more than 1 MiB" in words
    assert caveats(large["container"], large["snapshots"][:3]) == ()
    assert large == definition(12, 90_000)  # which is not changed by looking


def test_lines_count_as_the_server_indents_them() -> None:
    lines = {"config": {"user.user-data": "line\n" * 70_000}}
    assert caveats(lines, []) != ()
    assert caveats({"config": {"user.user-data": "x" * 350_000}}, []) == ()


def test_volumes_of_very_long_descriptions_are_told() -> None:
    assert volume_caveats({"description": "x" * MAX_BYTES, "config": {}}, []) != ()
    assert volume_caveats({"description": "x", "config": {}}, [{"description": "y"}]) == ()
