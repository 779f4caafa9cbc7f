"""Numbers in words, as a person says them."""


def duration(seconds: float) -> str:
    """Returns a time as a person says it: 0.4 s, 12 s, 3 min 20 s, 1 h 12 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
