"""Numbers and times of a study's page as texts."""

from recbole_mirec.tuning.report.figures import score_text

MISSING = "-"


def duration(seconds: float) -> str:
    """A time as a person says it: 0.4 s, 12 s, 3 min 20 s, 1 h 12 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def number_text(value: object) -> str:
    """A score, or a dash where it is missing."""
    return (
        score_text(float(value)) if isinstance(value, float | int) and value == value else MISSING
    )
