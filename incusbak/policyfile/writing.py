"""Write text into a policy so that reading it gives the text back."""

from .variables import escaped

_SHORT = {'"': '\\"', "\\": "\\\\"}


def quoted(text: str) -> str:
    """Write text as a quoted YAML scalar on one line, in which no variable stands."""
    return f'"{"".join(map(_character, escaped(text)))}"'


def _character(char: str) -> str:
    code = ord(char)
    if char in _SHORT or char.isprintable():
        return _SHORT.get(char, char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
