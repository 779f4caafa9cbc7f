"""Topics of an account's captions, or of its audience's: latent Dirichlet allocation."""

import hashlib
import io
import math
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field
from scipy import sparse
from scipy.special import psi

from dataset_convert import schema
from dataset_convert.common.files import write_whole
from dataset_convert.features.base import AUDIENCE, Extractor, Fitted, Options, Whole, that
from dataset_convert.features.parallel import PROCESSES, in_order
from dataset_convert.features.text import (
    MAX_CHARACTERS,
    MIN_ACCOUNTS,
    TextOptions,
    VocabularyOptions,
    WordCounts,
    tokenise,
)
from dataset_convert.name_checks import AccountNames, MemberNames, phrases
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

N_NAMING_WORDS: Final = 3
N_TOP_WORDS: Final = 10
COMPONENTS_FILE: Final = "components.npy"
_TOKENS: Final = "tokens"

Numbers = npt.NDArray[np.float64]
Counts: TypeAlias = sparse.csr_matrix


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
    """The vocabulary, sorted, and topic x word: each topic's Dirichlet parameters over words."""

    words: tuple[str, ...]
    components_sha256: str
    components: Any = Field(default=None, exclude=True)


class TopicExtractor(Extractor):
    """An account's distribution over topics, all its captions being one document.

    The paper's X^t and Y^t. The paper learnt them on all accounts; here on the training accounts.
    Names are no words, also where their own words are run together: neither those of accounts,
    test accounts too, nor, in the topics of audiences, those of their members, for which their
    posts are read once more.
    """

    name = "lda"
    takes = TopicOptions
    learns = TopicFit
    modalities = schema.TOPIC_MODALITIES
    file = "topics.json"
    runs_in = PROCESSES
    fitted: TopicFit

    def prepare(self, material: RawMaterial, training: Collection[str]) -> tuple[TopicFit, Counts]:
        """Returns the vocabulary, and how often each training account uses each word."""
        counted = self.sums(self.sample(material, training))
        words = self._vocabulary(counted, AccountNames(material.accounts))
        if self.of == AUDIENCE:
            borne = MemberNames(words)
            for _ in borne.watch(self.stream(material)):
                pass
            words = [word for word in words if word not in borne]
        _, counts = counted.of(words)
        n_accounts, n_words = counts.shape
        if n_words < N_NAMING_WORDS or n_accounts < 2:
            raise TooLittleError(
                f"{self.modality}: found {n_accounts} training accounts with text and {n_words} "
                f"words that enough of them share; wanted 2 accounts and {N_NAMING_WORDS} words. "
                f"Loosen min_share, max_share or min_members, or leave the modality out."
            )
        report = {
            "of": self.of,
            "n_topics": self.options.n_topics[0],
            "n_accounts": n_accounts,
            "n_words": n_words,
            "known_share": float(counts.sum() / counted.told[_TOKENS]),
            "trials": [],
        }
        if len(self.options.n_topics) > 1:
            trials = try_numbers(counts, self.options, n_jobs=self.n_jobs)
            report["trials"] = [trial._asdict() for trial in trials]
            report["n_topics"] = best_number(trials)
        return TopicFit(words=tuple(words), components_sha256="", report=report), counts

    def _vocabulary(self, counted: WordCounts, names: AccountNames) -> list[str]:
        options = self.options.vocabulary
        rows = [counted.rows[name] for name in counted.enough() if name in counted.rows]
        used = counted.matrix()[np.array(rows, np.int64)]
        n_with = np.bincount(used.indices, minlength=len(counted.columns))
        # Rounded first: 0.1 * 30 is a little more than 3.
        lowest = max(MIN_ACCOUNTS, math.ceil(round(options.min_share * len(rows), 9)))
        highest = math.floor(round(options.max_share * len(rows), 9))
        fitting = [
            (-int(n_with[i]), word)
            for word, i in counted.columns.items()
            if lowest <= n_with[i] <= highest and word not in names
        ]
        return sorted(word for _, word in sorted(fitting)[: options.max_words])

    def learn(self, prepared: tuple[TopicFit, Counts]) -> TopicFit:
        """Returns the topics of some accounts, described by their words."""
        fit, counts = prepared
        options, report = self.options, fit.report
        components = learn_topics(
            counts, report["n_topics"], max_iter=options.max_iter, seed=options.seed
        )
        shares, top = word_shares(components), top_words(components)
        coherence = npmi_coherence(counts, top)
        weight = infer_topics(components, counts).mean(axis=0)
        report["topics"] = [
            {
                "name": "-".join([str(topic), *(fit.words[i] for i in best[:N_NAMING_WORDS])]),
                "words": [[fit.words[i], float(shares[topic, i])] for i in best],
                "share": float(weight[topic]),
                "coherence": float(coherence[topic]),
            }
            for topic, best in enumerate(top)
        ]
        fit.components, fit.components_sha256 = components, _sha256(_bytes(components))
        return fit

    def taken(self, post: Post) -> tuple[str, str, str]:
        """Returns account, member and caption, cut here already: a batch must stay small."""
        return post.account, post.member, post.text[:MAX_CHARACTERS]

    def batch(self, posts: list[tuple[str, str, str]]) -> WordCounts:
        """Counts the words of each account's captions; before the fit all, after it the known."""
        counted = WordCounts(self.min_members)
        known = None if self._fitted is None else frozenset(self.fitted.words)
        counts: dict[str, Counter[str]] = {}
        for account, member, caption in posts:
            counted.saw(account, member)
            words = tokenise(caption, self.options.text)
            counted.told[_TOKENS] += len(words)
            if words := words if known is None else [word for word in words if word in known]:
                counts.setdefault(account, Counter()).update(words)
        for account, words_of_account in counts.items():
            counted.put(account, words_of_account)
        return counted

    def values(self, total: WordCounts) -> dict[str, Numbers]:
        """Returns each account's topics, float64 and summing to 1."""
        accounts, counts = total.of(self.fitted.words)
        return dict(zip(accounts, infer_topics(self.fitted.components, counts), strict=True))

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
        write_whole(folder / COMPONENTS_FILE, _bytes(self.fitted.components))

    def _load_more(self, folder: Path) -> None:
        array = (folder / COMPONENTS_FILE).read_bytes()
        if _sha256(array) != self.fitted.components_sha256:
            raise ValueError(f"{COMPONENTS_FILE} belongs to another {self.file}")
        self.fitted.components = np.load(io.BytesIO(array), allow_pickle=False)


