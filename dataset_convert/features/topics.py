"""Topics of an account's captions, or of its audience's, as an extractor."""

import hashlib
import io
import json
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset_convert import schema
from dataset_convert.common.files import write_whole
from dataset_convert.features.base import AUDIENCE, CONTENT, STREAMS
from dataset_convert.features.text import TextSettings
from dataset_convert.features.token_counts import (
    AccountCounts,
    Vocabulary,
    VocabularySettings,
    count_words,
    learn_vocabulary,
)
from dataset_convert.features.topic_model import infer_topics, learn_topics, word_shares
from dataset_convert.features.topic_quality import npmi_coherence
from dataset_convert.features.topic_selection import (
    N_TOP_WORDS,
    as_rows,
    best_number,
    top_words,
    try_numbers,
)
from dataset_convert.name_checks import AccountNames, phrases
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

MODALITY: Final = {CONTENT: schema.CONTENT_TOPICS, AUDIENCE: schema.AUDIENCE_TOPICS}
N_NAMING_WORDS: Final = 3
SETTINGS_FILE: Final = "topics.json"
COMPONENTS_FILE: Final = "components.npy"


@dataclass(frozen=True)
class TopicSettings:
    """How topics are made.

    Attributes:
        of: "content" or "audience".
        n_topics: Their number, 2 or more, or several numbers of which the one with the lowest
            held-out perplexity is taken.
        held_out_share: Of the training accounts, on which perplexity is measured where there are
            several numbers.
        min_members: Distinct members with posts below which an audience's topics are missing; not
            used for "content".
        max_iter: Passes over the training accounts.
        seed: Of the model and of the choice of held-out accounts.
        text: How captions become words.
        vocabulary: Which words are counted.
    """

    of: str = CONTENT
    n_topics: int | tuple[int, ...] = 22
    held_out_share: float = 0.1
    min_members: int = 5
    max_iter: int = 20
    seed: int = 2026
    text: TextSettings = field(default_factory=TextSettings)
    vocabulary: VocabularySettings = field(default_factory=VocabularySettings)

    def __post_init__(self) -> None:
        """Raises where a setting is out of its range.

        Raises:
            ValueError: Says which.
        """
        checks = {
            "of": (self.of in STREAMS, f"one of {', '.join(STREAMS)}"),
            "n_topics": (
                bool(self.candidates)
                and all(isinstance(number, int) and number >= 2 for number in self.candidates),
                "a whole number of at least 2, or a tuple of several",
            ),
            "held_out_share": (0 < self.held_out_share < 1, "between 0 and 1"),
            "min_members": (self.min_members >= 1, "at least 1"),
            "max_iter": (self.max_iter >= 1, "at least 1"),
        }
        for name, (fits, wanted) in checks.items():
            if not fits:
                raise ValueError(
                    f"The '{name}' parameter of TopicSettings must be {wanted}. "
                    f"Received: {getattr(self, name)}"
                )

    @property
    def candidates(self) -> tuple[int, ...]:
        """The numbers of topics to choose from."""
        return self.n_topics if isinstance(self.n_topics, tuple) else (self.n_topics,)


@dataclass(frozen=True, eq=False)
class _Fit:
    """What was learnt: all that a transform and a report need."""

    words: tuple[str, ...]
    components: npt.NDArray[np.float64]
    report: Mapping[str, Any]


