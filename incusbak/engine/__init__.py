"""From goals to a plan, from an approved plan to a report. Knows no kind and no backend by name.

Floors, each of which imports only from those below it::

    reporting                   how promises stand, and why
    execution | observation     through ports: carrying out, looking
    planning                    goals and world to steps: pure
    selection                   policies and command lines to goals: pure
    ownership | retention | leftovers | resumption
"""
