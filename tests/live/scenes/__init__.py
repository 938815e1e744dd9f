"""The gallery: scenes whose archives the official client imports, so that the tool has to restore them too.

Not among them: virtual machines, which the kernel of a test machine can't run.
"""

from . import containers, disks, guarded, texts
from .scene import MODES, Scene, project_for, remove

SCENES = (*guarded.SCENES, *texts.SCENES, *containers.SCENES, *disks.SCENES)

__all__ = ["MODES", "SCENES", "Scene", "project_for", "remove"]
