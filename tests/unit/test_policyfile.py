"""The policy language: what it means, and that nothing wrong gets past it."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from incusbak.errors import PolicyError, UsageError
from incusbak.model.backups import Compression, ExportWishes
from incusbak.model.policies import (
    Destination,
    Exactly,
    Identity,
    IfPresent,
    Latest,
    Maps,
    Place,
    Policy,
    PolicyFile,
    ProtectRule,
    Rehearsing,
    RestoreRule,
    Select,
)
from incusbak.policyfile import load_policies, parse_policy

FULL = """\
version: 1
name: production
target: dir:/srv/incus-backups
timezone: UTC
defaults:
  backup: {every: 1d12h, optimized: true}
protect:
  - name: web
    select:
      kind: [instance]
      projects: [default, "shop-*"]
      names: ["web-*", "!web-canary"]
      where: {user.tier: gold}
    backup: {every: 24h, snapshot: false, compression: none}
  - name: rest
    select: {kind: instance}
restore:
  - name: bring-back
    select: {kind: instance, names: [web-1]}
    version: {before: 2026-11-01T00:00:00+01:00}
    to: {name: web-1-copy, project: shop, pool: fast}
    if_present: replace
    identity: regenerate
maps: {pools: {old: new}, networks: {}, profiles: {a: b, c: d}}
"""


def parse(text: str) -> Policy:
    return parse_policy(dedent(text), "p.yaml")


def test_a_policy_means_what_it_says() -> None:
    assert parse(FULL) == Policy(
        files=(PolicyFile("p.yaml", hashlib.sha256(FULL.encode()).hexdigest()),),
        target="dir:/srv/incus-backups",
        protect=(
            ProtectRule(
                name="web",
                select=Select(
                    ("instance",), ("default", "shop-*"), ("web-*", "!web-canary"), {"user.tier": "gold"}
                ),
                options=ExportWishes(snapshot=False, optimized=True, compression=Compression.NONE),
                place=Place("p.yaml", 8, 5),
                every=timedelta(hours=24),
            ),
            ProtectRule(
                name="rest",
                select=Select(),
                options=ExportWishes(optimized=True),
                place=Place("p.yaml", 15, 5),
                every=timedelta(days=1, hours=12),
            ),
        ),
        restore=(
            RestoreRule(
                name="bring-back",
                select=Select(names=("web-1",)),
                place=Place("p.yaml", 18, 5),
                version=Latest(datetime(2026, 10, 31, 23, tzinfo=UTC)),
                to=Destination("web-1-copy", "shop", "fast"),
                if_present=IfPresent.REPLACE,
                identity=Identity.REGENERATE,
            ),
        ),
        maps=Maps(pools={"old": "new"}, profiles={"a": "b", "c": "d"}),
    )


def test_what_is_left_out_has_safe_defaults() -> None:
    policy = parse("version: 1\nrestore: [{name: r, select: {kind: instance}}]")
    rule = policy.restore[0]
    assert (rule.version, rule.to, rule.if_present, rule.identity) == (
        Latest(),
        Destination(),
        IfPresent.FAIL,
        Identity.AUTO,
    )
    assert policy.maps == Maps()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("latest", Latest()),
        ("20261101T020000Z", Exactly("20261101T020000Z")),
        ("{before: 20261101T020000Z}", Latest(datetime(2026, 11, 1, 2, tzinfo=UTC))),
        ('{before: "2026-11-01T02:00:00Z"}', Latest(datetime(2026, 11, 1, 2, tzinfo=UTC))),
    ],
)
def test_a_restore_takes_the_version_it_names(text: str, version: Latest | Exactly) -> None:
    policy = parse(f"version: 1\nrestore: [{{name: r, select: {{kind: instance}}, version: {text}}}]")
    assert policy.restore[0].version == version


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1d12h", timedelta(days=1, hours=12)),
    ],
)
def test_durations_have_units(text: str, age: timedelta) -> None:
    rule = f"{{name: r, select: {{kind: instance}}, backup: {{every: {text}}}}}"
    policy = parse(f"version: 1\nprotect: [{rule}]")
    assert policy.protect[0].every == age


def test_anchors_and_aliases_stand_for_the_same_value() -> None:
    policy = parse(
        """\
        version: 1
        protect:
          - {name: a, select: &all {kind: instance, names: ["a*"]}}
        restore:
          - {name: b, select: *all}
        """
    )
    assert policy.protect[0].select == policy.restore[0].select


# -- several files -------------------------------------------------------------------------------------


def rule(name: str) -> str:
    return f"protect: [{{name: {name}, select: {{kind: instance}}}}]\n"


def test_a_folder_is_its_yaml_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "20.yaml").write_text(f"version: 1\n{rule('second')}")
    (tmp_path / "10.yaml").write_text(f"version: 1\n{rule('first')}target: dir:/a\n")
    (tmp_path / "README.md").write_text("not a policy")
    (tmp_path / "more.yaml").mkdir()
    extra = tmp_path / "extra.yml"
    extra.write_text("version: 1\ntarget: dir:/a\nmaps: {pools: {a: b}}\n")
    policy = load_policies([extra, tmp_path])
    assert [r.name for r in policy.protect] == ["first", "second"]
    assert [Path(file.path).name for file in policy.files] == ["extra.yml", "10.yaml", "20.yaml"]
    assert (policy.target, policy.maps) == ("dir:/a", Maps(pools={"a": "b"}))


def test_defaults_are_those_of_their_own_file(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(f"version: 1\ndefaults: {{backup: {{every: 1h}}}}\n{rule('a')}")
    (tmp_path / "2.yaml").write_text(f"version: 1\n{rule('b')}")
    assert [r.every for r in load_policies([tmp_path]).protect] == [timedelta(hours=1), None]


def test_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text(f"version: 1\ntarget: dir:/a\nmaps: {{pools: {{x: y, s: t}}}}\n{rule('r')}")
    two.write_text(f"version: 1\ntarget: dir:/b\nmaps: {{pools: {{x: z, s: t}}}}\n{rule('r')}")
    with pytest.raises(PolicyError) as caught:
        load_policies([one, two])
    assert caught.value.message.splitlines() == [
        f"{two}:2:9: `target` is another one here than at {one}:2:9",
        f"{two}:3:16: `maps.pools.x` is another one here than at {one}:3:16",
        f"{two}:4:11: the rule name `r` is taken by {one}:4:11",
    ]


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't read the policy .*missing\.yaml: No such file"):
        load_policies([tmp_path / "missing.yaml"])
    with pytest.raises(UsageError, match="holds no policy"):
        load_policies([tmp_path])
    with pytest.raises(UsageError, match="can't read the policy"):
        load_policies([Path("a\0b")])


def test_a_rule_s_own_rehearsals_take_the_place_of_the_default_ones_as_a_whole() -> None:
    policy = parse_policy(
        dedent(
            """\
            version: 1
            defaults: {rehearse: {every: 30d, probe: [["test", "-e", "/etc/hostname"]], timeout: 90s}}
            protect:
              - {name: usual, select: {kind: instance}}
              - {name: own, select: {kind: [instance, volume]}, rehearse: {every: 7d}}
            """
        ),
        "p.yaml",
    )
    usual, own = policy.protect
    assert usual.rehearse == Rehearsing(timedelta(days=30), (("test", "-e", "/etc/hostname"),), 90)
    assert own.rehearse == Rehearsing(timedelta(days=7))
    assert own.places["rehearse.every"].line == 5
