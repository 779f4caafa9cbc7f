"""Topics of an account's captions, or of its audience's, as an extractor."""

import hashlib
import io
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field
from scipy import sparse

from dataset_convert import schema
from dataset_convert.common.files import write_whole
from dataset_convert.features.base import AUDIENCE, Extractor, Fitted, Options, Whole, that
from dataset_convert.features.lda import (
    N_TOP_WORDS,
    best_number,
    infer_topics,
    learn_topics,
    npmi_coherence,
    top_words,
    try_numbers,
    word_shares,
)
from dataset_convert.features.parallel import started
from dataset_convert.features.text import TextOptions
from dataset_convert.features.words import (
    AccountCounts,
    VocabularyOptions,
    count_words,
    learn_words,
)
from dataset_convert.name_checks import AccountNames, phrases
from dataset_convert.problems import TooLittleError
from dataset_convert.raw import RawMaterial

N_NAMING_WORDS: Final = 3
COMPONENTS_FILE: Final = "components.npy"

Numbers = npt.NDArray[np.float64]


def _are_numbers(numbers: Any) -> bool:
    return (
        isinstance(numbers, list)
        and bool(numbers)
        and all(type(number) is int and 2 <= number <= 10_000 for number in numbers)
    )


class TopicOptions(Options):
    """How topics are made.

    Attributes:
        n_topics: Their number, or several numbers of which the one with the lowest held-out
            perplexity is taken.
        held_out_share: Of the training accounts, on which perplexity is measured where there are
            several numbers.
        min_members: Distinct members with posts below which an audience's topics are missing.
        max_iter: Passes over the training accounts.
        seed: Of the model and of the choice of held-out accounts.
        text: How captions become words.
        vocabulary: Which words are counted.
    """

    n_topics: Annotated[
        list[Any],
        BeforeValidator(lambda given: given if isinstance(given, list) else [given]),
        that(_are_numbers, "be a whole number from 2 to 10,000, or a list of several"),
    ] = Field(default=[22], strict=True)
    held_out_share: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.1
    min_members: Whole = 5
    max_iter: Whole = 20
    seed: Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)] = 2026
    text: TextOptions = TextOptions()
    vocabulary: VocabularyOptions = VocabularyOptions()


class TopicFit(Fitted):
    """The vocabulary, and which file of topics belongs to it."""

    words: tuple[str, ...]
    components_sha256: str


