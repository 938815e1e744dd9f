"""What is kept of a run."""

from attrs import frozen

from ..model.results import Report, RestoreFact


@frozen
class RunReport:
    """``report.json``: the report, and which instances its restores made."""

    report: Report
    facts: tuple[RestoreFact, ...]
