"""Options of extractors: every wrong one is refused in one line, and models are tried early."""

import inspect
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from dataset_convert.features.image_embeddings import ImageEmbeddingExtractor
from dataset_convert.features.image_labels import ImageLabelExtractor
from dataset_convert.features.models.image_input import ImageSettings
from dataset_convert.features.option_checks import Group
from dataset_convert.features.options import OPTIONS
from dataset_convert.features.sentence_embeddings import SentenceEmbeddingExtractor
from dataset_convert.features.token_counts import VocabularySettings
from dataset_convert.features.visual import LabelScoreExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_convert import schema
from dataset_convert.common.errors import closest, wanted_word
from dataset_convert.features.attributes import AttributeExtractor
from dataset_convert.features.registry import KINDS, check_extractor, make_extractor
from dataset_convert.features.text import TextSettings
from dataset_convert.features.topics import TopicSettings
from dataset_convert.problems import ConversionError, Problems

TOPICS, VISUAL, ATTRIBUTES = schema.CONTENT_TOPICS, schema.CONTENT_VISUAL, schema.ATTRIBUTES
WORDS = ["coffee", "dress"]


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
        (
            TOPICS,
            {"n_topics": "x"},
            "features: content_topics: option 'n_topics': wanted a whole number of at least 2, or "
            "a list of several. Found: 'x'.",
        ),
        (TOPICS, {"n_topics": [3, True]}, "a list of several. Found: [3, True]."),
        (TOPICS, {"n_topics": []}, "a list of several. Found: []."),
        (TOPICS, {"n_topics": 10**6}, "wanted a whole number of at most 10,000"),
        (TOPICS, {"n_topics": None}, "a list of several. Found: nothing."),
        (TOPICS, {"min_members": 2.5}, "'min_members': wanted a whole number of at least 1. Found"),
        (TOPICS, {"min_members": True}, "wanted a whole number of at least 1. Found: True."),
        (TOPICS, {"max_iter": 2.5}, "'max_iter': wanted a whole number of at least 1. Found: 2.5."),
        (TOPICS, {"seed": -1}, "'seed': wanted a whole number of at least 0. Found: -1."),
        (TOPICS, {"seed": 2**32}, "wanted a whole number of at most 4,294,967,295. Found: 42949"),
        (TOPICS, {"seed": 1 << 20_000}, "Found: a number with thousands of digits."),
        (TOPICS, {"held_out_share": 1}, "wanted a number above 0 and below 1. Found: 1."),
        (TOPICS, {"held_out_share": math.nan}, "wanted a number above 0 and below 1. Found: nan."),
        (TOPICS, {"text": [1]}, "'text': wanted a mapping of split_camel_case, keep_emoji, lang"),
        (TOPICS, {"text": {"keep_emoji": 3}}, "'text: keep_emoji': wanted true or false. Found: 3"),
        (TOPICS, {"text": {"split_camel_case": "x"}}, "wanted true or false. Found: 'x'."),
        (TOPICS, {"text": {"min_length": 2.5}}, "'text: min_length': wanted a whole number of at"),
        (
            TOPICS,
            {"text": {"languages": "english"}},
            "wanted a list of arabic, chinese, dutch, eng",
        ),
        (TOPICS, {"text": {"languages": ["klingon"]}}, "vietnamese. Found: ['klingon']."),
        (
            TOPICS,
            {"text": {"min_length": 9, "max_length": 3}},
            "features: content_topics: The 'min_",
        ),
        (
            TOPICS,
            {"vocabulary": {"max_words": 10.5}},
            "'vocabulary: max_words': wanted a whole num",
        ),
        (
            TOPICS,
            {"vocabulary": {"max_share": math.inf}},
            "wanted a number from 0 to 1. Found: inf.",
        ),
        (TOPICS, {"vocabulary": {"min_share": 0.5, "max_share": 0.1}}, "Received: 0.5 and 0.1."),
        (TOPICS, {"n_topic": 3}, "content_topics: unknown option 'n_topic'; wanted 'n_topics'."),
        (TOPICS, {"text": {"emoji": 1}}, "unknown option 'text: emoji'; wanted 'keep_emoji'."),
        (TOPICS, {3: 3}, "unknown option '3'; wanted one of n_topics, held_out_share, min_members"),
        (TOPICS, {"of": "audience"}, "unknown option 'of'; wanted "),
        (TOPICS, {"n_jobs": 2}, "unknown option 'n_jobs'; wanted "),
        (TOPICS, {"extractor": "ldaa"}, "option 'extractor': wanted 'lda'. Found: 'ldaa'."),
        (TOPICS, {"extractor": ["lda"]}, "option 'extractor': wanted "),
        (VISUAL, {"extractor": "topics"}, "wanted one of labels, image-labels, image-embeddings."),
        (
            VISUAL,
            {"object_threshold": 7},
            "'object_threshold': wanted a number from 0 to 1. Found: 7",
        ),
        (VISUAL, {"scene_threshold": True}, "wanted a number from 0 to 1. Found: True."),
        (
            ATTRIBUTES,
            {"minimum_accounts": 1.5},
            "'minimum_accounts': wanted a whole number of at le",
        ),
        (
            ATTRIBUTES,
            {"hashtag_posts": "2"},
            "'hashtag_posts': wanted a whole number of at least 1",
        ),
        (ATTRIBUTES, {"files": ["a"]}, "unknown option 'files'; wanted "),
        (
            ATTRIBUTES,
            {"lexicon": "~no-such-user/x"},
            "'lexicon': wanted a path. Found: '~no-such-us",
        ),
        (ATTRIBUTES, {"lexicon": "a\0b"}, "'lexicon': wanted a path. Found: 'a\\x00b'."),
        (ATTRIBUTES, {"isa": "\ud83d"}, "'isa': wanted a path."),
        (ATTRIBUTES, {"lexicon": "a" * 256}, "'lexicon': wanted a path. Found: 'aaa"),
        (ATTRIBUTES, {"lexicon": "a/" * 2500}, "'lexicon': wanted a path. Found: 'a/a"),
        (ATTRIBUTES, {"isa": 3}, "'isa': wanted a path. Found: 3."),
        (TOPICS, {"extractor": "sentence-embeddings"}, "'model': wanted a path. Found: nothing."),
        (
            TOPICS,
            {"extractor": "sentence-embeddings", "model": "m", "providers": "CPU"},
            "'providers': wanted a list of names, as in [CPUExecutionProvider]. Found: 'CPU'.",
        ),
        (
            VISUAL,
            {"extractor": "image-labels"},
            "ImageLabelExtractor needs the parameter 'objects' or 'scenes', or both.",
        ),
        (
            VISUAL,
            {"extractor": "image-labels", "objects": {"model": "a", "lables": "b"}},
            "unknown option 'objects: lables'; wanted 'labels'.",
        ),
        (
            VISUAL,
            {"extractor": "image-labels", "objects": {"model": "a"}},
            "option 'objects: labels': wanted a path. Found: nothing.",
        ),
        (
            VISUAL,
            {"extractor": "image-embeddings", "model": "a", "std": [1, 0, 1]},
            "'std': wanted three numbers above 0, a colour each. Found: [1, 0, 1].",
        ),
        (
            VISUAL,
            {"extractor": "image-embeddings", "model": "a", "mean": [1, math.nan, 1]},
            "'mean': wanted three numbers, for red, green and blue. Found: [1, nan, 1].",
        ),
        (
            VISUAL,
            {"extractor": "image-embeddings", "model": "a", "crop": [5]},
            "'crop': wanted a whole number of at least 1, or two, as in [height, width]. Found",
        ),
        (
            VISUAL,
            {"extractor": "image-embeddings", "model": "a", "resample": "best"},
            "'resample': wanted one of nearest, lanczos, bilinear, bicubic, box, hamming. Found",
        ),
    ],
)
def test_wrong_options_are_told_in_one_line(
    modality: str, options: Mapping[str, Any], message: str
) -> None:
    told = refusal(modality, options)
    assert told.startswith(f"features: {modality}: ")
    assert message in told
    assert told.endswith(".")
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