class TopicExtractor(Extractor):
    """An account's distribution over topics, all its captions being one document.

    The paper's X^t and Y^t. The paper learnt them on all accounts; here on the training accounts.
    Names are no words, also where their own words are run together: neither those of accounts,
    test accounts too, nor, in the topics of audiences, those of their members.

    Posts are read once, for the transform of the same material too; those of audiences a second
    time for their members' names. Topics are learnt in a process of their own where there may be
    several: what needs them waits for it.
    """

    takes = TopicOptions
    learns = TopicFit
    modalities = schema.TOPIC_MODALITIES
    file = "topics.json"
    _components: Numbers
    _learning: "Callable[[], _Learnt] | None" = None

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns the vocabulary and the topics of some accounts."""
        options, chosen = self.options, frozenset(training)
        counted = learn_words(
            self.stream(material),
            chosen,
            text=options.text,
            vocabulary=options.vocabulary,
            names=AccountNames(material.accounts),
            members=self.stream(material) if self.of == AUDIENCE else (),
            min_members=self.min_members,
            n_jobs=self.n_jobs,
        )
        counts = counted.rows_of(chosen)
        if len(counted.words) < N_NAMING_WORDS or counts.shape[0] < 2:
            raise TooLittleError(
                f"{self.modality}: found {counts.shape[0]} training accounts with text and "
                f"{len(counted.words)} words that enough of them share; wanted 2 accounts and "
                f"{N_NAMING_WORDS} words. Loosen min_share, max_share or min_members, or leave "
                f"the modality out."
            )
        numbers, trials = options.n_topics, []
        if len(numbers) > 1:
            trials = try_numbers(
                counts,
                numbers,
                held_out_share=options.held_out_share,
                max_iter=options.max_iter,
                seed=options.seed,
                n_jobs=self.n_jobs,
            )
        report = {
            "of": self.of,
            "n_topics": best_number(trials) if trials else numbers[0],
            "n_accounts": counts.shape[0],
            "n_words": len(counted.words),
            "n_uncounted": counted.n_uncounted,
            "known_share": counted.known_share,
            "trials": [trial._asdict() for trial in trials],
        }
        of_training = np.flatnonzero([name in chosen for name in counted.accounts])
        work = partial(_learn, counted, of_training, report, options.max_iter, options.seed)
        self._fitted, self._learning = None, started(work, n_jobs=self.n_jobs)
        self.keep(material, counted.accounts)

    def transform(self, material: RawMaterial) -> dict[str, Any]:
        """Returns each account's topics, float64 and summing to 1."""
        accounts, learning = self.kept(material), self._learning
        if accounts is not None and learning is not None:
            assert self.fitted  # taken over before the rest, which can be large, is let go
            self._learning = None
            return dict(zip(accounts, learning().topics, strict=True))
        counted = count_words(
            self.stream(material),
            self.fitted.words,
            text=self.options.text,
            min_members=self.min_members,
            n_jobs=self.n_jobs,
        )
        return dict(
            zip(counted.accounts, infer_topics(self._components, counted.matrix), strict=True)
        )

    @property
    def fitted(self) -> TopicFit:
        """What was learnt, when it is."""
        if self._fitted is None and self._learning is not None:
            learnt = self._learning()
            self._fitted, self._components = learnt.fit, learnt.components
        fitted: TopicFit = super().fitted
        return fitted

    def dimensions(self) -> list[str]:
        """Returns the topics' names, number and top words, e.g. `3-coffee-roast-bean`."""
        return [topic["name"] for topic in self.fitted.report["topics"]]

    def own_words(self) -> frozenset[str]:
        """Returns the words of a topic that stand beside each other, which may look like a name.

        No word of them is a name by itself: a name of several words is there by chance.
        """
        topics = self.fitted.report["topics"]
        lists = (" ".join(word for word, _ in topic["words"]) for topic in topics)
        return frozenset(found for one in lists for found in phrases(one, n_words=2))

    def save(self, folder: Path) -> None:
        """Writes options, vocabulary and report, and the topics beside them."""
        super().save(folder)
        write_whole(folder / COMPONENTS_FILE, _bytes(self._components))

    def _load_more(self, folder: Path) -> None:
        array = (folder / COMPONENTS_FILE).read_bytes()
        if hashlib.sha256(array).hexdigest() != self.fitted.components_sha256:
            raise ValueError(f"{COMPONENTS_FILE} belongs to another {self.file}")
        self._components = np.load(io.BytesIO(array), allow_pickle=False)


class _Learnt(NamedTuple):
    fit: TopicFit
    components: Numbers
    topics: Numbers


def _learn(
    counted: AccountCounts,
    of_training: npt.NDArray[np.int64],
    report: Mapping[str, Any],
    max_iter: int,
    seed: int,
) -> _Learnt:
    """Learns topics from some rows of counts, and describes them and every account by them."""
    counts: sparse.csr_matrix = counted.matrix[of_training]
    components = learn_topics(counts, report["n_topics"], max_iter=max_iter, seed=seed)
    topics = infer_topics(components, counted.matrix)
    top, shares = top_words(components, N_TOP_WORDS), word_shares(components)
    coherence = npmi_coherence(counts, top)
    weight = topics[of_training].mean(axis=0)
    described = [
        {
            "name": "-".join(
                [str(topic), *(counted.words[word] for word in best[:N_NAMING_WORDS])]
            ),
            "words": [[counted.words[word], float(shares[topic, word])] for word in best],
            "share": float(weight[topic]),
            "coherence": float(coherence[topic]),
        }
        for topic, best in enumerate(top)
    ]
    digest = hashlib.sha256(_bytes(components)).hexdigest()
    told = {**report, "topics": described}
    fit = TopicFit(words=counted.words, components_sha256=digest, report=told)
    return _Learnt(fit, components, topics)


def _bytes(array: Numbers) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
