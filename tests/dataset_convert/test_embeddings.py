"""Embeddings of images and captions: means by hand and by numpy, models of all usual shapes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_models
from little_material import material
from onnx import TensorProto
from PIL import Image

from dataset_convert import schema
from dataset_convert.extraction import check_extractor
from dataset_convert.features import pictures as images
from dataset_convert.features.embeddings import (
    NO_DIRECTION,
    EmbeddingExtractor,
    ImageEmbeddingExtractor,
    SentenceEmbeddingExtractor,
    sentence,
)
from dataset_convert.features.models import model_files
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

WORDS = ["coffee", "roast", "dress", "shoes", "sea"]
TABLE = np.array(
    [[9, 9, 9], [0, 0, 1], [3, 4, 0], [0, 2, 0], [-5, 0, 0], [0, 0, 0], [0, -1, 0]], float
)
"""Rows of [PAD], [UNK] and the words; a caption of "shoes" alone has no direction."""
WEIGHTS = np.array([[1, -2, 0, 1, 3], [0, 1, 1, -1, 0], [2, 0, 1, 0, 1]], float)
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "grey": (119, 119, 119)}
PLAIN = {"size": 5, "mean": [0, 0, 0], "std": [1, 1, 1]}


def unit(vector: object) -> np.ndarray:
    found = np.asarray(vector, float)
    return found / np.linalg.norm(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("embedding")
    tiny_models.sentence_model(found / "text", TABLE)
    tiny_models.tokenizer(found / "text", WORDS)
    tiny_models.colour_model(found / "image" / "model.onnx", WEIGHTS)
    for name, colour in COLOURS.items():
        Image.new("RGB", (7, 11), colour).save(found / f"{name}.png")
    (found / "broken.png").write_bytes(b"")
    return found


def of_text(folder: Path, **options: Any) -> SentenceEmbeddingExtractor:
    of = options.pop("of", "content")
    return SentenceEmbeddingExtractor(f"{of}_topics", **{"model": folder / "text", **options})


def of_images(folder: Path, **options: Any) -> ImageEmbeddingExtractor:
    of = options.pop("of", "content")
    return ImageEmbeddingExtractor(
        f"{of}_visual", **{"model": folder / "image", **PLAIN, **options}
    )


def vectors(one: EmbeddingExtractor, posts: list[Post]) -> dict[str, Any]:
    whole = material(posts)
    return dict(one.fit_transform(whole, {post.account for post in posts}))


CAPTIONS = [
    Post("ann", "Coffee and roast"),
    Post("bob", "dress"),
    Post("ann", "#coffee"),
    Post("cleo", "shoes"),
    Post("dan", "  \n"),
    Post("dan", "https://sea.example @coffee ..."),
    Post("ann", "shoes"),
]


def test_an_accounts_mean_by_hand(folder: Path) -> None:
    one = of_text(folder)
    found = vectors(one, CAPTIONS)
    # Coffee (3, 4, 0), and (0, 0, 1), roast (0, 2, 0): their mean is (1, 2, 1/3).
    first, second = unit([1, 2, 1 / 3]), np.array([0.6, 0.8, 0])
    assert found["ann"] == pytest.approx((first + second) / 2, abs=1e-6)
    assert found["bob"] == pytest.approx(np.array([-1, 0, 0]), abs=1e-6)
    # Cleo's caption has no direction and Dan's have no words: absent, never zeros.
    assert set(found) == {"ann", "bob"}
    assert found["ann"].dtype == np.float64
    assert one.dimensions() == ["0", "1", "2"]
    report = one.report()
    assert report["captions"] == {"used": 3, "skipped": {"no words": 2, NO_DIRECTION: 2}}
    assert report["training_accounts"] == 4
    assert report["training_accounts_with_vectors"] == 2
    assert report["n_dimensions"] == 3
    assert report["min_members"] is None
    assert sorted(report["model_sha256"]) == ["model.onnx", "tokenizer.json"]


def test_an_accounts_mean_of_images_against_numpy(folder: Path) -> None:
    one = of_images(folder)
    posts = [
        Post("ann", "", image=folder / "red.png"),
        Post("bob", "", image=folder / "grey.png"),
        Post("ann", "", image=folder / "blue.png"),
        Post("ann", "", image=folder / "broken.png"),
        Post("cleo", "", image=folder / "broken.png"),
        Post("dan", "no image"),
    ]
    found = vectors(one, posts)
    single = {name: unit(np.array(colour) @ WEIGHTS) for name, colour in COLOURS.items()}
    assert found["ann"] == pytest.approx((single["red"] + single["blue"]) / 2, abs=1e-6)
    assert found["bob"] == pytest.approx(single["grey"], abs=1e-6)
    assert set(found) == {"ann", "bob"}
    assert one.report()["images"] == {"used": 3, "skipped": {images.UNKNOWN: 2}}
    assert one.modality == schema.CONTENT_VISUAL


def test_threads_change_nothing_and_captions_give_what_numpy_gives(folder: Path) -> None:
    rng = np.random.default_rng(5)
    posts = [Post(str(i % 7), " ".join(rng.choice(WORDS, rng.integers(1, 9)))) for i in range(101)]
    wanted = vectors(of_text(folder), posts)
    found = vectors(of_text(folder, n_jobs=2), posts)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[account], wanted[account]) for account in wanted)
    index = {word: row for row, word in enumerate(WORDS, start=2)}
    for account, vector in wanted.items():
        means = [
            TABLE[[index[word] for word in post.text.split()]].mean(axis=0)
            for post in posts
            if post.account == account
        ]
        units = [unit(mean) for mean in means if mean.any()]
        assert vector == pytest.approx(np.mean(units, axis=0), abs=1e-6)


def test_audiences_need_enough_members(folder: Path) -> None:
    audience = [
        Post("ann", "coffee", member="x"),
        Post("ann", "roast", member="x"),
        Post("bob", "coffee", member="x"),
        Post("bob", "roast", member="y"),
        Post("bob", "", member="z"),
    ]
    whole = material([Post("cleo", "sea")], audience)
    for min_members, wanted in ((1, {"ann", "bob"}), (2, {"bob"})):
        one = of_text(folder, of="audience", min_members=min_members)
        one.fit_transform(whole, ["ann", "bob"])
        assert set(one.transform(whole)) == wanted
    assert one.modality == schema.AUDIENCE_TOPICS
    assert one.report()["min_members"] == 2
    with pytest.raises(ConversionError, match=r"none of the 2 training .* captions: 4 used, 1 sk"):
        of_text(folder, of="audience", min_members=3).fit_transform(whole, ["ann", "bob"])
    assert of_images(folder, of="audience").modality == schema.AUDIENCE_VISUAL


def image_vector(folder: Path, tmp_path: Path, **options: Any) -> np.ndarray:
    one = of_images(folder, model=tmp_path, **options)
    found = vectors(one, [Post("ann", "", image=folder / "red.png")])
    return np.asarray(found["ann"])


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        (("places",), WEIGHTS[0]),
        (("map",), [1, 0, 0]),
        (("places", "vectors_of_images"), WEIGHTS[0]),
        (("map", "pooler_output"), WEIGHTS[0]),
        (("map", "image_embeds", "pooler_output"), WEIGHTS[0]),
    ],
)
def test_the_output_of_an_image_model(
    folder: Path, tmp_path: Path, outputs: tuple[str, ...], wanted: Any
) -> None:
    tiny_models.colour_model(tmp_path / "onnx" / "model.onnx", WEIGHTS, outputs=outputs)
    assert image_vector(folder, tmp_path) == pytest.approx(unit(wanted), abs=1e-6)


def test_the_processor_is_read_and_options_go_before_it(folder: Path, tmp_path: Path) -> None:
    tiny_models.colour_model(tmp_path / "model.onnx", WEIGHTS)
    processor = {"size": 5, "image_mean": [0.5, 0.25, 0], "image_std": [0.5, 1, 1]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    one = ImageEmbeddingExtractor("content_visual", model=str(tmp_path))
    found = vectors(one, [Post("ann", "", image=folder / "red.png")])
    assert found["ann"] == pytest.approx(unit(np.array([1, -0.25, 0]) @ WEIGHTS), abs=1e-6)
    assert [path.name for path in one.files()] == ["model.onnx", "preprocessor_config.json"]
    given = image_vector(folder, tmp_path, mean=[0, 0, 0], std=[1, 1, 1])
    assert given == pytest.approx(unit(WEIGHTS[0]), abs=1e-6)


def test_weights_of_any_name_are_files_of_the_model(folder: Path, tmp_path: Path) -> None:
    colour = tiny_models.colour_model(tmp_path / "made" / "model.onnx", WEIGHTS)
    path = tiny_models.with_weights_apart(colour, tmp_path / "model.onnx", "Constant_7_attr__value")
    (tmp_path / "model.onnx_data").write_bytes(b"of another model")
    assert image_vector(folder, tmp_path) == pytest.approx(unit(WEIGHTS[0]), abs=1e-6)
    one = of_images(folder, model=tmp_path)
    assert [path.name for path in one.files()] == ["model.onnx", "Constant_7_attr__value"]
    whole = material([Post("ann", "", image=folder / "red.png")])
    one.fit_transform(whole, ["ann"])
    one.transform(whole)
    weights = path.with_name("Constant_7_attr__value")
    weights.write_bytes(weights.read_bytes()[::-1])
    with pytest.raises(ConversionError, match="Constant_7_attr__value: found another file"):
        one.transform(whole)


def external(name: str) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("offset", "0"), ("location", name), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_weights_are_found_wherever_a_model_has_them(tmp_path: Path) -> None:
    inner = onnx.GraphProto(name="inner", initializer=[external("of_branch")])
    sparse = onnx.SparseTensorProto(values=external("values"), indices=external("indices"))
    inner.sparse_initializer.append(sparse)
    here = onnx.helper.make_tensor("here", TensorProto.FLOAT, [1000], np.arange(1000.0))
    graph = onnx.GraphProto(name="outer", initializer=[here, external("b/own"), external("b/own")])
    graph.node.append(onnx.NodeProto(op_type="If"))
    graph.node[0].attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH, g=inner)
    graph.node.append(onnx.NodeProto(op_type="Constant"))
    graph.node[1].attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=external("c"))
    function = onnx.FunctionProto(name="f", node=[onnx.NodeProto(op_type="Constant")])
    function.node[0].attribute.add(name="values", type=onnx.AttributeProto.TENSORS)
    function.node[0].attribute[0].tensors.append(external("of_function"))
    model = onnx.ModelProto(ir_version=8, graph=graph, functions=[function])
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    names = ["b/own", "c", "indices", "of_branch", "of_function", "values"]
    assert model_files(path) == (path, *(tmp_path / name for name in names))


@pytest.mark.parametrize("content", [b"", b"no model", b"\x3a\x05ab", b"\x08" + b"\xff" * 20])
def test_what_is_no_model_is_refused_before_it_runs(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ConversionError, match=r"model\.onnx: found .*; wanted an ONNX model") as e:
        ImageEmbeddingExtractor("content_visual", model=tmp_path).check_models()
    assert "\n" not in str(e.value)
    assert model_files(tmp_path / "none.onnx") == (tmp_path / "none.onnx",)


def text_vector(tmp_path: Path, caption: str = "coffee dress", **options: Any) -> np.ndarray:
    tiny_models.tokenizer(tmp_path, WORDS)
    one = SentenceEmbeddingExtractor("content_topics", model=tmp_path, **options)
    return np.asarray(vectors(one, [Post("ann", caption), Post("ann", f"{caption}")])["ann"])


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        # Coffee (3, 4, 0) is the first word; with dress (-5, 0, 0) the mean is (-1, 2, 0).
        (("last_hidden_state",), [-1, 2, 0]),
        (("pooler_output", "last_hidden_state"), [-1, 2, 0]),
        (("last_hidden_state", "sentence_embedding"), [3, 4, 0]),
        (("any",), [3, 4, 0]),
    ],
)
def test_the_output_of_a_sentence_model(
    tmp_path: Path, outputs: tuple[str, ...], wanted: Any
) -> None:
    tiny_models.sentence_model(tmp_path, TABLE, outputs=outputs, file="onnx/model.onnx")
    assert text_vector(tmp_path) == pytest.approx(unit(wanted), abs=1e-6)


@pytest.mark.parametrize("inputs", [("input_ids",), ("token_type_ids", "input_ids")])
def test_inputs_that_a_sentence_model_asks_for(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    tiny_models.sentence_model(tmp_path, TABLE, inputs=inputs, kind=TensorProto.INT32)
    assert text_vector(tmp_path) == pytest.approx(unit([-1, 2, 0]), abs=1e-6)


def test_long_captions_are_cut(tmp_path: Path) -> None:
    tiny_models.sentence_model(tmp_path, TABLE)
    found = text_vector(tmp_path, "coffee dress dress dress", max_length=1)
    assert found == pytest.approx(np.array([0.6, 0.8, 0]), abs=1e-6)


def test_special_tokens_alone_are_no_caption(tmp_path: Path) -> None:
    tiny_models.sentence_model(tmp_path, TABLE)
    tiny_models.tokenizer(tmp_path, WORDS, first="sea")
    one = SentenceEmbeddingExtractor("content_topics", model=tmp_path)
    found = vectors(one, [Post("ann", "..."), Post("bob", "coffee"), Post("cleo", "")])
    # Sea (0, -1, 0) before coffee (3, 4, 0).
    assert list(found) == ["bob"]
    assert found["bob"] == pytest.approx(unit([3, 3, 0]), abs=1e-6)


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [
        ("", ""),
        (" \t\n", ""),
        ("... !?", ""),
        ("@ann https://x.example/#a www.x.example a@b.example", ""),
        ("Our #newRoast!\n\n#coffee#love @ann ☕", "Our newRoast! coffee love ☕"),
        ("☕", "☕"),
        ("咖啡", "咖啡"),
        ("half \ud83d", "half ?"),
        ("a" * 10_000_000, "a" * 10_000),
    ],
)
def test_captions_as_sentences(caption: str, wanted: str) -> None:
    assert sentence(caption) == wanted


def test_what_a_folder_lacks_is_named(folder: Path, tmp_path: Path) -> None:
    for one, name in (
        (of_text(folder, model=tmp_path), "model.onnx"),
        (of_text(folder, model=folder / "image"), "tokenizer.json"),
        (of_images(folder, model=tmp_path), "model.onnx"),
    ):
        with pytest.raises(ConversionError, match=f"{name}: found No such file or directory; want"):
            check_extractor(one)


def test_what_is_no_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    tiny_models.sentence_model(tmp_path, TABLE)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(
        ConversionError, match=r"tokenizer\.json: found .*; wanted the file of a to"
    ):
        vectors(of_text(folder, model=tmp_path), CAPTIONS)


def test_models_of_something_else_are_refused(folder: Path, tmp_path: Path) -> None:
    tiny_models.tokenizer(tmp_path, WORDS)
    tiny_models.colour_model(tmp_path / "model.onnx", WEIGHTS)
    with pytest.raises(ConversionError, match="found the inputs image; wanted input_ids"):
        vectors(of_text(folder, model=tmp_path), CAPTIONS)
    tiny_models.sentence_model(tmp_path, TABLE[:2])
    with pytest.raises(ConversionError, match=r"found .*; wanted numbers: .*max_length") as e:
        vectors(of_text(folder, model=tmp_path), CAPTIONS)
    assert "\n" not in str(e.value)


def test_nothing_to_learn_from_tells_why(folder: Path) -> None:
    one = of_images(folder)
    message = r"content_visual: none of the 1 training accounts .* images: 0 used, 1 skipped \(1 no"
    with pytest.raises(ConversionError, match=message):
        one.fit_transform(material([Post("ann", "", image=folder / "broken.png")]), ["ann"])


def test_a_missing_library_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(ConversionError, match=r"'tokenizers'.*pip install -e \"\.\[models\]"):
        vectors(of_text(folder), CAPTIONS)


def test_a_size_that_the_model_does_not_take(folder: Path, tmp_path: Path) -> None:
    tiny_models.colour_model(tmp_path / "model.onnx", WEIGHTS, sides=(3, 3))
    with pytest.raises(ConversionError, match=r"the model takes 3 x 3"):
        image_vector(folder, tmp_path, crop=[5, 5])


def test_the_users_own_folder_is_not_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    one = of_text(folder, model="~/text")
    one.fit_transform(material(CAPTIONS), ["ann"])
    one.save(tmp_path)
    saved = json.loads((tmp_path / "embeddings.json").read_text())
    assert saved["options"]["model"] == "~/text"
    assert str(folder) not in (tmp_path / "embeddings.json").read_text()
    loaded = SentenceEmbeddingExtractor.load(tmp_path)
    assert set(loaded.transform(material(CAPTIONS))) == {"ann", "bob"}


def test_outputs_that_are_no_vectors_are_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    tiny_models.flat_model(path, image=True)
    with pytest.raises(ConversionError, match=r"found an output of shape \[.*a vector an image"):
        image_vector(folder, tmp_path)
    tiny_models.flat_model(path, image=False)
    with pytest.raises(ConversionError, match="wanted a vector a sentence or a vector a token"):
        text_vector(tmp_path)


def test_a_changed_model_is_refused_after_loading(tmp_path: Path) -> None:
    tiny_models.sentence_model(tmp_path, TABLE)
    tiny_models.tokenizer(tmp_path, WORDS)
    one = SentenceEmbeddingExtractor("content_topics", model=tmp_path)
    whole = material(CAPTIONS)
    one.fit_transform(whole, ["ann"])
    one.save(tmp_path)
    tiny_models.tokenizer(tmp_path, WORDS[::-1])
    with pytest.raises(ConversionError, match=r"tokenizer\.json: found another file"):
        SentenceEmbeddingExtractor.load(tmp_path).transform(whole)


def test_vectors_that_cancel_out_are_missing(tmp_path: Path) -> None:
    tiny_models.sentence_model(tmp_path, np.array([[0, 0], [0, 0], [2, 0], [-5, 0], [0, 3]]))
    tiny_models.tokenizer(tmp_path, ["right", "left", "up"])
    one = SentenceEmbeddingExtractor("content_topics", model=tmp_path)
    posts = [Post("ann", "right"), Post("ann", "left"), Post("bob", "up")]
    assert {name: mean.tolist() for name, mean in vectors(one, posts).items()} == {"bob": [0, 1]}


def test_the_runtime_of_models_keeps_no_number_of_this_machine(tmp_path: Path) -> None:
    tiny_models.colour_model(tmp_path / "model.onnx", np.eye(3))
    program = (
        "from pathlib import Path; from dataset_convert.features.models import *; "
        f"Model(Path({str(tmp_path / 'model.onnx')!r}), ModelOptions())"
    )
    (tmp_path / "home").mkdir()
    environment = {key: value for key, value in os.environ.items() if "TELEMETRY" not in key}
    subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "HOME": str(tmp_path / "home")},
        check=True,
    )
    assert list((tmp_path / "home").iterdir()) == []
