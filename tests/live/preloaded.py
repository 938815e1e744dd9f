"""Import all of the tool, as every process that is forked from here will find it, and what it loads late."""

import gc
import pkgutil
from importlib import import_module

import deepdiff  # noqa: F401 - kept in memory
import pylxd.models  # noqa: F401

import incusbak

for module in pkgutil.walk_packages(incusbak.__path__, f"{incusbak.__name__}."):
    import_module(module.name)
gc.freeze()
