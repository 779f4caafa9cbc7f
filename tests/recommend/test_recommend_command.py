"""`python -m recbole_mirec.recommend`: what it prints and writes, and one line for bad input."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dataset_convert import schema
from dataset_convert.common.files import read_csv
from dataset_convert.raw import RawMaterial
from recbole_mirec import cli
from recbole_mirec.recommend import __main__ as command
from recbole_mirec.recommend.accounts import Account
from recbole_mirec.recommend.recommender import Recommender

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    bundle_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Calls the command with the bundle; its exit code, output and errors."""

    def called(*arguments: object, bundle: Path = bundle_folder) -> tuple[int, str, str]:
        given = ["recommend", "--bundle", bundle, *arguments]
        monkeypatch.setattr(sys, "argv", [str(x) for x in given])
        capsys.readouterr()
        code = command.main()
        out, err = capsys.readouterr()
        return code, out, err

    return called


def write_folder(folder: Path, material: RawMaterial, names: list[str]) -> Path:
    """The tables of some accounts, as a person holds them."""
    folder.mkdir()
    rows = material.accounts[material.accounts["account_id"].isin(names)]
    rows = rows.rename(columns={"account_id": "id"})
    for side in schema.SIDES:
        own = rows[rows["role"] == side].drop(columns="role")
        if len(own):
            own.to_csv(folder / f"{side}s.csv", index=False)
    for name, posts in (("posts", material.posts), ("audience", material.audience_posts)):
        cells = [
            (x.account, x.member, x.text, " ".join(f"{y}:{z!r}" for y, z in x.labels.items()))
            for x in posts()
            if x.account in names
        ]
        table = pd.DataFrame(cells, columns=["account", "member", "text", "labels"])
        table.drop(columns=[] if name == "audience" else "member").to_csv(
            folder / f"{name}.csv", index=False
        )
    return folder


def test_a_list_and_its_files(call: Run, tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"list.{kind}" for kind in ("csv", "json", "xlsx")}
    files = [x for kind, path in paths.items() for x in (f"--{kind}", path)]
    code, out, err = call("--brand", "brand_01", "@Brand_02", "--top", 3, *files)
    assert (code, err) == (0, "")
    assert "brand_01: the best 3 of " in out
    assert "brand_02: the best 3 of " in out
    tables = [read_csv(paths["csv"]), pd.DataFrame(json.loads(paths["json"].read_text()))]
    tables.append(pd.read_excel(paths["xlsx"], engine="calamine"))
    for table in tables:
        assert table["brand_id"].tolist() == ["brand_01"] * 3 + ["brand_02"] * 3
        assert table["rank"].tolist() == [1, 2, 3] * 2
        assert table["influencer_id"].tolist() == tables[0]["influencer_id"].tolist()
        assert table["why"].str.contains("content").all()
    assert tables[0]["why"][0] in out


def test_predict_gives_the_same_list(run: Path, call: Run) -> None:
    _, out, _ = call("--brand", "brand_01", "--top", 4)
    assert cli.main(["--predict", "brand_01", "--run", str(run), "--top", "4"]) == 0
    path = run / "predictions" / "brand_01.csv"
    table = read_csv(path)
    listed = [line.split()[1] for line in out.splitlines()[2:6]]
    assert table["influencer_id"].tolist() == listed
    shutil.rmtree(path.parent)


def test_hostile_ids_are_harmless(call: Run, recommender: Recommender, tmp_path: Path) -> None:
    hostile = ["=1+1", "<script>alert(1)</script>", "a\x1b[2Jb\x00c", "@sum", "x\ny"]
    own = recommender._known("influencer", 0).own
    recommender.add_influencers(
        Account(replace(own, known=own.known.assign(account=name))) for name in hostile
    )
    recommender.export(tmp_path / "bundle")
    paths = {kind: tmp_path / f"list.{kind}" for kind in ("csv", "json", "xlsx")}
    files = [x for kind, path in paths.items() for x in (f"--{kind}", path)]
    names = ["--include", *(x for x in hostile if "\x00" not in x), recommender.influencers[0]]
    code, out, err = call("--brand", "brand_01", *names, *files, bundle=tmp_path / "bundle")
    assert code == 0, err
    assert "\x1b" not in out
    assert "\n=" not in paths["csv"].read_text()
    assert ",=1+1" not in paths["csv"].read_text()
    cells = pd.read_excel(paths["xlsx"], engine="calamine")["influencer_id"].astype(str)
    assert "'=1+1" in set(cells)
    table = pd.DataFrame(json.loads(paths["json"].read_text()))
    assert set(table["influencer_id"]) >= {"=1+1", "<script>alert(1)</script>", "@sum"}
    every = call("--brand", "brand_01", "--top", 400, *files, bundle=tmp_path / "bundle")
    assert every[0] == 0, every[2]
    assert "\\x1b[2J" in every[1]


