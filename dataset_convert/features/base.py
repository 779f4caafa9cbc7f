"""What an extractor of features is."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from dataset_convert.raw import RawMaterial

CONTENT, AUDIENCE = "content", "audience"
STREAMS = (CONTENT, AUDIENCE)


class Extractor(Protocol):
    """Turns an account's material into the value of one modality.

    Deterministic for its settings and the material; fitted on training accounts only. Reads posts
    as a stream, so that its memory does not grow with their number.
    """

    modality: str

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns what it needs from the rows of some accounts and from no others.

        Args:
            material: Everything the source holds.
            training: The accounts to learn from.
        """

    def transform(self, material: RawMaterial) -> Mapping[str, Any]:
        """Returns the value of every account that has material; the others are absent.

        A float64 vector for topics and embeddings, a mapping label -> weight for visual
        semantics, a list of words for attributes.
        """

    def files(self) -> tuple[Path, ...]:
        """Returns what the result depends on beside the material: models, lists of labels."""

    def own_words(self) -> frozenset[str]:
        """Returns words of the result that come from lists of ours or of the user's.

        They may be names of accounts by chance, and give nothing away.
        """

    def dimensions(self) -> list[str]:
        """Returns the names of the vector's places, or the labels or words that can occur."""

    def report(self) -> dict[str, Any]:
        """Returns what a person should know of the fit, ready for JSON; no captions, no names."""

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs: JSON, and arrays without pickle."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Returns a fitted extractor as it was saved."""
