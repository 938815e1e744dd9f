"""From an approved plan to a report, through ports: the only threads, and a module per action.

Nothing is decided here that could have been decided while planning; each step checks again what it expects.
"""
