"""Whether the first reason of a list names why the pair exists: mirec-demo, whose generator knows.

    python benchmarks/reasons.py [FOLDER]

Trains MIRec by its default settings on `mirec-demo` (synthetic), and once more with the training
partners shuffled among the brands, in FOLDER, or in a folder that is not kept; about six minutes.
Of all brands that training did not see, the true pairs that rank in the first ten among all
influencers count. Their top reason is the largest positive contribution that has a name, of
`Explanation.reasons`: not hubness, the average, and texts as a whole. It names the planted cause

- as a topic, label or attribute, if it is of the niche that both like best of that vocabulary;
- as a precedent's brand, if that is of the kind that goes with her, as the brand itself is;
- of pairs that `causes.csv` calls rivals, only as a brand of the same category that has her, too.

Chance is the same with the causes permuted among the pairs.
"""

import argparse
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import read_atomic, write_atomic
from dataset_convert.synthetic import DEFAULT_SEED, SPECS, write_synthetic
from dataset_convert.synthetic.material import plant
from dataset_convert.synthetic.population import RIVALS
from dataset_convert.synthetic.posts import topic_word_lists
from recbole_mirec.experiment import run_experiment
from recbole_mirec.nn.fitted import PRECEDENT
from recbole_mirec.recommend.reasons import Reason
from recbole_mirec.recommend.recommender import Recommender

DEMO, MOST_RANK, N_PERMUTED = "mirec-demo", 10, 1000
SHOWN_BY = {
    modality: perspective
    for perspective, modalities in schema.PERSPECTIVES.items()
    for modality in modalities
    if modality not in schema.TEXT_MODALITIES and modality != schema.ATTRIBUTE_VECTOR
}


@dataclass(frozen=True)
class Pair:
    """A true pair: its accounts, and its cause as `causes.csv` has it."""

    brand: str
    influencer: str
    cause: str


class Causes:
    """What the generator knows of each pair."""

    def __init__(self, table: pd.DataFrame):
        self.planted = plant(SPECS[DEMO], DEFAULT_SEED)
        columns = [*schema.ACCOUNT_ID.values(), "cause"]
        self.pairs = [Pair(*row) for row in table[columns].itertuples(index=False)]
        self.known = {(x.brand, x.influencer) for x in self.pairs}

    def named(self, reason: Reason, pair: Pair) -> bool:
        """Whether a reason names why a pair exists."""
        people = self.planted.population
        brand, influencer = _number(pair.brand), _number(pair.influencer)
        if reason.modality == PRECEDENT:
            other = _number(reason.name)
            if pair.cause == RIVALS:
                category = people.brand_category
                shared = (reason.name, pair.influencer) in self.known
                return shared and category[other] == category[brand]
            kinds = people.brand_kind[[other, brand]], people.influencer_kind[influencer]
            return bool((kinds[0] == kinds[1]).all())
        if pair.cause == RIVALS:
            return False
        return self.niche(reason.modality, reason.name) == self.meeting(
            reason.modality, brand, influencer
        )

    @cache  # noqa: B019 - lives as long as the process
    def meeting(self, modality: str, brand: int, influencer: int) -> int:
        """The niche that both like best."""
        return self.planted.meeting(SHOWN_BY[modality], modality, brand, influencer)

    @cache  # noqa: B019
    def niche(self, modality: str, name: str) -> int:
        """The niche of a topic by its words, or of a label or attribute by its name."""
        vocabularies = [speaker.words for speaker in self.planted.speakers[modality]]
        if modality in schema.TOPIC_MODALITIES:
            said, words = set(name.split(", ")), topic_word_lists()
            common = [len(said & set(words[x])) for x in vocabularies[0].names]
            return int(vocabularies[0].niche[int(np.argmax(common))])
        niches = {
            _plain(word): int(niche)
            for vocabulary in vocabularies
            for word, niche in zip(vocabulary.names, vocabulary.niche, strict=True)
        }
        return niches.get(_plain(name), -1)


def _number(account: str) -> int:
    return int(account.rpartition("_")[2]) - 1


def _plain(name: str) -> str:
    return name.removeprefix("scene:").replace("_", " ").replace("-", " ")


