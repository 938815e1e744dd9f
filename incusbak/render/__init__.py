"""Plans, reports and tables for people: ``views`` decides, ``templates`` lay out, JSON goes through codec.

What one command alone shows is imported from its own module: it takes time at every start.
"""

from collections.abc import Sequence

from .. import codec
from ..model.plans import PlanFile
from ..model.sizes import humanize_bytes
from ..plain_text import printable
from .plans import render_as_html, render_as_markdown, render_as_text
from .reports import render_missed, render_report
from .tables import render_table
from .views import NOTHING_COVERED, ShownPlan
from .wording import brief_duration, humanize_duration

FORMS = ("text", "json", "markdown", "html")


def render_plan(
    plan_file: PlanFile, *, form: str, colour: bool = False, width: int = 80, path: str = ""
) -> str:
    """Show a plan.

    Args:
        form: one of ``FORMS``.
        width: columns of the terminal, for text.
        path: the plan's file, for the command that approves it; empty where there is none.
    """
    return render_plans([ShownPlan(plan_file, path)], form=form, colour=colour, width=width, as_list=False)


def render_plans(
    plans: Sequence[ShownPlan], *, form: str, colour: bool = False, width: int = 80, as_list: bool = True
) -> str:
    """Show plans one after another, as ``render_plan`` shows one.

    Args:
        as_list: of what JSON there is to be; else it is that of the only plan.
    """
    match form:
        case "json":
            plan_files = [each.plan_file for each in plans]
            return codec.dump(plan_files if as_list else plan_files[0])
        case "markdown":
            return "\n".join(render_as_markdown(each) for each in plans)
        case "html":
            return render_as_html(plans)
        case "text":
            return "\n".join(render_as_text(each, colour=colour, width=width) for each in plans)
    raise ValueError(f"unknown form {form!r}")


__all__ = [
    "FORMS",
    "NOTHING_COVERED",
    "ShownPlan",
    "brief_duration",
    "humanize_bytes",
    "humanize_duration",
    "printable",
    "render_missed",
    "render_plan",
    "render_plans",
    "render_report",
    "render_table",
]
