"""Options of extractors: every wrong one is refused in one line, and models are tried early."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_convert import schema
from dataset_convert.common.errors import closest, wanted_word
from dataset_convert.extraction import KINDS, check_extractor, make_extractor
from dataset_convert.features.base import parts_of
from dataset_convert.problems import ConversionError, Problems

TOPICS, VISUAL, ATTRIBUTES = schema.CONTENT_TOPICS, schema.CONTENT_VISUAL, schema.ATTRIBUTES
WORDS = ["coffee", "dress"]
SENTENCES = {"extractor": "sentence-embeddings", "model": "m"}
IMAGES = {"extractor": "image-embeddings", "model": "m"}


def made(modality: str, options: Mapping[str, Any]) -> Any:
    return make_extractor(modality, options, n_jobs=1, problems=Problems())


def refusal(modality: str, options: Mapping[str, Any]) -> str:
    with pytest.raises(ConversionError) as caught:
        made(modality, options)
    told = str(caught.value)
    assert "\n" not in told
    return told


@pytest.mark.parametrize(
    ("modality", "options", "message"),
    [
        (TOPICS, {"n_topics": "x"}, "Key 'n_topics' must be a whole number from 2 to 10,000, or a"),
        (TOPICS, {"n_topics": [3, True]}, "or a list of several. Received: [3, True]."),
        (TOPICS, {"n_topics": []}, "a list of several. Received: []."),
        (TOPICS, {"n_topics": 10**6}, "a whole number from 2 to 10,000"),
        (TOPICS, {"min_members": 2.5}, "'min_members' must be a whole number. Received: 2.5."),
        (TOPICS, {"min_members": True}, "must be a whole number. Received: True."),
        (TOPICS, {"max_iter": 0}, "'max_iter' must be at least 1. Received: 0."),
        (TOPICS, {"seed": 2**32}, "'seed' must be at most 4294967295"),
        (TOPICS, {"seed": 1 << 20_000}, "Received: a int of thousands of digits."),
        (TOPICS, {"held_out_share": 1}, "'held_out_share' must be below 1. Received: 1."),
        (TOPICS, {"held_out_share": math.nan}, "Received: nan."),
        (TOPICS, {"text": [1]}, "'text' must be a mapping. Received: [1]."),
        (TOPICS, {"text": {"keep_emoji": 3}}, "'text: keep_emoji' must be True or False."),
        (TOPICS, {"text": {"languages": "english"}}, "'text: languages' must be a list."),
        (TOPICS, {"text": {"languages": ["klingon"]}}, "must be a list of arabic, chinese, dutch"),
        (TOPICS, {"text": {"min_length": 9, "max_length": 3}}, "have a max_length that is no sma"),
        (TOPICS, {"vocabulary": {"max_share": math.inf}}, "'vocabulary: max_share' must be at mo"),
        (TOPICS, {"vocabulary": {"min_share": 0.5, "max_share": 0.1}}, "have a max_share that is"),
        (TOPICS, {"n_topic": 3}, "Unknown key 'n_topic'. Did you mean 'n_topics'?"),
        (TOPICS, {"text": {"emoji": 1}}, "Unknown key 'text: emoji'. Did you mean 'keep_emoji'?"),
        (TOPICS, {3: 3}, "Unknown key '3'. Valid: "),
        (TOPICS, {"of": "audience"}, "Unknown key 'of'."),
        (TOPICS, {"n_jobs": 2}, "Unknown key 'n_jobs'"),
        (TOPICS, {"extractor": "ldaa"}, "option 'extractor': wanted 'lda'. Found: 'ldaa'."),
        (TOPICS, {"extractor": ["lda"]}, "option 'extractor': wanted "),
        (
            VISUAL,
            {"extractor": "topics"},
            "wanted one of labels, objects, image-labels, image-embeddings.",
        ),
        (VISUAL, {"object_threshold": 7}, "'object_threshold' must be at most 1. Received: 7."),
        (VISUAL, {"scene_threshold": True}, "must be a number. Received: True."),
        (ATTRIBUTES, {"hashtag_posts": "2"}, "'hashtag_posts' must be a whole number."),
        (ATTRIBUTES, {"lexicon": "~no-such-user/x"}, "'lexicon' must be a path. Received: '~no-"),
        (ATTRIBUTES, {"lexicon": "a\0b"}, "'lexicon' must be a path. Received: 'a\\x00b'."),
        (ATTRIBUTES, {"isa": "\ud83d"}, "'isa' must be"),
        (ATTRIBUTES, {"lexicon": "a" * 256}, "'lexicon' must be a path. Received: 'aaa"),
        (ATTRIBUTES, {"lexicon": "a/" * 2500}, "'lexicon' must be a path. Received: 'a/a"),
        (ATTRIBUTES, {"isa": 3}, "'isa' must be a text. Received: 3."),
        (TOPICS, {"extractor": "sentence-embeddings"}, "Key 'model' is missing."),
        (TOPICS, {**SENTENCES, "providers": "CPU"}, "'providers' must be a list. Received: 'CPU'."),
        (TOPICS, {**SENTENCES, "providers": []}, "'providers' must have at least 1 entries."),
        (VISUAL, {"extractor": "image-labels"}, "must have 'objects' or 'scenes', or both."),
        (
            VISUAL,
            {"extractor": "image-labels", "objects": {"model": "a", "lables": "b"}},
            "Key 'objects: labels' is missing. Unknown key 'objects: lables'. Did you mean",
        ),
        (VISUAL, {**IMAGES, "std": [1, 0, 1]}, "'std[1]' must be above 0. Received: 0."),
        (VISUAL, {**IMAGES, "crop": [5]}, "'crop' must be pixels from 1 to 1024, or two"),
        (VISUAL, {**IMAGES, "resample": "best"}, "'resample' must be one of nearest, lanczos, bil"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    modality: str, options: Mapping[str, Any], message: str
) -> None:
    told = refusal(modality, options)
    assert told.startswith(f"features: {modality}: ")
    assert message in told
    assert told.endswith((".", "?"))
    assert not told.endswith("..")


@pytest.mark.parametrize(
    ("modality", "options"),
    [
        (TOPICS, {"n_topics": [2, 3], "text": None, "vocabulary": {"min_share": 0}}),
        (TOPICS, {"text": {"languages": []}, "seed": 2**32 - 1}),
        (VISUAL, {"object_threshold": 1, "scene_threshold": 0.0}),
        (ATTRIBUTES, {}),
        (ATTRIBUTES, {"hashtag_posts": 2}),
        (ATTRIBUTES, {"minimum_accounts": 1, "hashtag_posts": None, "lexicon": None, "isa": None}),
        (
            VISUAL,
            {
                "extractor": "image-labels",
                "objects": {"model": "a", "labels": "b", "size": [3, 5], "mean": [0, 0, 0]},
                "scenes": None,
            },
        ),
        (VISUAL, {"extractor": "image-embeddings", "model": Path("a"), "crop": 3, "size": None}),
        (TOPICS, {"extractor": "sentence-embeddings", "model": "a", "providers": ["Any", "Other"]}),
    ],
)
def test_right_options_are_taken(modality: str, options: Mapping[str, Any]) -> None:
    assert made(modality, options).modality == modality


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["english", "softmax", "bilinear", "~root", 2, 0.1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@st.composite
def option_sets(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    extractor = draw(st.sampled_from(sorted(KINDS)))
    takes = KINDS[extractor].takes
    names = st.sampled_from([*takes.model_fields, "of", "n_jobs", "model"])
    options = draw(st.dictionaries(names, JUNK, max_size=4))
    for name, within in parts_of(takes).items():
        if name in options and draw(st.booleans()):
            inside = st.sampled_from(sorted(within))
            options[name] = draw(st.dictionaries(inside, JUNK, max_size=3))
    modality = next(iter(KINDS[extractor].modalities))
    return modality, {"extractor": extractor, **options}


@given(given_options=option_sets())
@settings(max_examples=400, deadline=None)
def test_any_options_are_taken_or_refused_in_one_line(
    given_options: tuple[str, dict[str, Any]],
) -> None:
    modality, options = given_options
    try:
        extractor = made(modality, options)
    except ConversionError as error:
        assert "\n" not in str(error)
    else:
        assert extractor.modality == modality


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Path]:
    tiny_models.colour_model(tmp_path / "m.onnx", np.eye(3))
    tiny_models.labels(tmp_path / "labels.txt", ["r", "g", "b"])
    tiny_models.sentence_model(tmp_path / "text", np.eye(4))
    tiny_models.tokenizer(tmp_path / "text", WORDS)
    tiny_models.colour_model(tmp_path / "image" / "model.onnx", np.eye(3))
    yield tmp_path


def of_labels(models: Path, **more: Any) -> dict[str, Any]:
    files = {"model": str(models / "m.onnx"), "labels": str(models / "labels.txt")}
    return {"extractor": "image-labels", "objects": {**files, **more}}


def of_folder(models: Path, kind: str, **more: Any) -> dict[str, Any]:
    folder = models / ("text" if kind == "sentence-embeddings" else "image")
    return {"extractor": kind, "model": str(folder), **more}


def early_refusal(modality: str, options: Mapping[str, Any]) -> str:
    with pytest.raises(ConversionError) as caught:
        check_extractor(made(modality, options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_can_be_used_passes(models: Path) -> None:
    for modality, options in (
        (VISUAL, of_labels(models)),
        (VISUAL, of_folder(models, "image-embeddings")),
        (TOPICS, of_folder(models, "sentence-embeddings")),
        (TOPICS, {}),
        (ATTRIBUTES, {}),
    ):
        check_extractor(made(modality, options))


def test_files_that_cannot_be_read_are_told_early(models: Path) -> None:
    (models / "labels.txt").unlink()
    told = early_refusal(VISUAL, of_labels(models))
    wanted = "labels.txt: found No such file or directory; wanted a file that can be read."
    assert told == f"content_visual: {models / wanted}"
    (models / "labels.txt").mkdir()
    assert "labels.txt: found Is a directory" in early_refusal(VISUAL, of_labels(models))
    (models / "text" / "tokenizer.json").unlink()
    told = early_refusal(TOPICS, of_folder(models, "sentence-embeddings"))
    assert "tokenizer.json: found No such file" in told


def test_a_folder_that_cannot_be_asked_is_told_early(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    extractor = made(VISUAL, of_folder(models, "image-embeddings"))
    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(ConversionError, match=r"model\.onnx: found Permission denied; wanted a fi"):
        check_extractor(extractor)


def test_weights_that_are_missing_are_told_early(models: Path) -> None:
    tiny_models.with_weights_apart(models / "m.onnx", models / "apart.onnx", "any.bin")
    options = of_labels(models, model=str(models / "apart.onnx"))
    check_extractor(made(VISUAL, options))
    (models / "any.bin").unlink()
    assert "any.bin: found No such file" in early_refusal(VISUAL, options)


def test_models_that_do_not_fit_are_told_early(models: Path) -> None:
    tiny_models.labels(models / "labels.txt", ["r", "g"])
    told = early_refusal(VISUAL, of_labels(models))
    assert "found 3 outputs; wanted 2, one for each label" in told
    told = early_refusal(VISUAL, of_folder(models, "image-embeddings", size=3, crop=5))
    assert "found the 'crop' [5, 5], which is larger than the 'size' 3" in told
    (models / "image" / "model.onnx").replace(models / "text" / "model.onnx")
    told = early_refusal(TOPICS, of_folder(models, "sentence-embeddings"))
    assert "found the inputs image; wanted input_ids" in told


def test_a_library_that_is_missing_is_told_early(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    for options in (of_labels(models), of_folder(models, "image-embeddings")):
        assert 'pip install -e ".[models]"' in early_refusal(VISUAL, options)


def test_the_nearest_word() -> None:
    assert closest("n_topic", ["seed", "n_topics"]) == "n_topics"
    assert closest("zzz", ["seed", "n_topics"]) is None
    assert wanted_word("sed", ["seed", "n_topics"]) == "'seed'"
    assert wanted_word("zzz" * 10**6, (word for word in ("seed", "topic"))) == "one of seed, topic"
