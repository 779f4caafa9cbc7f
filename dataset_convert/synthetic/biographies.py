"""Biographies of synthetic accounts: what they are about, and how to reach them."""

from typing import Final

import numpy as np

from dataset_convert.synthetic import topic_words

_EMOJI: Final = tuple(topic_words.EMOJI.split())
_SEPARATORS: Final = (" | ", "\n", ", ")


def biography(account: str, attributes: list[str], rng: np.random.Generator) -> str:
    r"""Returns a biography that names every attribute by its own name.

    Args:
        account: Whose it is; a third of the biographies hold a made-up e-mail address.
        attributes: Names of concepts of the lexicon, e.g. `coffee-shop`; none gives a biography
            that says nothing.
        rng: Of the order and the ornaments.
    """
    emoji = _EMOJI[rng.integers(len(_EMOJI))]
    parts = [attributes[i].replace("-", " ").capitalize() for i in rng.permutation(len(attributes))]
    if rng.random() < 1 / 3:
        parts.append(f"{account}@mail.example")
    if rng.random() < 0.5 or not parts:
        parts.append(emoji)
    return _SEPARATORS[rng.integers(len(_SEPARATORS))].join(parts)
