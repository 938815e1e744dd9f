"""incus-backup: declarative plan/apply backup and restore for Incus servers.

The data flows one way::

    policy ─┐
    server ─┼─▶ goals ─▶ plan ─▶ (plan.json) ─▶ approved ─▶ executed ─▶ report
    repo ───┘

Layers; a module imports only from lower rows (``tests/unit/test_layers.py`` walks the imports)::

    cli                                 commands, prompts, progress; ``cli.session`` puts the parts together
    render | incus | repositories | state      siblings, never each other
    kinds                               what is special about each kind of resource
    engine                              selecting, planning, approving: pure; the rest through ports
    plan_schema | course_file | record_file   what a plan may hold; how far a run got, and what it makes
    codec | policyfile | ports          JSON, YAML, and the contracts of everything with an effect
    durable                             files that survive a power cut
    model                               frozen data
    errors | json_text | plain_text     errors with exit codes and hints; JSON that means one thing; safe text
"""

__version__ = "0.1.0"