def parameters(of: Any, *without: str) -> set[str]:
    return {*inspect.signature(of).parameters} - {"of", "n_jobs", *without}


def within(extractor: str, option: str) -> Mapping[str, Any]:
    group = OPTIONS[extractor].options[option]
    assert isinstance(group, Group)
    return group.options


def test_the_table_knows_what_the_extractors_take() -> None:
    assert OPTIONS.keys() == KINDS.keys()
    taken = {
        "lda": parameters(TopicSettings),
        "sentence-embeddings": parameters(SentenceEmbeddingExtractor),
        "labels": parameters(LabelScoreExtractor),
        "image-labels": parameters(ImageLabelExtractor),
        "image-embeddings": parameters(ImageEmbeddingExtractor),
        "lexicon": parameters(AttributeExtractor, "files") | {"isa", "isa_minimum_count"},
    }
    assert {name: set(group.options) for name, group in OPTIONS.items()} == taken
    assert set(within("lda", "text")) == parameters(TextSettings)
    assert set(within("lda", "vocabulary")) == parameters(VocabularySettings)
    classifier = {"model", "labels", "activation", *parameters(ImageSettings)}
    assert set(within("image-labels", "objects")) == classifier


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
    extractor = draw(st.sampled_from(sorted(OPTIONS)))
    names = st.sampled_from([*OPTIONS[extractor].options, "of", "n_jobs", "model"])
    options = draw(st.dictionaries(names, JUNK, max_size=4))
    for name, group in OPTIONS[extractor].options.items():
        if isinstance(group, Group) and name in options and draw(st.booleans()):
            inside = st.sampled_from(sorted(group.options))
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
    assert "found no tokenizer.json" in told


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
    assert "'crop' of an image model must be no larger" in told
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
