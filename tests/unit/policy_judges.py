"""A policy with all that the language has, and the two who judge policies: their reader and the schema."""

import json
from typing import Any

from jsonschema import Draft7Validator

from incusbak.errors import PolicyError
from incusbak.policyfile import parse_policy
from incusbak.policyfile.schema import policy_schema

SCHEMA = policy_schema()
VALIDATOR = Draft7Validator(SCHEMA)
ENVIRONMENT = {"EVERY": "1h", "YES": "true", "KIND": "volume", "WORD": "x"}

FULL: dict[str, Any] = {
    "version": 1,
    "name": "production",
    "target": "dir:/srv/incus-backups",
    "timezone": "Europe/Berlin",
    "vars": {"TIER": "gold"},
    "sensitive": ["user.api-*"],
    "defaults": {
        "backup": {"optimized": True},
        "keep": {"all": True},
        "instances_may": ["opt-out"],
    },
    "protect": [
        {
            "name": "web",
            "select": {
                "kind": "instance",
                "projects": ["default", "shop-[a-z]"],
                "names": ["web-*", "!web-canary"],
                "where": {"user.tier": "${TIER}"},
            },
            "backup": {
                "every": "1d12h",
                "snapshot": True,
                "compression": "zstd",
                "images": "none",
                "attached_volumes": False,
                "before": [["sh", "-c", ""]],
                "after": [],
                "timeout": "30s",
            },
            "keep": {
                "last": 1,
                "hourly": 2,
                "daily": 3,
                "weekly": 4,
                "monthly": 5,
                "yearly": 999_999_999,
                "within": "48h",
            },
            "verify": {"every": "7d"},
            "rehearse": {"every": "30d", "probe": [["test", "-e", "/etc/hostname"]], "timeout": "1m"},
        }
    ],
    "restore": [
        {
            "name": "back",
            "select": {"kind": ["volume", "${KIND}"]},
            "version": {"before": "2026-11-01T00:00:00+01:00"},
            "to": {"name": "a", "project": "b", "pool": "c"},
            "if_present": "skip",
            "identity": "preserve",
        }
    ],
    "maps": {"pools": {"old": "new"}, "networks": {}},
    "guards": {"max_replace": "30%", "max_prune": "50%"},
    "expect": {"unprotected": "fail", "unmatched": "warn"},
}
SEVERAL: dict[str, Any] = {
    "version": 1,
    "targets": {
        "local": "dir:/srv/incus-backups",
        "off-site_2": {"uri": "dir:/mnt/${WORD}", "keep": {"monthly": 12}},
    },
    "defaults": {"targets": ["local"]},
    "protect": [{"name": "web", "select": {"kind": "instance"}, "targets": ["off-site_2", "local"]}],
    "restore": [{"name": "back", "select": {"kind": "volume"}, "from": "off-site_2"}],
}
"""What only a policy with several targets has."""


def reader_takes(policy: object) -> bool:
    """JSON is YAML in which nothing is guessed."""
    try:
        parse_policy(json.dumps(policy, ensure_ascii=False), "p.yaml", environment=ENVIRONMENT)
    except PolicyError:
        return False
    return True


def schema_takes(policy: object) -> bool:
    return VALIDATOR.is_valid(policy)
