"""How the promises of a policy stand, and why: for ``status``, ``explain`` and ``list``. Pure.

It may use every other floor of the engine; no other floor may use it. Words are made in ``render``.
"""
