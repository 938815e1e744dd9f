"""From goals to a plan, from an approved plan to a report. Knows no kind and no backend by name."""
