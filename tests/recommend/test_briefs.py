"""Briefs, German ones too, by a data set whose words are English; their sentences as reasons."""

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from little_data import settings

from dataset_convert.__main__ import main as convert
from dataset_convert.common.errors import UsageError
from recbole_mirec.recommend.recommender import Recommender

BRIEF = "Wir verkaufen Matten, Hanteln und Eiweißpulver für Sportler"
FIELDS = {
    "fitness": "workout squat gym protein cardio stretching",
    "beauty": "lipstick serum mascara cleanser glow skincare",
    "food": "pasta recipe oven soup garlic baking",
    "travel": "passport flight island hotel backpack sunset",
}
BIOGRAPHY = {
    "fitness": "fitness and yoga lover, mum of two",
    "beauty": "makeup and skincare lover, mum of two",
    "food": "cooking and baking lover, mum of two",
    "travel": "travel and hotel lover, mum of two",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Brands and creators of four fields; each brand works with creators of its own."""
    folder, rng = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    accounts: dict[str, list[tuple[str, str]]] = {"brands": [], "influencers": []}
    posts, pairs = [], []
    for field, words in FIELDS.items():
        for side, n in (("brands", 8), ("influencers", 24)):
            for number in range(n):
                name = f"{field}{side[0]}{number}"
                accounts[side].append((name, BIOGRAPHY[field]))
                posts += [(name, " ".join(rng.choice(words.split(), 6))) for _ in range(6)]
        for number in range(8):
            theirs = rng.choice(24, 4, replace=False)
            pairs += [(f"{field}b{number}", f"{field}i{x}") for x in theirs]
    for name, rows in accounts.items():
        table = pd.DataFrame(rows, columns=["id", "biography"])
        table.to_csv(folder / f"{name}.csv", index=False)
    pd.DataFrame(posts, columns=["account", "text"]).to_csv(folder / "posts.csv", index=False)
    table = pd.DataFrame(pairs, columns=["brand", "influencer"])
    table.to_csv(folder / "collaborations.csv", index=False)
    return folder


def trained(tables: Path, folder: Path, features: str) -> Recommender:
    """A model of the tables, with these features."""
    from recbole_mirec.experiment import run_experiment

    config = folder / "features.yaml"
    config.write_text(
        f"pseudonyms: False\nsplits: {{n_valid: 4, n_test: 4}}\nfeatures:\n{features}"
    )
    given = ["--source", "tables", "--input", str(tables), "--name", "german"]
    assert convert([*given, "--config", str(config), "--output", str(folder)]) == 0
    with contextlib.chdir(folder):
        found = run_experiment({**settings(folder, epochs=20), "dataset": "german"})
        return Recommender.load(found.run_folder)


TOPICS = "  content_topics: {extractor: lda, n_topics: 4}\n"
NO_LEXICON = "  attributes: ~\n"


def test_fitness_creators_lead_where_the_lexicon_knows_german(tables: Path, tmp_path: Path) -> None:
    lexicon = "  attributes: {extractor: lexicon, minimum_accounts: 2}\n"
    recommender = trained(tables, tmp_path, TOPICS + lexicon)
    found = recommender.recommend(recommender.brief(BRIEF), 10).frame["influencer_id"]
    assert found.str.startswith("fitness").all()
    english = recommender.recommend(recommender.brief("gym, cardio and protein. For squats."), 5)
    assert english.frame["influencer_id"].str.startswith("fitness").all()


def test_of_a_brief_in_unknown_words_nothing_is_known(tables: Path, tmp_path: Path) -> None:
    recommender = trained(tables, tmp_path, TOPICS + NO_LEXICON)
    with pytest.raises(UsageError, match=r"^Nothing is known of 'brief' that the model reads"):
        recommender.brief(BRIEF)


def test_sentences_of_a_brief_are_reasons(tables: Path, tmp_path: Path) -> None:
    text = "  content_text: {models: wordllama}\n"
    recommender = trained(tables, tmp_path, TOPICS + NO_LEXICON + text)
    said = [
        "Squats, cardio and a gym for your workout.",
        "A flight to an island, sunset and hotel!",
    ]
    brief = recommender.brief(" ".join(said))
    assert [text for text, _ in brief.sentences] == said
    for field, first in (("fitness", 0), ("travel", 1)):
        for number in range(3):
            why = recommender.explain(brief, f"{field}i{number}")
            assert sum(x.value for x in why.reasons) == pytest.approx(why.score, abs=1e-6)
            values = [x.value for text in said for x in why.reasons if text in x.name]
            assert len(values) == 2
            assert values[first] > values[1 - first]
            # the text's product is the sentences', and nothing of it is left
            (rest,) = (x.value for x in why.reasons if x.name == "what the posts say")
            assert abs(rest) < 1e-6
