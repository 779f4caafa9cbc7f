"""`--predict` for models that `Recommender` does not serve: what a list and its file say."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from little_data import settings

from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import read_csv
from recbole_mirec.experiment import prepare, run_experiment
from recbole_mirec.recommend import shortlist as room
from recbole_mirec.recommend.shortlist import file_name, shortlist
from recbole_mirec.runs import Run, read_run

NO_SIGNAL = "A new brand has none, so it has no signal here and lands at chance."
PERSPECTIVES = ("content", "audience", "attribute")
NO_TOPICS = "it has no use for topic vectors or label weights."
Runs = Callable[..., Run]


@pytest.fixture(scope="module")
def run_of(workplace: Path) -> Runs:
    """A finished run of a model; the same for the same settings."""

    @cache
    def run(model: str, folder: Path = workplace, **changes: Any) -> Run:
        return read_run(run_experiment(settings(folder, model, epochs=1, **changes)).run_folder)

    return run


def found(run: Run, part: str, top: int = 3) -> tuple[list[str], set[str]]:
    """The lines of the list for the first brand of a part, and the brand's known partners."""
    dataset = prepare(run.record["settings"], run_folder=run.folder).dataset
    brand = dataset.pairs[part][0, 0]
    pairs = np.concatenate(list(dataset.pairs.values()))
    partners = dataset.id2token("influencer_id", pairs[pairs[:, 0] == brand, 1])
    lines = shortlist(run, str(dataset.id2token("brand_id", brand)), top=top).split("\n")
    return lines, set(map(str, partners))


def candidates(title: str) -> int:
    """How many influencers a list is of."""
    match = re.search(r": the best \d+ of (\d+) influencers, by ", title)
    assert match
    return int(match[1])


@pytest.mark.parametrize(
    ("model", "part", "notes"),
    [
        ("Cosine", "test", ["the sum of the perspectives' similarities as z-scores, 0 an average"]),
        (
            "CategoryOracle",
            "test",
            ["LEAKED: 1 for an influencer of the brand's category", "and compare with nothing."],
        ),
        ("BPR", "train", ["the model's own"]),
        (
            "BPR",
            "test",
            ["the model's own", f"BPR learns from past collaborations only. {NO_SIGNAL}"],
        ),
        ("FM", "test", ["the model's own", NO_TOPICS]),
    ],
)
def test_a_shortlist_says_what_it_is(run_of: Runs, model: str, part: str, notes: list[str]) -> None:
    lines, partners = found(run_of(model), part, top=10**6)
    table = read_csv(Path(lines[-1].removeprefix("Written to ")))
    assert len(table) == candidates(lines[0])
    assert not partners & set(table["influencer_id"])
    assert lines[0].endswith(f", by {model} on mirec-tiny (synthetic data)")
    said = [line for line in lines if line.startswith("Note: ")]
    assert said[0].startswith(f"Note: score: {notes[0]}")
    assert said[0].endswith("; comparable within one brand only")
    for line, note in zip(said[1:-2], notes[1:], strict=True):
        assert line.endswith(note)
    assert said[-2] == f"Note: {len(partners)} known partners of the brand are left out"
    assert said[-1].endswith("candidates, fewer than the 1000000 asked for")


def test_the_published_variants_are_explained_as_well(run_of: Runs) -> None:
    lines, partners = found(run_of("MIRec", variant="reference"), "test")
    assert candidates(lines[0]) > 200
    assert lines[1].split() == [*("rank", "influencer_id", "score"), *PERSPECTIVES, "followers"]
    assert [line for line in lines if line.startswith("1. influencer_")]
    assert f"Note: {len(partners)} known partners of the brand are left out" in lines


def test_a_known_brand_has_signal(run_of: Runs) -> None:
    lines, _ = found(run_of("BPR", protocol="known-brand"), "test")
    assert not any(NO_SIGNAL in line for line in lines)


def test_data_that_are_not_synthetic_are_not_called_so(
    run_of: Runs, tiny: AtomicData, tmp_path: Path
) -> None:
    manifest = {**tiny.manifest, "synthetic": False}
    write_atomic(replace(tiny, manifest=manifest), tmp_path / "mirec-tiny")
    assert "synthetic" not in "".join(found(run_of("Random", tmp_path), "test")[0])


def test_ties_at_the_end_are_said(run_of: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(*given: Any, **_named: Any) -> Any:
        made = np.zeros((1, len(given[3])))
        made[0, 5] = 1.0
        return made

    monkeypatch.setattr(room, "score_matrix", scores)
    lines, _ = found(run_of("BPR"), "train")
    assert lines[-3] == (
        f"Note: {candidates(lines[0]) - 1} candidates share the last score, of whom 2 are shown; "
        f"which ones says nothing"
    )
    assert not any("share" in line for line in found(run_of("BPR"), "train", top=1)[0])


def test_users_of_other_data_sets_are_found_or_refused(tmp_path: Path, run_of: Runs) -> None:
    rows = [f"u{user}\ti{(user * step) % 31}" for user in range(12) for step in range(1, 12)]
    (tmp_path / "few").mkdir()
    text = "\n".join(["user_id:token\titem_id:token", *dict.fromkeys(rows)])
    (tmp_path / "few/few.inter").write_text(f"{text}\n")
    run = run_of("Pop", tmp_path, dataset="few")
    path = Path(shortlist(run, "u3", top=2).rpartition("Written to ")[2])
    assert path.name == "u3.csv"
    assert read_csv(path)["influencer_id"].str.startswith("i").all()
    with pytest.raises(UsageError, match=r"Unknown brand 'u33' in data set few\. Did you mean"):
        shortlist(run, "u33", top=2)
    with pytest.raises(UsageError, match=r"Unknown brand '\[PAD\]' in data set few\."):
        shortlist(run, "[PAD]", top=2)


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
@example(["Nike", "nike"])
@example(["a b", "a_b"])
@example(["é", "e\u0301"])
@example(["con", "CON"])
@example(["a" * 300, "a" * 299 + "b"])
@example(["straße", "strasse"])
def test_no_two_brands_share_a_file(brands: list[str]) -> None:
    one, other = (unicodedata.normalize("NFKD", file_name(brand)).casefold() for brand in brands)
    assert one != other
    for name in map(file_name, brands):
        assert not set(name) & set('<>:"/\\|?*. ')
        assert name.isprintable()
        assert len(name.encode()) <= 200
        assert name not in ("con", "prn", "aux", "nul")


def test_file_names_stay_readable() -> None:
    brands = ["brand_001", "Nike", "l'oréal", "東京", "a/b"]
    assert [file_name(brand).partition("~")[0] for brand in brands] == [
        *("brand_001", "Nike", "l_oréal", "東京", "a_b")
    ]
    assert [len(file_name(brand)) for brand in brands[:2]] == [9, 21]
