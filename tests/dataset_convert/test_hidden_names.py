"""No feature moves where captions and biographies name accounts of the data set."""

import csv
import random
import string
import time
from pathlib import Path

import pytest
from test_sentences import fake_models

from dataset_convert.__main__ import main
from dataset_convert.features.hidden_names import HiddenNames

NAMES = ["green_leaf", "Anna Bakes", "H&M", "12", "café.noir", "gap", "☕", "İstanbul.shop"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("by Green Leaf, greenleafs", "by \n, greenleafs"),
        ("#greenleaf #GreenLeaf @green.leaf GREEN-LEAF", "\n \n \n \n"),
        ("use GREENLEAF20 or gap20", "use \n or gap20"),
        ("with H&M and annabakes", "with \n and \n"),
        ("cafe\u0301 noir \U0001d406\U0001d42b\U0001d41e\U0001d41e\U0001d427leaf", "\n \n"),
        ("İSTANBUL shop, mind the gap", "\n, mind the \n"),
        ("see https://a.b/c or www.d.e, mail f@g.de, @anybody", "see \n or \n mail \n, \n"),
        ("1,200 likes, 0171 23 45", "\n likes, \n"),
        ("mom of 2, formula 1, 3d, 4x4, 12 ☕, gapyear", None),
        ("", None),
    ],
)
def test_names_addresses_and_numbers_are_taken_out(text: str, hidden: str | None) -> None:
    assert HiddenNames(NAMES).hide(text) == (text if hidden is None else hidden)


def test_thousands_of_names_and_long_texts_take_little_time() -> None:
    draw = random.Random(1)
    names = ["".join(draw.choices(string.ascii_lowercase, k=9)) for _ in range(4_000)]
    hide = HiddenNames([*names, *(f"the_{name}" for name in names)]).hide
    texts = [f"the day with my {' '.join(draw.sample(names, 1))} and the sea" for _ in range(5_000)]
    started = time.process_time()
    assert all(hide(text) == "the day with my \n and the sea" for text in texts)
    for text in ("1,", "a.", "@", "(at)", names[0], " ".join(names[0])):
        hide((text * 10_000)[:10_000])
    assert time.process_time() - started < 2


WORDS = ["vegan recipe cake bread", "marathon running gym training", "makeup skincare glow"]


def written(folder: Path, *, named: bool) -> Path:
    """A folder of tables; where `named`, brands name influencers, whose biographies name brands."""
    folder.mkdir()
    draw = random.Random(7)
    brands = [(f"green_{i:02d}q", f"Greenery {i}q", i % 3) for i in range(8)]
    people = [(f"anna.{i:02d}z", f"Anna Zed{i}z", i % 3) for i in range(16)]
    pairs = [(b, p) for b in brands for p in people if b[2] == p[2]]

    def forms(of: tuple[str, str, int]) -> str:
        tag = of[0].replace("_", "").replace(".", "")
        return f" #{tag} @{of[0]} {of[1]}" if named else ""

    def table(name: str, *rows: tuple[object, ...]) -> None:
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)

    def caption(topic: int) -> str:
        return " ".join(draw.choices(WORDS[topic].split(), k=6))

    head = ("id", "name", "biography", "category")
    table(
        "brands", head, *((a, n, f"All for {WORDS[t]}", WORDS[t].split()[0]) for a, n, t in brands)
    )
    bios = [(p, next(b for b, one in pairs if one is p)) for p in people]
    table("influencers", head, *((p[0], p[1], WORDS[p[2]] + forms(b), "") for p, b in bios))
    posts = [
        (
            of[0],
            caption(of[2]) + (forms(draw.choice([p for b, p in pairs if b is of])) if i else ""),
        )
        for of in brands
        for i in range(5)
    ]
    posts += [(of[0], caption(of[2])) for of in people for _ in range(5)]
    table("posts", ("account", "text"), *posts)
    table("collaborations", ("brand", "influencer"), *((b[0], p[0]) for b, p in pairs))
    return folder


CONFIG = """
source:
  tables:
    brands: {files: brands.csv, columns: {id: id, name: name, biography: biography}}
    influencers: {files: influencers.csv, columns: {id: id, name: name, biography: biography}}
    posts: {files: posts.csv, columns: {account: account, text: text}}
    collaborations: {files: collaborations.csv, columns: {brand: brand, influencer: influencer}}
features:
  content_topics: {extractor: lda, n_topics: 3, vocabulary: {min_share: 0, max_share: 1}}
  attributes: {extractor: lexicon, minimum_accounts: 1, hashtag_posts: 1}
  content_text: {extractor: sentences, models: letters}
  profile_text: {extractor: sentences, models: letters}
pseudonyms: False
"""


def test_no_feature_moves_by_names_in_captions_and_biographies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_models(monkeypatch)
    (tmp_path / "c.yaml").write_text(CONFIG)
    made = []
    for name in ("plain", "named"):
        folder = written(tmp_path / name, named=name == "named")
        command = ["--source", "tables", "--input", str(folder), "--name", "toy"]
        config = ["--config", str(tmp_path / "c.yaml"), "--output", str(tmp_path / f"{name}-out")]
        assert main([*command, *config]) == 0
        out = tmp_path / f"{name}-out" / "toy"
        made.append((out / "toy.user").read_bytes() + (out / "toy.item").read_bytes())
    assert made[0] == made[1]
    head = made[0].decode().split("\n")[0]
    assert all(f"brand_{x}" in head for x in ("content_topics", "attributes", "content_text"))


def test_the_command_adds_accounts_and_leaves_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = written(tmp_path / "plain", named=False), tmp_path / "out" / "toy"
    config = CONFIG.split("  content_text")[0] + f"key_file: {tmp_path / 'key'}\n"
    (tmp_path / "c.yaml").write_text(config)
    common = ["--source", "tables", "--name", "toy", "--config", str(tmp_path / "c.yaml")]
    common += ["--output", str(tmp_path / "out")]
    assert main([*common, "--input", str(folder)]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    add = [*common, "--add", str(folder)]
    assert main(add) == 2
    assert "found no account that it does not hold" in capsys.readouterr().err
    with (folder / "influencers.csv").open("a") as file:
        file.write("new.one,New Person,vegan recipe by Greenery 3q,\n")
    with (folder / "posts.csv").open("a") as file:
        file.write("new.one,#green03q vegan cake recipe\n")
    assert main([*add, "--seed", "3"]) == 2
    (tmp_path / "key").rename(tmp_path / "mine")
    assert main(add) == 2
    said = capsys.readouterr().err
    assert "--add takes no --seed" in said and "key cannot be read" in said
    assert before == {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    (tmp_path / "mine").rename(tmp_path / "key")
    assert main(add) == 0
    assert "Added 1 account to" in capsys.readouterr().out
    now = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    added = set(now["toy.item"].splitlines()) - set(before["toy.item"].splitlines())
    assert len(added) == 1 and b"vegan" in added.pop()
    changed = {name for name in now if now[name] != before[name]}
    assert changed == {"toy.item", "manifest.json", "report.html"}
