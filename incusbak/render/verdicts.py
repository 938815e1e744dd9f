"""What a rule says about a resource, in words."""

from ..model.explanations import (
    AttachedTo,
    ExcludedName,
    ImageOf,
    ImageOfProject,
    NotBroughtAlong,
    OnlyCached,
    OptedIn,
    OptedOut,
    OtherConfig,
    OtherKind,
    OtherName,
    OtherProject,
    Selected,
    Verdict,
)
from ..model.refs import ResourceRef

_OFF = {"attached_volumes": "false", "images": "none"}


def in_words(verdict: Verdict) -> str:
    """As the end of a sentence that begins with the rule."""
    match verdict:
        case OtherKind(kinds=kinds):
            return f"selects only kind {_listed(kinds)}"
        case OtherProject(projects=projects, globs=globs):
            return f"project {_listed(projects)} is not among its projects: {_listed(globs)}"
        case OtherName(globs=globs):
            return f"its names do not match: {_listed(globs)}"
        case ExcludedName(name=name, glob=glob):
            return f"excludes {name} by !{glob}"
        case OtherConfig(key=key, glob=glob, value=None):
            return f"wants {key} to be {glob}; it is not set"
        case OtherConfig(key=key, glob=glob, value=value):
            return f"wants {key} to be {glob}; it is {value or 'empty'}"
        case OnlyCached():
            return "does not name it; the server only downloaded it for itself"
        case OptedOut(key=key):
            return f"means it, but {key} is false"
        case NotBroughtAlong(instances=instances, setting=setting):
            return f"covers {_addresses(instances)} without it: {setting} is {_OFF[setting]}"
        case Selected():
            return "selects it"
        case OptedIn(key=key):
            return f"lets it opt in; {key} is true"
        case AttachedTo(instances=instances):
            return f"covers it as a volume attached to {_addresses(instances)}"
        case ImageOf(instances=instances):
            return f"covers it as the image of {_addresses(instances)}"
        case ImageOfProject():
            return "covers it with all images of its projects"


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words)


def _addresses(refs: tuple[ResourceRef, ...]) -> str:
    return ", ".join(ref.address for ref in refs)
