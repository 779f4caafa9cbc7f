"""A study's folder: one study, one process, told in words what does not fit."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from recbole_mirec.tuning.plan import StudyPlan
from recbole_mirec.tuning.records import Trial
from recbole_mirec.tuning.study_folder import StudyFolder, clear_checkpoints

from dataset_convert.common.errors import UsageError
from recbole_mirec.runs import versions
from recbole_mirec.trainer import BEST, LAST
from recbole_mirec.tuning.space import space_from_dict
from recbole_mirec.tuning.trial import FINISHED, Outcome

SETTINGS = {"model": "BPR", "dataset": "little", "protocol": "new-brand", "seed": 1}
SPACE = {"choice": {"size": [8, 16]}, "uniform": {"rate": [0, 0.5]}}


def identity(
    settings: Mapping[str, Any] = SETTINGS,
    space: Mapping[str, Any] = SPACE,
    data: str = "abc",
    **changes: Any,
) -> dict[str, Any]:
    plan = StudyPlan(
        **{"settings": settings, "algorithm": "bayes"} | changes, space=space_from_dict(space)
    )
    return plan.identity(data)


@pytest.fixture
def place(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "tuning" / "study", ("size", "rate"))


def claim(place: StudyFolder, who: Mapping[str, Any] | None = None) -> None:
    with place.claimed(identity() if who is None else who):
        pass


def refusal(place: StudyFolder, who: Mapping[str, Any] | None = None) -> str:
    before = {path: path.read_bytes() for path in place.path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError) as error:
        claim(place, who)
    before.setdefault(place.path / ".lock", b"")
    after = {path: path.read_bytes() for path in place.path.rglob("*") if path.is_file()}
    assert after.items() <= before.items()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_new_folder_says_what_the_study_is(place: StudyFolder) -> None:
    claim(place)
    content = json.loads((place.path / "study.json").read_text())
    assert content == {"identity": identity(), "versions": versions()}
    assert {path.name for path in place.path.iterdir()} == {"study.json", ".lock"}
    before = (place.path / "study.json").read_bytes()
    claim(place)
    assert (place.path / "study.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": SETTINGS | {"seed": 2}}, "its seed is 1, not 2"),
        ({"settings": SETTINGS | {"model": "FM", "seed": 2}}, "its model is 'BPR', not 'FM'"),
        ({"settings": SETTINGS | {"epochs": 5}}, "its epochs is unset, not 5"),
        ({"settings": SETTINGS | {"threshold": None}}, "its threshold is unset, not None"),
        (
            {"settings": {"model": "BPR", "dataset": "little", "protocol": "new-brand"}},
            "its seed is 1, not unset",
        ),
        (
            {"space": {"choice": {"size": [8]}}},
            "its space is size choice [8, 16], rate uniform [0, 0.5], not size choice [8]",
        ),
        ({"algorithm": "random"}, "its algorithm is 'bayes', not 'random'"),
        ({"early_stop": 4}, "its early_stop is None, not 4"),
        ({"scheduler": "asha"}, "its scheduler is 'none', not 'asha'"),
        ({"jobs": 2}, "its jobs is 1, not 2"),
        ({"data": "xyz"}, "the data set's files have changed since"),
        # the first of several
        ({"data": "xyz", "algorithm": "random"}, "its algorithm is 'bayes', not 'random'"),
    ],
)
def test_another_study_is_told_in_words(
    place: StudyFolder, changes: dict[str, Any], words: str
) -> None:
    claim(place)
    message = refusal(place, identity(**changes))
    assert message == (
        f"'{place.path}' holds another study: {words}. "
        "Name another folder with --results, or leave --results out."
    )


@pytest.mark.parametrize(
    "changes",
    [
        *({"max_trials": 9}, {"minutes": 3.0}, {"keep": 2}, {"tool": "ray"}, {"command": "x"}),
        {"settings": SETTINGS | {"show_progress": True, "state": "INFO", "gpu_id": ""}},
        {"settings": dict(reversed(SETTINGS.items()))},
    ],
)
def test_a_study_may_be_extended_and_shown_otherwise(
    place: StudyFolder, changes: dict[str, Any]
) -> None:
    claim(place)
    written = (place.path / "study.json").read_bytes()
    claim(place, identity(**changes))
    assert (place.path / "study.json").read_bytes() == written


def test_a_folder_with_other_content_is_left_alone(place: StudyFolder) -> None:
    place.path.mkdir(parents=True)
    claim(place)
    for name in ("thesis.tex", ".hidden"):
        other = StudyFolder(place.path.parent / name, place.parameters)
        other.path.mkdir()
        (other.path / name).write_text("content")
        message = refusal(other)
        assert message.startswith(f"'{other.path}' is no folder of a study: it has other content")
        assert "Name another folder" in message
        assert [path.name for path in other.path.iterdir()] == [name]


def test_a_file_in_the_folders_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("content")
    message = refusal(StudyFolder(tmp_path / "notes", ()))
    assert "is no folder of a study" in message
    assert (tmp_path / "notes").read_text() == "content"


def test_what_a_killed_process_left_is_cleared(place: StudyFolder) -> None:
    # killed while it wrote the very first file
    place.path.mkdir(parents=True)
    (place.path / ".lock").touch()
    (place.path / ".study.json.123.part").write_text("{")
    claim(place)
    assert {path.name for path in place.path.iterdir()} == {"study.json", ".lock"}
    (place.path / ".trials.csv.124.part").write_text("trial,")
    (place.path / "notes.part").write_text("not ours")
    claim(place)
    names = {path.name for path in place.path.iterdir()}
    assert names == {"study.json", ".lock", "notes.part"}


HOLDER = """
import json, sys
from pathlib import Path
from recbole_mirec.tuning.study_folder import StudyFolder
with StudyFolder(Path(sys.argv[1]), ()).claimed(json.loads(sys.argv[2])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time(place: StudyFolder) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place.path), json.dumps(identity())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    (place.path / ".trials.csv.9.part").write_text("half")
    message = refusal(place)
    assert message == (
        f"Another process works on the study in '{place.path}'; wait for it, or name another "
        "folder with --results."
    )
    assert (place.path / ".trials.csv.9.part").exists()
    process.kill()
    process.communicate()
    claim(place)


