"""Real, throw-away Incus servers for the live tests.  Standard library only; needs root."""
