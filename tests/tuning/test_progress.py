"""What a person sees while a study runs, line by line, under a clock of our own."""

import io
from pathlib import Path
from typing import Any

import pytest
from recbole_mirec.tuning.hyper_tuning import MirecHyperTuning
from recbole_mirec.tuning.local_jobs import Proposals, Report
from recbole_mirec.tuning.plan import StudyPlan
from recbole_mirec.tuning.progress import Progress, duration
from recbole_mirec.tuning.search import Proposal

from recbole_mirec.tuning import progress
from recbole_mirec.tuning.space import space_from_dict
from recbole_mirec.tuning.trial import DIVERGED, FAILED, FINISHED, STOPPED, Outcome

SPACE = space_from_dict({"choice": {"size": [8, 16, 24, 32, 40], "layers": ["[64,32]"]}})
PLAN = StudyPlan({"model": "BPR", "valid_metric": "MAP"}, SPACE, "exhaustive")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its one entry."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "time", lambda: now[0])
    return now


def shown(
    clock: list[float],
    outcomes: list[Outcome],
    *,
    deadline: float | None = None,
    plan: StudyPlan = PLAN,
    **changes: Any,
) -> list[str]:
    """The lines of a study whose trials follow each other and take what their outcomes say."""
    stream = io.StringIO()
    lines = Progress(plan, deadline, stream)

    def driver(search: Proposals, report: Report) -> None:
        while (proposal := search.propose()) is not None:
            outcome = outcomes[proposal.number - 1]
            clock[0] += outcome.seconds
            report(proposal.number, proposal.parameters, outcome)

    def on_trial(proposal: Proposal, outcome: Outcome, stored: bool) -> None:
        if not stored:
            lines.trial_ended(tuning, proposal, outcome)

    given: dict[str, Any] = {"space": plan.space, "algo": "exhaustive", "bigger": True}
    tuning = MirecHyperTuning(driver=driver, on_trial=on_trial, **given | changes)
    tuning.run()
    return stream.getvalue().splitlines()


FIVE = [
    Outcome(FAILED, seconds=4.4, reason="RuntimeError: out of memory"),
    Outcome(FINISHED, 0.25, seconds=15.6),
    Outcome(DIVERGED, seconds=10.0, reason="the loss is NaN"),
    Outcome(STOPPED, 0.31256, seconds=30.0, reason="by ASHA"),
    Outcome(FINISHED, 0.3, seconds=100.0),
]


def test_every_line_of_a_study(clock: list[float]) -> None:
    assert shown(clock, FIVE) == [
        "trial 1/5: failed: RuntimeError: out of memory in 4 s (no score yet); 18 s left"
        " | size=8, layers=[64, 32]",
        "trial 2/5: MAP 0.2500 in 16 s (best 0.2500, trial 2); 30 s left"
        " | size=16, layers=[64, 32]",
        "trial 3/5: diverged: the loss is NaN in 10 s (best 0.2500, trial 2); 20 s left"
        " | size=24, layers=[64, 32]",
        "trial 4/5: MAP 0.3126 (stopped) in 30 s (best 0.3126, trial 4); 15 s left"
        " | size=32, layers=[64, 32]",
        "trial 5/5: MAP 0.3000 in 100 s (best 0.3126, trial 4) | size=40, layers=[64, 32]",
    ]


def test_smaller_is_better_and_a_best_of_nothing(clock: list[float]) -> None:
    plan = StudyPlan({"model": "BPR", "valid_metric": "MedR"}, SPACE, "exhaustive")
    outcomes = [Outcome(FINISHED, score, seconds=1.0) for score in (3.0, 0.0, 1.0, 2.0, 0.0)]
    lines = shown(clock, outcomes, plan=plan, bigger=False)
    assert [line.split(" in ")[0] for line in lines] == [
        f"trial {n}/5: MedR {score:.4f}" for n, score in enumerate((3, 0, 1, 2, 0), start=1)
    ]
    assert [line.partition("(")[2].partition(")")[0] for line in lines] == [
        "best 3.0000, trial 1",
        *["best 0.0000, trial 2"] * 4,
    ]


def test_the_time_left_ends_with_the_deadline(clock: list[float]) -> None:
    # 10 s a trial; the study's time ends 25 s after its start
    outcomes = [Outcome(FINISHED, 0.5, seconds=10.0)] * 5
    lines = shown(clock, outcomes, deadline=1025.0)
    assert [line.split(")")[1].split(" |")[0] for line in lines] == [
        *("; 15 s left", "; 5 s left", "", "", "")
    ]
    # and the trials may end before it
    clock[0] = 1000.0
    lines = shown(clock, outcomes, deadline=9000.0)
    assert [line.split(")")[1].split(" |")[0] for line in lines] == [
        *("; 40 s left", "; 30 s left", "; 20 s left", "; 10 s left", "")
    ]


def test_without_any_end_there_is_no_time_left(clock: list[float]) -> None:
    space = space_from_dict({"uniform": {"rate": [0.5, 0.500001]}})
    plan = StudyPlan({"valid_metric": "MAP"}, space, "random")
    changes: dict[str, Any] = {"plan": plan, "algo": "random", "early_stop": 1}
    outcomes = [Outcome(FINISHED, score, seconds=60.0) for score in (0.5, 0.6, 0.1)]
    starts = [
        "trial 1: MAP 0.5000 in 60 s (best 0.5000, trial 1) | rate=0.500",
        "trial 2: MAP 0.6000 in 60 s (best 0.6000, trial 2) | rate=0.500",
        # now the end is known
        "trial 3/3: MAP 0.1000 in 60 s (best 0.6000, trial 2) | rate=0.500",
    ]
    for line, start in zip(shown(clock, outcomes, **changes), starts, strict=True):
        assert line.startswith(start)
    # the study's time is an end as well
    clock[0] = 1000.0
    lines = shown(clock, outcomes, deadline=1000.0 + 7200, **changes)
    assert "; 2.0 h left |" in lines[0]


def test_a_continued_study_reckons_with_what_it_ran_itself(clock: list[float]) -> None:
    stored = {n: Outcome(FINISHED, 0.1 * n, seconds=5000.0) for n in (1, 2, 4)}
    outcomes = [Outcome(FINISHED, 0.0, seconds=20.0)] * 5
    assert shown(clock, outcomes, stored=stored) == [
        "trial 3/5: MAP 0.0000 in 20 s (best 0.2000, trial 2); 40 s left"
        " | size=24, layers=[64, 32]",
        "trial 5/5: MAP 0.0000 in 20 s (best 0.4000, trial 4) | size=40, layers=[64, 32]",
    ]


def test_where_a_study_stands(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    Progress(PLAN, stream=stream).begin(Path("saved/tuning/x"), 0)
    assert stream.getvalue() == "Study: saved/tuning/x\n"
    Progress(PLAN).begin(Path("saved/tuning/x"), 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Study: saved/tuning/x\nGoing on after 3 trials that have ended.\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0 s"), (0.4, "0 s"), (59.6, "60 s"), (89.9, "90 s"), (90, "2 min")),
        *((151, "3 min"), (3600, "60 min"), (5399, "90 min"), (5400, "1.5 h")),
        *((36000, "10.0 h"), (100000, "27.8 h")),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
