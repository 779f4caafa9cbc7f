"""Image labels: scores by hand and by numpy, and the same data set as from a table of scores."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_models
from little_material import material
from PIL import Image

from dataset_convert import schema
from dataset_convert.features import pictures as images
from dataset_convert.features.labels import LabelExtractor
from dataset_convert.features.models import as_json, read_labels
from dataset_convert.features.pictures import NOT_FINITE, ImageLabelExtractor
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import Post
from dataset_convert.sources import tables

OBJECTS = ["cup", "golden retriever", "hat", "crane", "crane"]
SCENES = ["bar", "sea"]
OBJECT_WEIGHTS = np.array([[3, 0, 0, -2, 1], [0, 3, 0, 1, 0], [0, 0, 3, 1, -1]], float)
SCENE_WEIGHTS = np.array([[2, -2], [0, 1], [-1, 2]], float)
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (119, 119, 119)}
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("models")
    tiny_models.colour_model(found / "objects.onnx", OBJECT_WEIGHTS)
    tiny_models.colour_model(found / "scenes.onnx", SCENE_WEIGHTS, sides=(7, 5))
    tiny_models.labels(found / "objects.txt", OBJECTS)
    tiny_models.labels(found / "scenes.json", SCENES)
    for name, colour in COLOURS.items():
        Image.new("RGB", (11, 13), colour).save(found / f"{name}.png")
    (found / "broken.jpg").write_bytes(b"no image")
    return found


def block(folder: Path, name: str, **options: object) -> dict[str, object]:
    labels = "objects.txt" if name == "objects" else "scenes.json"
    size = {"size": 17} if name == "objects" else {}
    return {
        "model": str(folder / f"{name}.onnx"),
        "labels": str(folder / labels),
        **size,
        **options,
    }


def extractor(folder: Path, **options: Any) -> ImageLabelExtractor:
    blocks = {name: block(folder, name) for name in ("objects", "scenes")}
    return made(**{**blocks, **options})


def made(of: str = "content", **options: Any) -> ImageLabelExtractor:
    return ImageLabelExtractor(f"{of}_visual", **options)


def post(folder: Path, account: str, colour: str, **more: Any) -> Post:
    return Post(account, "", image=folder / f"{colour}.png", **more)


def logits(colour: str, weights: np.ndarray) -> np.ndarray:
    return ((np.array(COLOURS[colour]) / 255 - MEAN) / STD) @ weights


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values)
    return powers / powers.sum()


NAMES = ["cup", "golden-retriever", "hat", "crane-3", "crane-4"]


def expected(colour: str, threshold: float = 0.1) -> dict[str, float]:
    scores = dict(zip(NAMES, softmax(logits(colour, OBJECT_WEIGHTS)), strict=True))
    scenes = softmax(logits(colour, SCENE_WEIGHTS))
    scores |= {f"scene:{name}": score for name, score in zip(SCENES, scenes, strict=True)}
    return {
        name: pytest.approx(score, abs=1e-5) for name, score in scores.items() if score >= threshold
    }


def test_scores_of_images_against_numpy(folder: Path) -> None:
    posts = [post(folder, "ann", name) for name in COLOURS]
    for one, colour in zip(extractor(folder).scored(posts)[0], COLOURS, strict=True):
        assert one.labels == expected(colour)
    one = extractor(folder, object_threshold=0, scene_threshold=0).scored(posts)[0][0]
    assert one.labels == expected("red", 0)
    assert len(one.labels) == 7


def posts_of(folder: Path) -> list[Post]:
    return [
        post(folder, "ann", "red"),
        Post("ann", "", labels={"cup": 0.4}),
        post(folder, "bob", "grey", labels={"sofa": 1.0}),
        post(folder, "ann", "blue"),
        Post("bob", "", image=folder / "broken.jpg", labels={"hat": 0.7}),
        Post("cleo", "", image=folder / "broken.jpg"),
        Post("dan", "", image=folder / "none.jpg"),
        post(folder, "eve", "green"),
    ]


def test_an_accounts_weights_by_hand(folder: Path) -> None:
    posts = posts_of(folder)
    whole = material(posts)
    one = extractor(folder, object_threshold=0.3, scene_threshold=0.6)
    one.fit_transform(whole, ["ann", "bob", "cleo"])
    found = one.transform(whole)
    red, blue = (softmax(logits(name, OBJECT_WEIGHTS)) for name in ("red", "blue"))
    # Red is a cup and a bar, blue a hat and the sea; the table adds 0.4 of a cup.
    assert red[0] > 0.3 > np.sort(red)[-2]
    assert blue[2] > 0.3 > np.sort(blue)[-2]
    total = red[0] + 0.4 + blue[2]
    bar, sea = (
        softmax(logits("red", SCENE_WEIGHTS))[0],
        softmax(logits("blue", SCENE_WEIGHTS))[1],
    )
    assert found["ann"] == {
        "cup": pytest.approx((red[0] + 0.4) / total, abs=1e-5),
        "hat": pytest.approx(blue[2] / total, abs=1e-5),
        "scene:bar": pytest.approx(bar / (bar + sea), abs=1e-5),
        "scene:sea": pytest.approx(sea / (bar + sea), abs=1e-5),
    }
    # Bob's sofa gave way to the image's scores; the labels beside a broken image stay.
    assert found["bob"]["hat"] > 0
    assert "sofa" not in one.dimensions()
    # Cleo and Dan have no image that can be used: absent, never zeros.
    assert set(found) == {"ann", "bob", "eve"}
    assert one.report()["images"] == {
        "used": 4,
        "skipped": {images.UNKNOWN: 2, images.NO_FILE: 1},
    }


def test_labels_of_other_accounts_are_no_dimensions(folder: Path) -> None:
    whole = material(posts_of(folder))
    one = extractor(folder, object_threshold=0.3)
    one.fit_transform(whole, ["bob"])
    # Bob shows a grey image, and a hat beside a broken one; green is Eve's alone.
    assert "golden-retriever" not in one.dimensions()
    assert set(one.transform(whole)["eve"]) == {"scene:sea"}


def test_a_table_of_the_same_scores_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    posts = posts_of(folder)
    rows = [
        json.dumps({"account": one.account, "labels": dict(one.labels)})
        for one in extractor(folder).scored(posts)[0]
    ]
    accounts = "\n".join(
        [
            "id,role",
            *(f"{name},influencer" for name in ("ann", "bob", "cleo", "dan", "eve")),
            "b,brand",
        ]
    )
    (tmp_path / "accounts.csv").write_text(accounts + "\n")
    (tmp_path / "collaborations.csv").write_text("brand,influencer\nb,ann\n")
    (tmp_path / "posts.jsonl").write_text("\n".join(rows) + "\n")
    from_table = tables.read(tmp_path, {}, Problems())
    by_table = LabelExtractor("content_visual")
    by_table.fit_transform(from_table, ["ann", "bob"])
    by_images = extractor(folder)
    whole = material(posts)
    by_images.fit_transform(whole, ["ann", "bob"])
    found = by_images.transform(whole)
    assert found == by_table.transform(from_table)
    assert {name: list(weights) for name, weights in found.items()} == {
        name: list(weights) for name, weights in by_table.transform(from_table).items()
    }
    assert by_images.dimensions() == by_table.dimensions()
    for place, one in (("images", by_images), ("table", by_table)):
        (tmp_path / place).mkdir()
        one.save(tmp_path / place)
    saved = [(tmp_path / place / "labels.json").read_bytes() for place in ("images", "table")]
    images_own = {"images", "model_sha256"}
    fits = [json.loads(text)["fitted"] for text in saved]
    assert fits[0]["labels"] == fits[1]["labels"]
    told = {key: value for key, value in fits[0]["report"].items() if key not in images_own}
    assert told == fits[1]["report"]


def test_threads_change_nothing(folder: Path) -> None:
    whole = material([one for _ in range(30) for one in posts_of(folder)])
    wanted = extractor(folder).fit_transform(whole, ["ann", "bob"])
    assert extractor(folder, n_jobs=2).fit_transform(whole, ["ann", "bob"]) == wanted


def test_each_image_is_looked_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    plain = images.open_image

    def counting(path: Path) -> Image.Image:
        seen.append(path)
        return plain(path)

    monkeypatch.setattr("dataset_convert.features.pictures.open_image", counting)
    whole = material(posts_of(folder))
    one = extractor(folder)
    one.fit_transform(whole, ["ann", "bob"])
    assert len(seen) == 7


def test_audiences_need_enough_members(folder: Path) -> None:
    audience = [
        post(folder, "ann", "red", member="x"),
        post(folder, "ann", "blue", member="x"),
        post(folder, "bob", "red", member="x"),
        post(folder, "bob", "red", member="y"),
        Post("bob", "", member="z", image=folder / "broken.jpg"),
    ]
    whole = material([post(folder, "cleo", "red")], audience)
    for min_members, wanted in ((1, {"ann", "bob"}), (2, {"bob"}), (3, set())):
        one = extractor(folder, of="audience", min_members=min_members)
        one.fit_transform(whole, ["ann"])
        assert set(one.transform(whole)) == wanted
    assert one.modality == schema.AUDIENCE_VISUAL


def score(folder: Path, tmp_path: Path, colour: str = "red", **options: Any) -> dict[str, float]:
    one = made(
        objects=block(folder, "objects", model=str(tmp_path / "m.onnx"), **options),
        object_threshold=0,
    )
    return dict(one.scored([post(folder, "ann", colour)])[0][0].labels)


@pytest.mark.parametrize(
    "model",
    [
        {"batch": 4},
        {"colours_last": True},
        {"sides": (17, 17)},
        {"batch": 1, "sides": (17, 17), "colours_last": True},
    ],
)
def test_models_of_any_shape_give_the_same(folder: Path, tmp_path: Path, model: dict) -> None:
    tiny_models.colour_model(tmp_path / "m.onnx", OBJECT_WEIGHTS, **model)
    wanted = dict(zip(NAMES, softmax(logits("red", OBJECT_WEIGHTS)), strict=True))
    assert score(folder, tmp_path) == pytest.approx(wanted, abs=1e-5)


def test_half_precision(folder: Path, tmp_path: Path) -> None:
    tiny_models.colour_model(tmp_path / "m.onnx", OBJECT_WEIGHTS, half=True)
    wanted = dict(zip(NAMES, softmax(logits("red", OBJECT_WEIGHTS)), strict=True))
    assert score(folder, tmp_path) == pytest.approx(wanted, abs=1e-2)


def test_activations(folder: Path, tmp_path: Path) -> None:
    tiny_models.colour_model(tmp_path / "m.onnx", OBJECT_WEIGHTS)
    raw = logits("green", OBJECT_WEIGHTS)
    wanted = dict(zip(NAMES, 1 / (1 + np.exp(-raw)), strict=True))
    found = score(folder, tmp_path, "green", activation="sigmoid")
    assert found == pytest.approx(wanted, abs=1e-5)
    tiny_models.colour_model(tmp_path / "m.onnx", OBJECT_WEIGHTS, ending="Softmax")
    wanted = dict(zip(NAMES, softmax(raw), strict=True))
    found = score(folder, tmp_path, "green", activation="none")
    assert found == pytest.approx(wanted, abs=1e-5)


def test_large_logits_do_not_overflow(folder: Path, tmp_path: Path) -> None:
    tiny_models.colour_model(tmp_path / "m.onnx", OBJECT_WEIGHTS * 1e4)
    for activation in ("softmax", "sigmoid"):
        found = score(folder, tmp_path, "blue", activation=activation)
        assert found["hat"] == 1
        assert found.get("cup", 0) == 0


def test_outputs_of_another_scale_are_refused(folder: Path, tmp_path: Path) -> None:
    tiny_models.colour_model(tmp_path / "m.onnx", OBJECT_WEIGHTS)
    with pytest.raises(ConversionError, match=r"found outputs from .* Set activation to softmax"):
        score(folder, tmp_path, activation="none")
    tiny_models.colour_model(tmp_path / "m.onnx", OBJECT_WEIGHTS, ending="Softmax")
    with pytest.raises(ConversionError, match=r"sum to 1 already.* Set activation to none"):
        score(folder, tmp_path)


def test_an_image_without_finite_scores_is_left_out(folder: Path, tmp_path: Path) -> None:
    # The logarithm of what is below zero is NaN: of green and blue in a red image.
    tiny_models.colour_model(tmp_path / "m.onnx", np.eye(3), ending="Log")
    tiny_models.labels(tmp_path / "l.txt", ["r", "g", "b"])
    own = block(folder, "objects", model=str(tmp_path / "m.onnx"), labels=str(tmp_path / "l.txt"))
    one = made(objects=own, scenes=block(folder, "scenes"))
    Image.new("RGB", (3, 3), "white").save(tmp_path / "white.png")
    posts = [
        post(folder, "ann", "red", labels={"cup": 0.5}),
        replace(post(folder, "ann", "red"), image=tmp_path / "white.png"),
    ]
    (first, second), told = one.scored(posts)
    assert first.labels == {"cup": 0.5}
    assert second.labels["r"] == pytest.approx(1 / 3, abs=0.1)
    assert as_json(told) == {"used": 1, "skipped": {NOT_FINITE: 1}}


def test_a_block_may_be_left_out(folder: Path) -> None:
    one = made(scenes=block(folder, "scenes"))
    [scored], _ = one.scored([post(folder, "ann", "red")])
    assert list(scored.labels) == ["scene:bar"]
    with pytest.raises(ConversionError, match="must have 'objects' or 'scenes', or both"):
        made()


def test_the_report_names_models_and_no_folder(folder: Path) -> None:
    one = extractor(folder)
    one.fit_transform(material(posts_of(folder)), ["ann", "nobody"])
    report = one.report()
    assert report["training_accounts"] == 2
    assert report["training_posts"] == 3
    files = report["model_sha256"]
    assert sorted(files) == ["objects.onnx", "objects.txt", "scenes.json", "scenes.onnx"]
    assert {len(one) for one in files.values()} == {64}
    assert str(folder) not in json.dumps(report)


def test_a_changed_model_is_refused_after_loading(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    tiny_models.colour_model(model, OBJECT_WEIGHTS)
    one = made(objects=block(folder, "objects", model=str(model)))
    whole = material(posts_of(folder))
    one.fit_transform(whole, ["ann"])
    one.save(tmp_path)
    tiny_models.colour_model(model, OBJECT_WEIGHTS + 1)
    with pytest.raises(
        ConversionError, match=r"m\.onnx: found another file; wanted the file that the data set"
    ):
        ImageLabelExtractor.load(tmp_path).transform(whole)
    model.unlink()
    with pytest.raises(ConversionError, match=r"m\.onnx: found No such file"):
        ImageLabelExtractor.load(tmp_path).transform(whole)


def test_nothing_to_learn_from_tells_of_the_images(folder: Path) -> None:
    one = extractor(folder)
    with pytest.raises(ConversionError, match=r"of the 1 posts .*: 0 used, 1 skipped \(1 no"):
        one.fit_transform(material([Post("ann", "", image=folder / "broken.jpg")]), ["ann"])


def scored(one: ImageLabelExtractor, folder: Path) -> None:
    one.scored([post(folder, "ann", "red")])


def test_another_number_of_labels_is_refused(folder: Path, tmp_path: Path) -> None:
    tiny_models.labels(tmp_path / "l.txt", ["cup", "hat"])
    own = block(folder, "objects", labels=str(tmp_path / "l.txt"))
    with pytest.raises(ConversionError, match=r"found 5 outputs; wanted 2, one for each label"):
        scored(extractor(folder, objects=own), folder)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda path: path.write_bytes(b"no model"), "wanted an ONNX model"),
        (lambda path: None, "wanted an ONNX model"),
        (
            lambda path: tiny_models.colour_model(path, OBJECT_WEIGHTS[:1], colours=1),
            "found the inputs",
        ),
        (
            lambda path: tiny_models.sentence_model(path.parent, np.eye(3), file=path.name),
            r"found the inputs input_ids \[None, None\].*wanted one input",
        ),
    ],
)
def test_models_that_do_not_look_at_images_are_refused(
    folder: Path, tmp_path: Path, model: Any, message: str
) -> None:
    model(tmp_path / "m.onnx")
    own = block(folder, "objects", model=str(tmp_path / "m.onnx"))
    with pytest.raises(ConversionError, match=message) as found:
        scored(extractor(folder, objects=own), folder)
    assert "\n" not in str(found.value)


def test_a_model_that_fails_is_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    # It says that it takes any number of images and then wants to make 7 numbers of them.
    nodes = [onnx.helper.make_node("Reshape", ["image", "shape"], ["flat"])]
    shapes = [["n", 3, 5, 5], [7]]
    image, flat = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in zip(("image", "flat"), shapes, strict=True)
    )
    path = tmp_path / "m.onnx"
    tiny_models.write_model(path, nodes, [image], [flat], {"shape": np.array([7])})
    with pytest.raises(
        ConversionError,
        match=r"m\.onnx: found .*; wanted numbers: try a smaller size",
    ) as found:
        scored(extractor(folder, objects=block(folder, "objects", model=str(path), size=5)), folder)
    assert "\n" not in str(found.value)


def test_a_model_of_another_size_is_refused(folder: Path) -> None:
    own = block(folder, "scenes", size=[3, 3])
    with pytest.raises(ConversionError, match=r"3 x 3 pixels .* takes 7 x 5"):
        scored(extractor(folder, scenes=own), folder)


def test_providers_are_taken_where_they_are_offered(folder: Path) -> None:
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    scored(extractor(folder, providers=both), folder)
    with pytest.raises(
        ConversionError, match=r"none of the providers NoSuchProvider; .*CPUExecutionProvider"
    ):
        scored(extractor(folder, providers=["NoSuchProvider"]), folder)


@pytest.mark.parametrize("module", ["onnxruntime", "PIL.Image"])
def test_a_missing_library_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ConversionError, match=rf"'{module}'.*pip install -e \"\.\[models\]"):
        scored(extractor(folder), folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "cup\ngolden retriever\n crane\ncrane \n\n"),
        ("a.txt", "\ufeffcup\r\ngolden\u00a0retriever\r\ncrane\r\ncrane"),
        ("a.json", '["cup", "golden retriever", "crane", "crane"]'),
        ("a.json", '{"1": "golden retriever", "0": "cup", "3": "crane", "2": "crane"}'),
        (
            "a.json",
            '{"id2label": {"0": "cup", "1": "golden retriever", "2": "crane", "3": "crane"}}',
        ),
    ],
)
def test_label_files(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert read_labels(tmp_path / name) == ["cup", "golden-retriever", "crane-2", "crane-3"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "no label for output 0"),
        ("a.txt", b"cup\n\nhat\n", "no label for output 1"),
        ("a.txt", b"\xff\xfe", "wanted one label a line"),
        ("a.json", b"{", "wanted one label a line"),
        ("a.json", b"3", "no list of texts"),
        ("a.json", b"[3]", "no list of texts"),
        ("a.json", b'{"0": "a", "2": "b"}', "no label for output 1"),
        ("a.json", b"[" * 100_000, "wanted one label a line"),
        ("a.txt", b"a\na\na-1\n", "'a-1' twice"),
    ],
)
def test_wrong_label_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConversionError, match=message):
        read_labels(tmp_path / name)


def test_a_missing_label_file(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="found No such file"):
        read_labels(tmp_path / "none.txt")


def test_objects_must_not_look_like_scenes(folder: Path, tmp_path: Path) -> None:
    tiny_models.labels(tmp_path / "l.txt", ["cup", "scene:bar"])
    own = block(folder, "objects", labels=str(tmp_path / "l.txt"))
    with pytest.raises(ConversionError, match="the label 'scene:bar'"):
        scored(extractor(folder, objects=own), folder)
