"""Numbers in words, as a person says them."""

_PERCENT = "\u00a0%"
_PLURALS = {"category": "categories", "has": "have", "is": "are"}


def duration(seconds: float) -> str:
    """Returns a time as a person says it: 0.4 s, 12 s, 3 min 20 s, 1 h 12 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def plural(word: str, n: int) -> str:
    """Returns a word as it stands after a number."""
    return word if n == 1 else _PLURALS.get(word, f"{word}s")


def counted(n: int, word: str) -> str:
    """Returns a number with its word: 1 brand, 3,075 brands."""
    return f"{n:,} {plural(word, n)}"


def percent(part: float, whole: float) -> str:
    """Returns a share: whole percents, one decimal below 10 % and above 99 %.

    What is not quite nothing, or not quite all, is not written as 0 % or 100 %.
    """
    if whole <= 0:
        return f"0{_PERCENT}"
    share = 100 * part / whole
    if share in (0, 100) or 10 <= share <= 99:
        return f"{share:.0f}{_PERCENT}"
    bound = "< 0.1" if share < 0.05 else "> 99.9" if share >= 99.95 else f"{share:.1f}"
    return f"{bound}{_PERCENT}"


def part_of(part: int, whole: int) -> str:
    """Returns a number with its share of a whole: 5 (10 %)."""
    return f"{part:,} ({percent(part, whole)})" if whole else f"{part:,}"
