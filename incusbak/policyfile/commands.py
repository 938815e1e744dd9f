"""Read commands of a policy: each is the list of its words, as the program gets them."""

import re
import unicodedata

from .nodes import Node, Scalar, Sequence
from .problems import Bad, shown
from .values import kind_of, list_of, text

_PLAIN_WORDS = re.compile(r"[A-Za-z0-9_./-]+(?: +[A-Za-z0-9_./-]+)*", re.ASCII)


def commands(node: Node) -> tuple[tuple[str, ...], ...]:
    """Read commands, each as the list of its words; an empty list is none."""
    if isinstance(node, Sequence) and not node.items:
        return ()
    return list_of(_command)(node)


def _command(node: Node) -> tuple[str, ...]:
    if not isinstance(node, Sequence):
        message = f"expected a command as the list of its words, such as [sync], got {kind_of(node)}"
        raise Bad((node.place, message + (_as_words(node.text) if isinstance(node, Scalar) else "")))
    first, *others = list_of(_word)(node)
    if not first.strip():
        raise Bad((node.place, "a command begins with the name of a program"))
    if " " in first and not first.startswith("/") and _PLAIN_WORDS.fullmatch(first):
        message = f"{shown(first)} is one word, the name of a program"
        raise Bad((node.place, message + _as_words(first)))
    return (first, *others)


def _as_words(line: str) -> str:
    """Suggest to write a command's words one by one, as the end of a message; empty where that is unclear."""
    return f"; write [{', '.join(line.split())}]" if len(line) < 40 and _PLAIN_WORDS.fullmatch(line) else ""


def _word(node: Node) -> str:
    """Read one word of a command: any text, of several lines too."""
    if isinstance(node, Scalar) and node.meaning == "text":
        if "\0" in node.text or any(unicodedata.category(c) == "Cs" for c in node.text):
            raise Bad((node.place, f"{shown(node.text)} holds a character no command can have"))
        return node.text
    return text(node)
