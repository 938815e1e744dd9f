"""What templates share. The only import of jinja2."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def make_environment(*, autoescape: bool = False) -> Environment:
    """Make an environment that knows the templates of this package, and neither filters nor values yet.

    Args:
        autoescape: for HTML; text needs no escape, and Markdown has one of its own.
    """
    return Environment(
        loader=PackageLoader("incusbak.render"),
        undefined=StrictUndefined,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
