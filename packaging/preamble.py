"""Runs once the single file is unpacked: it fits this build of Python, and no package of the system gets in.

That the version is one of those it is for was seen before, by ``first.py``.
"""

import os
import sys
import sysconfig
from pathlib import Path

_TAG = "cpython-"


def _abi(name):
    """The ABI of a compiled module's file name; empty if it fits several, or is none."""
    middle = name.split(".")[-2] if name.endswith(".so") and name.count(".") > 1 else ""
    return middle if middle.startswith(_TAG) else ""


def _compiled(folder):
    """For each ABI, the modules that are there for it."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            if _abi(name):
                found.setdefault(_abi(name), set()).add(Path(parent, name.split(".")[0]))
    return found


def _is_backport(module):
    return "backports" in module.parts


def _check(folder):
    compiled = _compiled(folder)
    needed = set().union(*compiled.values())
    fitting = sorted(abi for abi, modules in compiled.items() if all(map(_is_backport, needed - modules)))
    here = sysconfig.get_config_var("SOABI")
    if here not in fitting:
        sys.exit(
            f"Error: this file runs with {', '.join(fitting)}, not with {here} ({sys.executable})\n"
            f"Hint: name the Python before it, such as `python3.11 incus-backup`, or install the wheel"
        )


def _leave_out_others(folder):
    """Packages of the system may be too old for those that are in here."""
    others = ("site-packages", "dist-packages")
    sys.path[:] = [p for p in sys.path if p == str(folder) or Path(p).name not in others]


_check(str(site_packages))  # noqa: F821  # given by shiv
_leave_out_others(site_packages)  # noqa: F821
