"""From policies and command lines to goals: what is meant, which version, which rule. Pure.

What is possible, and in which steps, is planning's; nothing here reads a server or a repository.
"""
