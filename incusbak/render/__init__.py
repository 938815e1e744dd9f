"""Plans, reports and tables for people: ``views`` decides, ``templates`` lay out, JSON goes through codec."""

from .. import codec
from ..model.plans import PlanFile
from .explanations import render_explanation, tabulate_explanation
from .plans import render_as_html, render_as_markdown, render_as_text
from .prometheus import render_metrics
from .reports import render_report
from .standings import render_status, status_summary
from .starters import render_starter
from .status_page import render_status_page
from .tables import render_table
from .wording import brief_duration, humanize_bytes, humanize_duration, printable

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
    match form:
        case "json":
            return codec.dump(plan_file)
        case "markdown":
            return render_as_markdown(plan_file, path=path)
        case "html":
            return render_as_html(plan_file, path=path)
        case "text":
            return render_as_text(plan_file, colour=colour, width=width, path=path)
    raise ValueError(f"unknown form {form!r}")


__all__ = [
    "FORMS",
    "brief_duration",
    "humanize_bytes",
    "humanize_duration",
    "printable",
    "render_explanation",
    "render_metrics",
    "render_plan",
    "render_report",
    "render_starter",
    "render_status",
    "render_status_page",
    "render_table",
    "status_summary",
    "tabulate_explanation",
]
