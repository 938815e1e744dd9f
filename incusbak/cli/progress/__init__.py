"""Progress on stderr: live lines on a terminal, plain ones elsewhere, failures only when quiet.

Here is how events of a run are shown. What happens in a run, and when it stops, is not decided here.
"""