class TopicExtractor:
    """An account's distribution over topics, all its captions being one document.

    The paper's X^t and Y^t. The paper learnt them on all accounts; here on the training accounts.
    Names are no words, also where their own words are run together: neither those of accounts,
    test accounts too, nor, in the topics of audiences, those of their members.
    """

    def __init__(self, settings: TopicSettings, *, n_jobs: int = 1) -> None:
        """Prepares an extractor.

        Args:
            settings: How topics are made.
            n_jobs: Processes; the topics do not depend on it.
        """
        self.settings = settings
        self.modality: str = MODALITY[settings.of]
        self._n_jobs = n_jobs
        self._fitted: _Fit | None = None
        self._counted: tuple[RawMaterial, AccountCounts] | None = None

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns the vocabulary and the topics of some accounts, in two passes over the posts.

        Args:
            material: Everything the source holds.
            training: The accounts to learn from; of all others nothing but their names is used,
                which are left out.

        Raises:
            TooLittleError: The accounts say too little for topics.
        """
        chosen = frozenset(training)
        vocabulary = learn_vocabulary(
            self._posts(material),
            chosen,
            text=self.settings.text,
            settings=self.settings.vocabulary,
            names=AccountNames(material.accounts),
            min_members=self._min_members,
            n_jobs=self._n_jobs,
        )
        is_audience = self.settings.of == AUDIENCE
        counted = self._count(material, vocabulary.words, without_members=is_audience)
        counts = counted.rows_of(chosen)
        if len(counted.words) < N_NAMING_WORDS or counts.shape[0] < 2:
            raise TooLittleError(
                f"{self.modality}: found {counts.shape[0]} training accounts with text and "
                f"{len(counted.words)} words that enough of them share; wanted 2 accounts and "
                f"{N_NAMING_WORDS} words. Loosen min_share, max_share or min_members, or leave "
                f"the modality out."
            )
        self._fitted = self._learn(vocabulary, counted, counts)
        # Kept for the transform that follows: it saves a third pass over the posts.
        self._counted = (material, counted)

    def transform(self, material: RawMaterial) -> dict[str, Any]:
        """Returns each account's topics, float64 and summing to 1.

        An account without any known word, or with too few members in its audience, is absent.

        Raises:
            ValueError: The extractor was neither fitted nor loaded.
        """
        fit = self._fit
        # Taken and let go: accounts times words can be large.
        kept, self._counted = self._counted, None
        if kept is not None and kept[0] is material:
            counted = kept[1]
        else:
            counted = self._count(material, fit.words)
        topics = infer_topics(fit.components, counted.matrix)
        return dict(zip(counted.accounts, topics, strict=True))

    def files(self) -> tuple[Path, ...]:
        """Returns nothing: all that the result depends on is in the material and the settings."""
        return ()

    def dimensions(self) -> list[str]:
        """Returns the topics' names, number and top words, e.g. `3-coffee-roast-bean`."""
        return [topic["name"] for topic in self._fit.report["topics"]]

    def own_words(self) -> frozenset[str]:
        """Returns the words of a topic that stand beside each other, which may look like a name.

        No word of them is a name by itself: a name of several words is there by chance.
        """
        lists = (" ".join(word for word, _ in one["words"]) for one in self._fit.report["topics"])
        return frozenset(found for one in lists for found in phrases(one, n_words=2))

    def report(self) -> dict[str, Any]:
        """Returns what was learnt: sizes, how the number of topics was chosen, each topic's words.

        `known_share` is of the words of all accounts' captions without stop words; a topic's
        `share` is its mean over the training accounts, its `coherence` see `npmi_coherence`.
        """
        return deepcopy(dict(self._fit.report))

    def save(self, folder: Path) -> None:
        """Writes settings, vocabulary, report and topics; each file whole or not at all.

        Args:
            folder: Made where it does not exist.

        Raises:
            ValueError: The extractor was neither fitted nor loaded.
        """
        fit = self._fit
        folder.mkdir(parents=True, exist_ok=True)
        array = io.BytesIO()
        np.save(array, fit.components, allow_pickle=False)
        saved = {
            "settings": asdict(self.settings),
            "words": fit.words,
            "report": fit.report,
            "components_sha256": hashlib.sha256(array.getvalue()).hexdigest(),
        }
        write_whole(folder / COMPONENTS_FILE, array.getvalue())
        text = json.dumps(saved, ensure_ascii=False, indent=1)
        write_whole(folder / SETTINGS_FILE, f"{text}\n".encode())

    @classmethod
    def load(cls, folder: Path, *, n_jobs: int = 1) -> Self:
        """Returns a fitted extractor as it was saved.

        Args:
            folder: Where it was saved.
            n_jobs: Processes.

        Raises:
            ConversionError: The files are missing, or are not what `save` wrote.
        """
        try:
            saved = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
            array = (folder / COMPONENTS_FILE).read_bytes()
            if hashlib.sha256(array).hexdigest() != saved["components_sha256"]:
                raise ValueError(f"{COMPONENTS_FILE} belongs to another {SETTINGS_FILE}")
            components = np.load(io.BytesIO(array), allow_pickle=False)
            extractor = cls(_settings(saved["settings"]), n_jobs=n_jobs)
            extractor._fitted = _Fit(tuple(saved["words"]), components, saved["report"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConversionError(
                f"{folder}: found no saved topics ({error}); wanted {SETTINGS_FILE} and "
                f"{COMPONENTS_FILE} of one conversion. Convert the data set again."
            ) from None
        return extractor

    @property
    def _fit(self) -> _Fit:
        if self._fitted is None:
            raise ValueError("A TopicExtractor must be fitted or loaded before it is used.")
        return self._fitted

    @property
    def _min_members(self) -> int:
        return self.settings.min_members if self.settings.of == AUDIENCE else 1

    def _posts(self, material: RawMaterial) -> Iterator[Post]:
        return material.posts() if self.settings.of == CONTENT else material.audience_posts()

    def _count(
        self, material: RawMaterial, words: tuple[str, ...], *, without_members: bool = False
    ) -> AccountCounts:
        return count_words(
            self._posts(material),
            words,
            text=self.settings.text,
            min_members=self._min_members,
            n_jobs=self._n_jobs,
            without_members=without_members,
        )

    def _learn(
        self, vocabulary: Vocabulary, counted: AccountCounts, counts: sparse.csr_matrix
    ) -> _Fit:
        settings = self.settings
        n_topics, trials = settings.candidates[0], []
        if len(settings.candidates) > 1:
            trials = try_numbers(
                counts,
                settings.candidates,
                held_out_share=settings.held_out_share,
                max_iter=settings.max_iter,
                seed=settings.seed,
                n_jobs=self._n_jobs,
            )
            n_topics = best_number(trials)
        components = learn_topics(counts, n_topics, max_iter=settings.max_iter, seed=settings.seed)
        report = {
            "of": settings.of,
            "n_topics": n_topics,
            "n_accounts": counts.shape[0],
            "n_words": len(counted.words),
            "n_uncounted": vocabulary.n_uncounted,
            "known_share": counted.known_share,
            "trials": as_rows(trials),
            "topics": _described(counted.words, components, counts),
        }
        return _Fit(counted.words, components, report)


def _described(
    words: tuple[str, ...], components: npt.NDArray[np.float64], counts: sparse.csr_matrix
) -> list[dict[str, Any]]:
    top = top_words(components, N_TOP_WORDS)
    shares = word_shares(components)
    coherence = npmi_coherence(counts, top)
    weight = infer_topics(components, counts).mean(axis=0)
    return [
        {
            "name": "-".join([str(topic), *(words[word] for word in best[:N_NAMING_WORDS])]),
            "words": [[words[word], float(shares[topic, word])] for word in best],
            "share": float(weight[topic]),
            "coherence": float(coherence[topic]),
        }
        for topic, best in enumerate(top)
    ]


def _settings(saved: dict[str, Any]) -> TopicSettings:
    n_topics = saved["n_topics"]
    text = {**saved["text"], "languages": tuple(saved["text"]["languages"])}
    return TopicSettings(
        **{
            **saved,
            "n_topics": n_topics if isinstance(n_topics, int) else tuple(n_topics),
            "text": TextSettings(**text),
            "vocabulary": VocabularySettings(**saved["vocabulary"]),
        }
    )
