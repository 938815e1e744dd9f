"""Write the policy a user starts with."""

from ..model.starters import Starter, StarterRule
from ..plain_text import printable
from ..policyfile import quoted
from .templating import make_environment
from .wording import wrap

_WIDTH = 100
_LONGEST_LIST = 80


def render_starter(starter: Starter) -> str:
    """Write the YAML of a policy, with comments for its reader."""
    environment = make_environment()
    environment.filters |= {"comment": lambda text, indent: _comment(text, " " * indent)}
    projects = [quoted(project) for project in starter.projects]
    return environment.get_template("policy.yaml.j2").render(
        server=f"the server {starter.server}" if starter.server else "a server",
        target=quoted(starter.target) if starter.target else "",
        projects=projects,
        fits=len(", ".join(projects)) <= _LONGEST_LIST,
        rules=[(rule, _meaning(rule)) for rule in starter.rules],
    )


def _comment(text: str, indent: str) -> str:
    """Make comment lines of a text; nothing in it can end them."""
    return wrap(printable(text), _WIDTH, first=f"{indent}# ", rest=f"{indent}# ")


def _meaning(rule: StarterRule) -> str:
    """Say what a rule is for, and how much of it there is."""
    counts = {kind: rule.covers.get(kind) or "none" for kind in ("instance", "volume", "image")}
    configuration = "the configuration: projects, profiles, networks, storage pools and the like"
    match rule.name:
        case "instances":
            return (
                f"Instances ({counts['instance']} now). With each come its attached volumes "
                f"({counts['volume']} now) and the image it was made from ({counts['image']} now)."
            )
        case "volumes-and-configuration":
            return f"Volumes that no instance has attached ({counts['volume']} now), and {configuration}."
        case "images":
            return f"Images that no instance was made from ({counts['image']} now)."
    return (
        "Instances (none now) with the volumes attached to them and the images they were made from, "
        f"volumes of their own ({counts['volume']} now), and {configuration}."
    )
