"""Settings for all tests."""

import os
import signal

from hypothesis import HealthCheck, settings

PATIENT = [HealthCheck.too_slow]  # a busy machine is no wrong result
settings.register_profile("quick", deadline=None, max_examples=30, suppress_health_check=PATIENT)
settings.register_profile("thorough", deadline=None, max_examples=1000, suppress_health_check=PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# A shell ignores SIGINT in what it runs in the background, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