def _bytes(array: Numbers) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- latent Dirichlet allocation: D. Blei, A. Ng and M. Jordan, JMLR 2003, by scikit-learn, with
# --- Dirichlet priors of 1 / n_topics on both sides; one thread, since sums depend on their number


def _model(n_topics: int, **settings: Any) -> Any:
    # Imported here: it takes a second that a run without topics need not wait.
    from sklearn.decomposition import LatentDirichletAllocation

    return LatentDirichletAllocation(n_topics, learning_method="batch", n_jobs=1, **settings)


def learn_topics(counts: Counts, n_topics: int, *, max_iter: int, seed: int) -> Numbers:
    """Learns topics from account x word; returns topic x word, all positive."""
    n = counts.shape[0]
    # Steps without decay that see every account are those of `fit` to the last bit, which looks at
    # all accounts once more in the end, for a figure that nobody asks for.
    model = _model(n_topics, learning_decay=0.0, total_samples=n, batch_size=n, random_state=seed)
    for _ in range(max_iter):
        model.partial_fit(counts)
    return np.asarray(model.components_, dtype=np.float64)


def infer_topics(components: Numbers, counts: Counts) -> Numbers:
    """Infers topics from topic x word and account x word; accounts do not influence each other.

    Returns:
        Account x topic; rows are positive and sum to 1.
    """
    n_topics, n_words = components.shape
    if not counts.shape[0]:
        return np.empty((0, n_topics))
    model = _model(n_topics)
    # What a fit leaves behind and a transform reads, all of it documented by scikit-learn.
    model.components_, model.n_features_in_ = components, n_words
    model.exp_dirichlet_component_ = np.exp(
        psi(components) - psi(components.sum(axis=1, keepdims=True))
    )
    model.doc_topic_prior_ = 1 / n_topics
    return np.asarray(model.transform(counts.astype(np.float64)))


def word_shares(components: Numbers) -> Numbers:
    """Returns each topic's expected distribution over words; rows sum to 1."""
    shares: Numbers = components / components.sum(axis=1, keepdims=True)
    return shares


def top_words(components: Numbers, n_words: int = N_TOP_WORDS) -> npt.NDArray[np.int64]:
    """Returns each topic's most probable words, topic x rank; equals in the vocabulary's order."""
    return np.argsort(-components, axis=1, kind="stable")[:, :n_words]