def test_the_lock_is_given_back_after_an_error(place: StudyFolder) -> None:
    with pytest.raises(RuntimeError), place.claimed(identity()):
        raise RuntimeError
    claim(place)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:20], "JSONDecodeError"),
        (lambda text: "", "JSONDecodeError"),
        (lambda text: "[]", "TypeError"),
        (lambda text: "{}", "KeyError('identity')"),
        (lambda text: '{"identity": 3}', "TypeError"),
        (lambda text: text.replace('"early_stop"', '"early"'), "KeyError('early_stop')"),
        (lambda text: text.replace('"settings": {', '"settings": 4, "x": {'), "TypeError"),
        (lambda text: text.replace('"kind"', '"sort"'), "KeyError('kind')"),
    ],
)
def test_a_broken_description_is_named(
    place: StudyFolder, damage: Callable[[str], str], words: str
) -> None:
    claim(place)
    path = place.path / "study.json"
    path.write_text(damage(path.read_text()))
    message = refusal(place)
    assert message.startswith(f"'{path}' cannot be read: {words}")
    assert "Name another folder with --results" in message


def test_a_description_that_is_no_text_is_named(place: StudyFolder) -> None:
    claim(place)
    (place.path / "study.json").write_bytes(b"\xff\xfe")
    assert "study.json' cannot be read: UnicodeDecodeError" in refusal(place)


def trial(number: int, **parameters: Any) -> Trial:
    return Trial(number, parameters, Outcome(FINISHED, 0.5), 1.0)


def test_stored_trials_are_those_that_the_search_proposes(place: StudyFolder) -> None:
    tried = [{"size": [8, 4], "rate": 0.1 + 0.2}, {"size": None, "rate": 1e-7}]
    tried += [{"size": "", "rate": True}, {"size": "a,\r\n'b'", "rate": 1.0}]
    place.write_trials(trial(number, **one) for number, one in enumerate(tried, start=1))
    stored = place.read_trials()
    assert list(stored) == [1, 2, 3, 4]
    for number, one in enumerate(tried, start=1):
        place.check_stored(stored[number], one)


@pytest.mark.parametrize(
    ("proposed", "words"),
    [
        ({"size": 16, "rate": 0.25}, "size is 8, where this study tries 16"),
        ({"size": 8, "rate": 0.5}, "rate is 0.25, where this study tries 0.5"),
        ({"size": 8.0, "rate": 0.25}, "size is 8, where this study tries 8.0"),
        ({"size": [8], "rate": 0.25}, "size is 8, where this study tries [8]"),
    ],
)
def test_a_changed_trial_is_told(place: StudyFolder, proposed: dict[str, Any], words: str) -> None:
    place.write_trials([trial(3, size=8, rate=0.25)])
    with pytest.raises(UsageError) as error:
        place.check_stored(place.read_trials()[3], proposed)
    assert str(error.value) == (
        f"'{place.path / 'trials.csv'}', trial 3: {words}. "
        "Name another folder with --results, or leave --results out."
    )


def test_only_checkpoints_are_cleared_away(place: StudyFolder) -> None:
    folders = [place.path / "trials" / name for name in ("0001", "0002", "0003")]
    for folder in folders[:2]:
        folder.mkdir(parents=True)
        for name in (BEST, LAST, "log.txt"):
            (folder / name).write_text("content")
    clear_checkpoints([folders[0], folders[2]])
    assert [path.name for path in folders[0].iterdir()] == ["log.txt"]
    assert {path.name for path in folders[1].iterdir()} == {BEST, LAST, "log.txt"}
