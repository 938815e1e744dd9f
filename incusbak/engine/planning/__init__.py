"""From goals and the world to a plan: a module per action, and the checks that need the whole world. Pure.

Nothing here reads a server, a repository or a clock: whatever a plan depends on is a value in ``World``.
"""
