"""``IncusApi`` on pylxd: the only place that knows pylxd and requests.

``remotes`` finds out which server is meant and ``connecting`` reaches it; ``server`` talks to it, ``streams``
carries large bodies, ``operations`` waits for what it does in the background; ``retries`` says when to try
again, ``faults`` turns every error into one of ours.
"""

from .connecting import connect
from .server import IncusServer

__all__ = ["IncusServer", "connect"]