def test_ids_from_a_file_and_conditions(call: Run, tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text(
        "\ufeffinfluencer_id,x\ninfluencer_003,1\n\n'influencer_004\n"
    )
    given = ("--include", tmp_path / "ids.csv", "--with-partners", "--top", 2)
    code, out, _ = call("--brand", "brand_01", *given)
    assert code == 0
    assert {"influencer_003", "influencer_004"} <= set(out.split())
    code, out, err = call("--brand", "brand_01", *given, "--where", "followers<0")
    assert (code, out) == (2, "")
    assert err.startswith("error: Nobody is left: no candidate fulfils 'followers<0'")


def test_a_brief_and_an_explanation(call: Run) -> None:
    code, out, _ = call("--text", "vegan yoga and travel", "--language", "de", "--top", 2)
    assert code == 0
    assert "Merkmale: " in out
    code, out, _ = call("--brand", "brand_03", "--explain", "influencer_003")
    assert code == 0
    assert out.startswith("brand_03, influencer_003: score ")
    assert "rank without: " in out


def test_a_folder_of_new_accounts(call: Run, material: RawMaterial, tmp_path: Path) -> None:
    rows = material.accounts
    brand = "brand_01"
    she = rows[rows["role"] == "influencer"]["account_id"].iloc[0]
    both = write_folder(tmp_path / "both", material, [brand, she])
    for name in ("brands", "influencers", "posts", "audience"):
        path = both / f"{name}.csv"
        path.write_text(path.read_text().replace(she, "new_one"))
    code, out, err = call("--folder", both, "--with-partners", "--top", 400)
    assert code == 0, err
    _, inside, _ = call("--brand", brand, "--with-partners", "--top", 400)
    ranked, known = (
        [line.split()[1] for line in text.splitlines()[2:] if line.strip()[:1].isdigit()]
        for text in (out.split("\n\n")[0], inside.split("\n\n")[0])
    )
    # no extractor makes the generator's sentence vectors: new accounts lack them, which is said
    assert {*ranked} - {"new_one"} == {*known}
    assert "not known of" in out
    assert "text" in out
    first = next(x for x in known if f"{x} " in call("--brand", brand)[1])
    pairs = f"brand,influencer\n{brand},@{first.upper()}\n{brand},somebody\n"
    (both / "collaborations.csv").write_text(pairs)
    code, out, err = call("--folder", both)
    assert code == 0, err
    assert first not in out.split("\n\n")[0].split()


def test_folders_that_cannot_be_used(call: Run, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    code, _, err = call("--folder", folder)
    assert code == 2
    assert "accounts or brands or influencers" in err
    (folder / "brands.csv").write_text("id,biography\nshop,qqq\n")
    code, _, err = call("--folder", folder)
    assert code == 2
    assert "Nothing is known of 'shop' that the model reads" in err
    (folder / "brands.csv").write_text("id,biography\nshop,qqq\nother,yoga travel food\n")
    code, out, err = call("--folder", folder)
    assert code == 0, err
    assert "other: the best 10 of 300 influencers" in out
    assert "Note: Nothing is known of 'shop'" in out


def test_forgetting_names_who_still_holds_it(
    call: Run, bundle_folder: Path, tmp_path: Path
) -> None:
    code, out, _ = call("--forget", "influencer_003", "--export", tmp_path / "less")
    assert code == 0
    assert f"influencer_003: '{bundle_folder}' still hold it." in out
    assert "influencer_003" not in Recommender.load(tmp_path / "less").influencers
    code, out, _ = call("--forget", "influencer_004", bundle=tmp_path / "less")
    assert code == 0
    assert "still hold" not in out
    assert "influencer_004" not in Recommender.load(tmp_path / "less").influencers


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say for whom: --brand ID, --all, --text WORDS or --folder DIR"),
        (["--text", "  "], "--text is empty"),
        (["--brand", "brand_99"], "Unknown brand 'brand_99'"),
        (["--brand", "brand_01", "--explain", "nobody"], "Unknown influencer 'nobody'"),
        (["--brand", "brand_01", "--top", "0"], "must be a whole number above 0"),
        (["--brand", "brand_01", "--config", "x.yaml"], "add --folder DIR"),
        (["--brand", "brand_01", "--csv", "/proc/none/x.csv"], "Check the path"),
        (["--brand", "brand_01", "--all"], "not allowed with"),
    ],
)
def test_wrong_commands(
    call: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(*arguments)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
