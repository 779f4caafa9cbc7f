"""trials.csv: what is written is read again, plain pandas reads it, damage is named by its line."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recbole_mirec.tuning.records import (
    Trial,
    read_trials,
    trials_frame,
    value_text,
    write_trials,
)

from dataset_convert.common.errors import UsageError
from recbole_mirec.tuning.trial import DIVERGED, FAILED, FINISHED, STOPPED, Outcome

NAMES = ("learning_rate", "layers")
FIRST = Trial(
    1,
    {"learning_rate": 0.001, "layers": [64, 32]},
    Outcome(FINISHED, 0.25, {"MAP": 0.25, "MedR": 12.5}, 3, 5, 61.237, ""),
    61.5,
)
SECOND = Trial(
    2,
    {"learning_rate": 1e-05, "layers": []},
    Outcome(FAILED, seconds=0.5, reason='RuntimeError: "a", b'),
    62.126,
)
GOLDEN = """\
trial,status,score,learning_rate,layers,valid_MAP,valid_MedR,best_epoch,n_epochs,seconds,\
finished_at,reason
1,finished,0.25,0.001,"[64, 32]",0.25,12.5,3,5,61.24,61.5,
2,failed,,1e-05,[],,,0,0,0.5,62.13,"RuntimeError: ""a"", b"
"""


def test_the_file_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "study" / "trials.csv"
    write_trials(path, [SECOND, FIRST], NAMES)
    assert path.read_text() == GOLDEN
    assert [entry.name for entry in path.parent.iterdir()] == ["trials.csv"]


def test_what_was_read_is_written_the_same(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    path.write_text(GOLDEN)
    read = read_trials(path, NAMES)
    assert list(read) == [1, 2]
    assert read[1].parameters == {"learning_rate": "0.001", "layers": "[64, 32]"}
    assert read[1].outcome == Outcome(FINISHED, 0.25, {"MAP": 0.25, "MedR": 12.5}, 3, 5, 61.24, "")
    assert read[2].outcome == Outcome(FAILED, seconds=0.5, reason='RuntimeError: "a", b')
    assert (read[1].clock, read[2].clock) == (61.5, 62.13)
    write_trials(path, read.values(), NAMES)
    assert path.read_text() == GOLDEN


def test_no_file_holds_no_trial(tmp_path: Path) -> None:
    assert read_trials(tmp_path / "trials.csv", NAMES) == {}
    write_trials(tmp_path / "trials.csv", [], NAMES)
    assert read_trials(tmp_path / "trials.csv", NAMES) == {}


def test_plain_pandas_reads_it(tmp_path: Path) -> None:
    write_trials(tmp_path / "trials.csv", [FIRST, SECOND], NAMES)
    frame = pd.read_csv(tmp_path / "trials.csv")
    # text is of type str in pandas 3, objects before
    types = {name: str(kind).replace("str", "object") for name, kind in frame.dtypes.items()}
    assert types == {
        "trial": "int64",
        "status": "object",
        "score": "float64",
        "learning_rate": "float64",
        "layers": "object",
        "valid_MAP": "float64",
        "valid_MedR": "float64",
        "best_epoch": "int64",
        "n_epochs": "int64",
        "seconds": "float64",
        "finished_at": "float64",
        "reason": "object",
    }
    assert frame["learning_rate"].tolist() == [0.001, 1e-05]
    assert frame.loc[frame["score"].idxmax(), "trial"] == 1
    assert frame["reason"].isna().tolist() == [True, False]


def test_the_table_has_values_as_they_are() -> None:
    frame = trials_frame([SECOND, FIRST], NAMES)
    assert frame["trial"].tolist() == [1, 2]
    assert frame["layers"].tolist() == [[64, 32], []]
    assert frame["score"].tolist() == [0.25, None]
    assert frame["valid_MedR"].tolist() == [12.5, None]
    assert trials_frame([], NAMES).columns.tolist() == [
        *("trial", "status", "score", "learning_rate", "layers"),
        *("best_epoch", "n_epochs", "seconds", "finished_at", "reason"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1.0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (5e-324, "5e-324"),
        (True, "true"),
        (None, "null"),
        ("adam", "adam"),
        ("", ""),
        ("a, 'b' \"c\"", "a, 'b' \"c\""),
        ([64, "a", 0.5, None], '[64, "a", 0.5, null]'),
        ({"content": 4.0}, '{"content": 4.0}'),
    ],
)
def test_how_a_value_is_told(value: Any, text: str) -> None:
    assert value_text(value) == text


# without lone surrogates, which no UTF-8 file can hold, and lone carriage returns
words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8
) | st.sampled_from(
    ["", ",", '"', "\n", "\r\n", "a\nb", " a ", "NaN", "null", "1", "\x00", "\ufeff", "'"]
)
numbers = st.floats(allow_nan=False) | st.integers(-(2**70), 2**70)
simple = st.none() | st.booleans() | numbers | words
values = simple | st.lists(simple, max_size=3)
lines = words.map(lambda text: " ".join(text.split()))
metrics = st.dictionaries(
    st.sampled_from(["MAP", "MedR", "unseen_R@10", "paper_auc"]), st.floats(allow_nan=False)
)
outcomes = st.builds(
    Outcome,
    status=st.sampled_from([FINISHED, STOPPED, DIVERGED, FAILED]),
    score=st.none() | st.floats(allow_nan=False),
    metrics=metrics,
    best_epoch=st.integers(0, 10**6),
    n_epochs=st.integers(0, 10**6),
    seconds=st.integers(0, 10**6).map(lambda hundredths: hundredths / 100),
    reason=lines,
)
trials = st.builds(
    Trial,
    number=st.integers(1, 10**6),
    parameters=st.fixed_dictionaries({"learning_rate": values, "layers": values}),
    outcome=outcomes,
    clock=st.integers(0, 10**7).map(lambda hundredths: hundredths / 100),
)


@given(st.lists(trials, max_size=5, unique_by=lambda trial: trial.number))
def test_every_value_comes_back(
    tmp_path_factory: pytest.TempPathFactory, some: list[Trial]
) -> None:
    path = tmp_path_factory.mktemp("records") / "trials.csv"
    write_trials(path, some, NAMES)
    content = path.read_bytes()
    read = read_trials(path, NAMES)
    assert list(read) == sorted(trial.number for trial in some)
    for trial in some:
        found = read[trial.number]
        assert found.outcome == trial.outcome
        assert found.clock == trial.clock
        assert found.parameters == {
            name: value_text(value) for name, value in trial.parameters.items()
        }
    write_trials(path, read.values(), NAMES)
    assert path.read_bytes() == content


@given(st.floats(allow_nan=False))
def test_a_score_comes_back_to_the_last_bit_through_pandas(
    tmp_path_factory: pytest.TempPathFactory, score: float
) -> None:
    path = tmp_path_factory.mktemp("records") / "trials.csv"
    write_trials(path, [Trial(1, {"a": score}, Outcome(FINISHED, score, {"MAP": score}), 0.0)], "a")
    frame = pd.read_csv(path)
    assert (frame["score"][0], frame["a"][0], frame["valid_MAP"][0]) == (score,) * 3


def test_a_metric_that_is_nan_stays_nan(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    outcome = Outcome(FINISHED, 0.5, {"MAP": 0.5, "cAUC": math.nan})
    write_trials(path, [Trial(1, {}, outcome, 0.0)], ())
    assert math.isnan(read_trials(path, ())[1].outcome.metrics["cAUC"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1,finished", "1,done", "line 2: unknown status 'done'"),
        ("2,failed", "two,failed", r"line 3: invalid literal for int\(\) .* 'two'"),
        ("2,failed", "1,failed", "line 3: its number 1 stands twice or is below 1"),
        ("1,finished", "0,finished", "line 2: its number 0 stands twice or is below 1"),
        ("finished,0.25", "finished,much", "line 2: could not convert string to float: 'much'"),
        (",12.5,3,5", ",many,3,5", "line 2: could not convert string to float: 'many'"),
        ("12.5,3,5", "12.5,,5", r"line 2: invalid literal for int\(\)"),
        ("61.5,\n", "61.5\n", "line 2: it has more or fewer values than"),
        ("61.5,\n", "61.5,,\n", "line 2: it has more or fewer values than"),
        ("1,finished", "1", "line 2: it has more or fewer values than"),
        ("trial,status", "trial,state", "line 1: column 'status' is missing"),
        (",layers", ",depth", "line 1: column 'layers' is missing"),
        ("finished_at", "finished", "line 1: column 'finished_at' is missing"),
        (GOLDEN, "", "line 1: column 'trial' is missing"),
        (GOLDEN.splitlines()[0] + "\n", "", "line 1: column 'trial' is missing"),
        ('"RuntimeError: ""a"", b"\n', '"RuntimeError', "line 3: unexpected end of data"),
        # a value over several lines counts as many
        ('"[64, 32]"', '"[64,\n\n32]"', None),
    ],
)
def test_a_damaged_file_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, message: str | None
) -> None:
    path = tmp_path / "trials.csv"
    assert GOLDEN.count(old) == 1
    text = GOLDEN.replace(old, new)
    if message is None:
        text, message = text.replace("2,failed", "2,filed"), "line 5: unknown status 'filed'"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"trials.csv', {message}.* changed by hand; put it back"):
        read_trials(path, NAMES)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_bytes(GOLDEN.encode() + b"\xff")
    with pytest.raises(UsageError, match=r"trials.csv' cannot be read: 'utf-8' codec .* --results"):
        read_trials(tmp_path / "trials.csv", NAMES)
