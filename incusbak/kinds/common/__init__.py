"""What several kinds do alike on the server: temporary copies and their marks, replacing, cleaning up.

What only one kind does is in that kind's room; archives are in ``archive``.
"""
