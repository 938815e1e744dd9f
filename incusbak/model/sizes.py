"""Sizes in words, and as the server reads them."""


def humanize_bytes(size_bytes: int) -> str:
    """Write a size with a binary unit, such as 1.2 GiB."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    size = float(size_bytes)
    units = ["KiB", "MiB", "GiB", "TiB", "PiB"]
    while units:
        unit = units.pop(0)
        size /= 1024
        if round(size, 1) < 1024:
            break
    return f"{size:.1f} {unit}"


def in_mebibytes(size_bytes: int) -> str:
    """Write a limit for the server, which reads no fractions: so many MiB that it fits."""
    return f"{-(-size_bytes >> 20)}MiB"
