"""How much of a stream's images or captions was used, and why the rest was not."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class UseCounts:
    """Counts that name nobody.

    Attributes:
        used: How many were used.
        skipped: Reason -> how many were not.
    """

    used: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Returns the counts, the most frequent reason first."""
        return {"used": self.used, "skipped": dict(self.skipped.most_common())}

    def __str__(self) -> str:
        """Returns the counts in one line."""
        reasons = ", ".join(f"{n} {reason}" for reason, n in self.skipped.most_common())
        return f"{self.used} used, {self.skipped.total()} skipped ({reasons or 'no reason'})"
