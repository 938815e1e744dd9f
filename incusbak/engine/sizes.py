"""Sizes in words, for messages of the planner."""


def mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"
