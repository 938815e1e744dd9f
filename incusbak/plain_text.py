"""Text from outside, so that it shows and does nothing else."""


def printable(text: str) -> str:
    """Escape what a terminal or an editor would obey instead of show (control and direction characters)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    code = ord(char)
    return short.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
