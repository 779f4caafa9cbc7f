"""What a brand's shortlist says of itself."""

from pathlib import Path
from typing import Any

import pytest
from little_data import settings

from dataset_convert.atomic import write_atomic
from dataset_convert.synthesize import generate
from recbole_mirec.cli import format_shortlist
from recbole_mirec.experiment import prepare, run_experiment
from recbole_mirec.recommend import Shortlist, shortlist
from recbole_mirec.runs import read_run

NO_SIGNAL = "A new brand has none, so it has no signal here and lands at chance."
NO_TOPICS = "it has no use for topic vectors or label weights."


def found(folder: Path, model: str, part: str, **changes: Any) -> Shortlist:
    """The shortlist of a model for the first brand of a part."""
    given = settings(folder, model, epochs=1, **changes)
    experiment = prepare(given)
    brand = experiment.dataset.pairs[part][0, 0]
    name = experiment.dataset.id2token("brand_id", brand)
    run = run_experiment(given)
    return shortlist(read_run(run.run_folder), str(name), top=3)


@pytest.mark.parametrize(
    ("model", "part", "notes"),
    [
        (
            "MIRec",
            "test",
            ["the sum of the perspectives' scores, unbounded; 0 is an average influencer"],
        ),
        (
            "Cosine",
            "test",
            ["the sum of the perspectives' similarities as z-scores, 0 an average pair"],
        ),
        (
            "CategoryOracle",
            "test",
            [
                "LEAKED: 1 for an influencer of the brand's category, plus Cosine's score squeezed "
                "into 0 to 1",
                "no baseline and compare with nothing.",
            ],
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
def test_a_shortlist_says_what_it_is(
    workplace: Path, model: str, part: str, notes: list[str]
) -> None:
    made = found(workplace, model, part)
    lines = format_shortlist(made).split("\n")
    assert lines[0].startswith(f"{made.brand}: the best 3 of {made.n_candidates} influencers ")
    assert lines[0].endswith(f", by {model} on mirec-tiny (synthetic data)")
    assert len(lines) == 1 + 4 + len(notes) + 2
    said = [line for line in lines if line.startswith("Note: ")]
    assert said[0] == f"Note: score: {notes[0]}; comparable within one brand only"
    for line, note in zip(said[1:], notes[1:], strict=True):
        assert line.endswith(note)


def test_a_known_brand_has_signal(workplace: Path) -> None:
    made = found(workplace, "BPR", "test", protocol="known-brand")
    assert len(made.notes) == 1


def test_data_that_are_not_synthetic_are_not_called_so(workplace: Path, tmp_path: Path) -> None:
    data = generate("mirec-tiny")
    data.manifest["synthetic"] = False
    write_atomic(data, tmp_path / "mirec-tiny")
    made = found(tmp_path, "Random", "test")
    assert "synthetic" not in format_shortlist(made)