def shuffled(source: Path, folder: Path) -> None:
    """Write the data set once more, each training partner handed to another brand."""
    data, ids = read_atomic(source, DEMO), list(schema.ACCOUNT_ID.values())
    parts = dict(data.splits["new-brand"])
    drawn = np.random.default_rng(0).permutation(parts[schema.TRAIN][ids[1]])
    parts[schema.TRAIN] = parts[schema.TRAIN].assign(**{ids[1]: drawn}).drop_duplicates(ids)
    pairs = pd.concat(parts.values()).sort_values(ids, ignore_index=True)
    write_atomic(replace(data, interactions=pairs, splits={"new-brand": parts}), folder)


def trained(folder: Path) -> Recommender:
    """A model of the data set in `folder`, trained by default settings."""
    with contextlib.chdir(folder):
        settings = {"model": "MIRec", "dataset": DEMO, "data_path": str(folder)}
        return Recommender.load(run_experiment(settings).run_folder)


def ranked_first(recommender: Recommender, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of brands new to the model that rank in its first ten."""
    learnt, found = set(recommender.bundle.about["precedents"]), []
    places = {name: row for row, name in enumerate(recommender.influencers)}
    for brand in sorted({x.brand for x in pairs} - learnt):
        scores = recommender.shares(recommender.account(brand)).sum(axis=1)
        own = [x for x in pairs if x.brand == brand]
        found += [x for x in own if (scores > scores[places[x.influencer]]).sum() < MOST_RANK]
    return found


def rate(right: Callable[[int, int], float], n: int) -> str:
    """The mean over pairs, and chance: the mean and spread over permutations of the causes."""
    rng, values = np.random.default_rng(0), np.zeros((n, n))
    for reason, cause in np.ndindex(n, n):
        values[reason, cause] = right(reason, cause)
    chance = [values[np.arange(n), rng.permutation(n)].mean() for _ in range(N_PERMUTED)]
    own = np.diag(values).mean()
    return f"{own:.3f}, by chance {np.mean(chance):.3f} +- {np.std(chance):.3f}"


def tell(title: str, recommender: Recommender, pairs: Sequence[Pair], causes: Causes) -> None:
    """Print how often the top reasons name the causes, and what share of all terms does."""
    why = [recommender.explain(x.brand, x.influencer, name_others=True) for x in pairs]
    print(f"{title}: {len(pairs)} true pairs")
    tops = [x.top for x in why]
    kinds = pd.Series([x.modality for x in tops if x]).value_counts()
    print("  top reasons are of", ", ".join(f"{name} {n}" for name, n in kinds.items()))

    def top_is_right(reason: int, cause: int) -> float:
        top = tops[reason]
        return float(top is not None and causes.named(top, pairs[cause]))

    print(f"  the top reason names the cause: {rate(top_is_right, len(pairs))}")
    families: dict[str, Callable[[Reason], bool]] = {
        "learnt terms": lambda x: x.modality != PRECEDENT,
        "precedents": lambda x: x.modality == PRECEDENT,
    }
    for name, of_family in families.items():
        terms = [[x for x in one.reasons if one.names(x) and of_family(x)] for one in why]

        def share(reason: int, cause: int, terms: list[list[Reason]] = terms) -> float:
            named = [x.value for x in terms[reason] if causes.named(x, pairs[cause])]
            return sum(named) / max(sum(x.value for x in terms[reason]), 1e-30)

        print(f"  share of {name} that names the cause: {rate(share, len(pairs))}")


@contextlib.contextmanager
def workplace(folder: Path | None) -> Iterator[Path]:
    """The folder, or one that is not kept."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def main() -> None:
    """Train both models, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    with workplace(parser.parse_args().folder) as folder:
        true, wrong = folder / "true", folder / "shuffled"
        for place in (true, wrong):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        write_synthetic(DEMO, true / DEMO)
        shuffled(true / DEMO, wrong / DEMO)
        causes = Causes(pd.read_csv(true / DEMO / "causes.csv"))
        recommender = trained(true)
        pairs = ranked_first(recommender, causes.pairs)
        tell("trained on mirec-demo (synthetic)", recommender, pairs, causes)
        tell("trained on shuffled pairs, the same pairs", trained(wrong), pairs, causes)


if __name__ == "__main__":
    main()
