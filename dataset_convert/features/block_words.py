"""The words of a block of posts: what one process of several does.

Imports nothing large, so that a process is at work in a moment.
"""

from array import array
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

from dataset_convert.features.text import TextSettings, tokenise

Block = list[tuple[str, str]]
"""Account and caption of each post."""


@dataclass(frozen=True, eq=False)
class BlockCounts:
    """How often each account of a block uses each word; flat, because it travels far faster so.

    Attributes:
        accounts: Those with words.
        words: Those that are used.
        account_of, word_of: Of each pair, a place in `accounts` and in `words`.
        times: Of each pair, at least 1.
        n_tokens: How many words the block has, of any kind.
    """

    accounts: list[str]
    words: list[str]
    account_of: "array[int]"
    word_of: "array[int]"
    times: "array[int]"
    n_tokens: int


def count_block(block: Block, *, text: TextSettings, known: Container[str] | None) -> BlockCounts:
    """Counts the words of each account's captions.

    Args:
        block: Posts in any order.
        text: How captions become words.
        known: The words that count; None counts all.

    Returns:
        Every pair of account and word once.
    """
    counts: dict[str, Counter[str]] = {}
    n_tokens = 0
    for account, caption in block:
        tokens = tokenise(caption, text)
        n_tokens += len(tokens)
        if known is not None:
            tokens = [token for token in tokens if token in known]
        if tokens:
            counts.setdefault(account, Counter()).update(tokens)
    return _flat(counts, n_tokens)


def _flat(counts: dict[str, Counter[str]], n_tokens: int) -> BlockCounts:
    numbers: dict[str, int] = {}
    account_of, word_of, times = array("i"), array("i"), array("i")
    for number, found in enumerate(counts.values()):
        account_of.extend([number] * len(found))
        word_of.extend([numbers.setdefault(word, len(numbers)) for word in found])
        times.extend(found.values())
    return BlockCounts(list(counts), list(numbers), account_of, word_of, times, n_tokens)
