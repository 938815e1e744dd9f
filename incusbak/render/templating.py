"""What templates share. The only import of jinja2."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def make_environment() -> Environment:
    """Make an environment that knows the templates of this package, and neither filters nor values yet."""
    return Environment(
        loader=PackageLoader("incusbak.render"),
        undefined=StrictUndefined,
        autoescape=False,  # text, and markdown with an escape of its own
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