def npmi_coherence(counts: Counts, top: npt.NDArray[np.int64]) -> Numbers:
    """Returns how much more often each topic's top words go together than by chance.

    The mean over the pairs of a topic's top words of the normalised pointwise mutual information
    ln(p(v, w) / p(v) p(w)) / -ln p(v, w) (Bouma, "Normalized (pointwise) mutual information in
    collocation extraction", GSCL 2009; as coherence: Lau, Newman and Baldwin, "Machine reading tea
    leaves", EACL 2014). Departure: probabilities are shares of accounts that use a word, and not
    of windows of an outside corpus. A pair that no account uses counts -1; a pair that all
    accounts use, which says nothing, counts 0.

    Args:
        counts: Account x word, at least one account; every top word is used by an account.
        top: Topic x rank, columns of `counts`, two ranks or more.

    Returns:
        A value in [-1, 1] for each topic.
    """
    return np.array([_npmi(counts, words) for words in top])


def _npmi(counts: Counts, words: npt.NDArray[np.int64]) -> float:
    used: Any = (counts[:, words] > 0).astype(np.float64)
    together = (used.T @ used).toarray() / counts.shape[0]
    alone = np.diag(together)
    first, second = np.triu_indices(len(words), k=1)
    joint, product = together[first, second], alone[first] * alone[second]
    values = np.where(joint == 0, -1.0, 0.0)
    telling = (joint > 0) & (joint < 1)
    values[telling] = np.log(joint[telling] / product[telling]) / -np.log(joint[telling])
    return float(values.mean())


# --- how many topics


class Trial(NamedTuple):
    """How one number of topics did.

    Attributes:
        n_topics: The number.
        perplexity: Of the held-out accounts' hidden words; lower is better.
        coherence: Mean over the topics, in [-1, 1]; told beside, the choice does not depend on it.
    """

    n_topics: int
    perplexity: float
    coherence: float


def best_number(trials: Sequence[Trial]) -> int:
    """Returns the number with the lowest perplexity, the smallest of equals."""
    return min(trials, key=lambda trial: (trial.perplexity, trial.n_topics)).n_topics


def try_numbers(counts: Counts, options: TopicOptions, *, n_jobs: int = 1) -> list[Trial]:
    """Learns topics without the held-out accounts, once for each number; one trial a number.

    Half of the held-out accounts' words, drawn at random, are hidden; their perplexity under the
    topics of the other half is the document completion of Wallach, Murray, Salakhutdinov and Mimno
    ("Evaluation methods for topic models", ICML 2009), with point estimates in place of samples.

    Args:
        counts: Account x word of the training accounts, two accounts or more with words.
        options: `held_out_share` is rounded; at least one account is held out, one learnt from.
        n_jobs: Processes, each with one number at a time; the result does not depend on it.

    Raises:
        ConversionError: The held-out accounts have too few words to hide some.
    """
    rng, n_accounts = np.random.default_rng(options.seed), counts.shape[0]
    n_held = min(max(1, round(options.held_out_share * n_accounts)), n_accounts - 1)
    order = rng.permutation(n_accounts)
    held = counts[np.sort(order[:n_held])]
    seen = held.copy()
    seen.data = rng.binomial(held.data, 0.5).astype(held.dtype)
    hidden = held - seen
    seen.eliminate_zeros()
    hidden.eliminate_zeros()
    if hidden.nnz == 0:
        raise ConversionError(
            f"Of {n_accounts} training accounts, the {n_held} held out to choose the number of "
            f"topics have too few words; raise held_out_share, or give one number as n_topics."
        )
    work = partial(_try_number, (counts[np.sort(order[n_held:])], seen, hidden), options)
    numbers = sorted(set(options.n_topics))
    return list(in_order(work, numbers, n_jobs, PROCESSES, n_alone=0))


def _try_number(
    parts: tuple[Counts, Counts, Counts], options: TopicOptions, n_topics: int
) -> Trial:
    learning, seen, hidden = parts
    components = learn_topics(learning, n_topics, max_iter=options.max_iter, seed=options.seed)
    topics, shares = infer_topics(components, seen), word_shares(components)
    perplexity = completion_perplexity(hidden, topics, shares)
    coherence = npmi_coherence(learning, top_words(components))
    return Trial(n_topics, perplexity, float(coherence.mean()))


def completion_perplexity(hidden: Counts, topics: Numbers, shares: Numbers) -> float:
    """Returns exp(-sum_aw n_aw ln p(w | a) / sum_aw n_aw), p(w | a) = sum_t topics_at shares_tw.

    Args:
        hidden: Account x word, the words that the model has not seen; one at least.
        topics: Account x topic, rows sum to 1.
        shares: Topic x word, rows sum to 1, all positive.

    Returns:
        At least 1, lower is better; a model that knows nothing has the number of words.
    """
    words = hidden.tocoo()
    likelihood = np.einsum("nt,tn->n", topics[words.row], shares[:, words.col])
    return float(np.exp(-(words.data @ np.log(likelihood)) / words.data.sum()))
