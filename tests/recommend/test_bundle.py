"""A bundle: the same bytes again, a line for what is wrong with it, nobody who was forgotten."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from little_data import TINY

from dataset_convert.common.errors import UsageError
from dataset_convert.holders import BUNDLE, find_holders
from dataset_convert.privacy import forget
from recbole_mirec.recommend.bundle import MODEL, read_bundle
from recbole_mirec.recommend.recommender import Recommender


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_folder, tmp_path / "copy"))


def test_what_is_exported_is_what_was_read(
    run: Path, recommender: Recommender, tmp_path: Path
) -> None:
    recommender.export(tmp_path / "again")
    assert content(tmp_path / "again") == content(run / "bundle")
    Recommender.load(tmp_path / "again").export(tmp_path / "again")
    assert content(tmp_path / "again") == content(run / "bundle")
    assert content(run / "bundle")[MODEL] == (run / "best.safetensors").read_bytes()


def _format(folder: Path) -> None:
    about = json.loads((folder / BUNDLE).read_text())
    (folder / BUNDLE).write_text(json.dumps({**about, "format": 99}))


def _cut(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-5])

    return cut


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_format, r"is of format 99, not 2: another version .* Write it anew from its run"),
        (_cut(BUNDLE), "cannot be read: JSONDecodeError.* Write it anew"),
        (_cut(MODEL), "is damaged: model.safetensors is not what was written"),
        (_cut("vectors.safetensors"), "is damaged: vectors.safetensors"),
        (_cut("accounts.parquet"), "is damaged: accounts.parquet"),
        (lambda x: (x / "partners.parquet").unlink(), "is no bundle: it has no partners.parquet"),
        (lambda x: (x / BUNDLE).unlink(), "is no bundle: it has no bundle.json. Write one from"),
        (lambda x: (x / BUNDLE).write_text("[]"), "cannot be read: "),
        (lambda x: (x / BUNDLE).write_text('{"format": 2}'), "cannot be read: KeyError"),
    ],
)
def test_a_bundle_that_is_wrong(copy: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(copy)
    with pytest.raises(UsageError, match=message) as raised:
        Recommender.load(copy)
    assert "\n" not in str(raised.value)


def test_other_extractors_are_refused_where_they_are_needed(copy: Path) -> None:
    path = next((copy / "extractors").rglob("*.json"))
    path.write_text(path.read_text() + " ")
    recommender = Recommender.load(copy)
    assert len(recommender.recommend("brand_01", 3).frame) == 3
    with pytest.raises(UsageError, match=r"is damaged: extractors/.*\.json is not what was"):
        recommender.brief("vegan yoga")


def test_a_bundle_takes_no_other_folders_place(recommender: Recommender, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="holds something else than a bundle"):
        recommender.export(tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", ["brand_03", "influencer_007"])
def test_who_is_forgotten_is_in_no_file(
    recommender: Recommender, tmp_path: Path, name: str
) -> None:
    side = name.partition("_")[0]
    others = {"brand": recommender.brands, "influencer": recommender.influencers}[side]
    before = {x: recommender.recommend(x, 400) for x in recommender.brands if x != name}
    recommender.forget(f"@{name.upper()}")
    recommender.export(tmp_path / "less")
    for path, data in content(tmp_path / "less").items():
        assert name.encode() not in data, path
    left = Recommender.load(tmp_path / "less")
    assert {"brand": left.brands, "influencer": left.influencers}[side] == [
        x for x in others if x != name
    ]
    for brand, old in before.items():
        kept = old.frame[old.frame["influencer_id"] != name]
        new = left.recommend(brand, 400).frame
        assert new["influencer_id"].tolist() == kept["influencer_id"].tolist()
        assert new["score"].tolist() == pytest.approx(kept["score"].tolist(), abs=1e-5)
    why = left.explain(left.brands[0], left.influencers[0])
    assert sum(x.value for x in why.reasons) == pytest.approx(why.score, abs=1e-6)
    with pytest.raises(UsageError, match="Unknown influencer"):
        left.forget(name)


def test_a_run_that_changed_gets_a_new_bundle(run: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(run, tmp_path / "run"))
    shutil.copyfile(run / "last.safetensors", place / "best.safetensors")
    before = read_bundle(place / "bundle").about["digests"][MODEL]
    assert Recommender.load(place).bundle.about["digests"][MODEL] != before


def test_what_cannot_be_bundled_is_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no bundle: it has no bundle\.json"):
        Recommender.load(tmp_path)
    assert run.is_dir()


def test_a_data_set_that_forgets_names_runs_and_bundles_that_do_not(
    run: Path, data_path: Path, tmp_path: Path
) -> None:
    saved, one = tmp_path / "saved", tmp_path / "saved" / "one"
    shutil.copytree(run, one)
    (one / "refit").mkdir()
    for name, dataset in (("other", "another-set"), ("broken", None)):
        (saved / name).mkdir()
        (saved / name / "run.json").write_text(json.dumps({"dataset": dataset}))
    shutil.copytree(data_path / TINY, tmp_path / TINY)
    (line,) = (
        line
        for line in forget(tmp_path / TINY, TINY, "influencer_007", runs=[saved])
        if "holding" in line
    )
    places = ", ".join(map(str, (one / "bundle", one, one / "refit")))
    assert line.startswith(f"Still holding the account: {places}. Delete the runs;")
    causes = (tmp_path / TINY / "causes.csv").read_text()
    assert "influencer_007" not in causes
    assert causes.count("\n") > 300
    assert list(find_holders(saved, "none", "influencer_008")) == [one / "bundle"]
    left = Recommender.load(one / "bundle")
    left.forget("influencer_008")
    left.export(one / "bundle")
    assert list(find_holders(saved, "none", "influencer_008")) == []
    (line,) = (
        line
        for line in forget(tmp_path / TINY, TINY, "influencer_008", runs=[saved / "other"])
        if str(saved) in line
    )
    assert line == f"No run on '{TINY}' and no bundle with the account is in {saved / 'other'}."
