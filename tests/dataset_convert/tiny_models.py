"""Tiny ONNX models and tokenizers whose outputs a test can work out by itself."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

RNG = np.random.default_rng(7)


def write_model(path: Path, nodes: list, inputs: list, outputs: list, constants: dict) -> Path:
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def with_weights_apart(model: Path, path: Path, name: str) -> Path:
    """The same model with its weights in a file of that name beside it."""
    onnx.save_model(
        onnx.load(model),
        path,
        save_as_external_data=True,
        location=name,
        size_threshold=0,
    )
    return path


def colour_model(
    path: Path,
    weights: np.ndarray,
    *,
    batch: int | str = "batch",
    sides: tuple[int | str, int | str] = ("height", "width"),
    colours_last: bool = False,
    half: bool = False,
    ending: str | None = None,
    outputs: tuple[str, ...] = ("logits",),
    colours: int = 3,
) -> Path:
    """Mean colour of the normalised image times `weights` (colour, output).

    `ending` is an operator after that; outputs named `map` are the image itself, `places` is
    (image, 2, output) with the product first and zeros second.
    """
    kind, numpy_kind = (
        (TensorProto.FLOAT16, np.float16) if half else (TensorProto.FLOAT, np.float32)
    )
    shape = [batch, *sides, colours] if colours_last else [batch, colours, *sides]
    axes = [1, 2] if colours_last else [2, 3]
    product = "product" if ending else "vectors"
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], [product]),
    ]
    if ending:
        nodes.append(helper.make_node(ending, [product], ["vectors"]))
    given = []
    n_outputs = weights.shape[1]
    for name in outputs:
        if name == "map":
            nodes.append(helper.make_node("Identity", ["image"], ["map"]))
            given.append(helper.make_tensor_value_info("map", kind, shape))
        elif name == "places":
            nodes += [
                helper.make_node("Sub", ["vectors", "vectors"], ["none"]),
                helper.make_node("Unsqueeze", ["vectors", "one"], ["first"]),
                helper.make_node("Unsqueeze", ["none", "one"], ["second"]),
                helper.make_node("Concat", ["first", "second"], ["places"], axis=1),
            ]
            given.append(helper.make_tensor_value_info("places", kind, [batch, 2, n_outputs]))
        else:
            nodes.append(helper.make_node("Identity", ["vectors"], [name]))
            given.append(helper.make_tensor_value_info(name, kind, [batch, n_outputs]))
    constants = {"weights": weights.astype(numpy_kind), "one": np.array([1], np.int64)}
    return write_model(
        path, nodes, [helper.make_tensor_value_info("image", kind, shape)], given, constants
    )


def sentence_model(
    folder: Path,
    table: np.ndarray,
    *,
    outputs: tuple[str, ...] = ("last_hidden_state",),
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    kind: int = TensorProto.INT64,
    file: str = "model.onnx",
) -> Path:
    """Every token's row of `table`; outputs with another name are rows of the first token."""
    nodes, given = [], []
    for name in outputs:
        if name == "last_hidden_state":
            nodes.append(helper.make_node("Gather", ["table", "input_ids"], [name], axis=0))
            shape = ["batch", "length", table.shape[1]]
        else:
            nodes += [
                helper.make_node("Gather", ["input_ids", "zero"], [f"{name}_id"], axis=1),
                helper.make_node("Gather", ["table", f"{name}_id"], [name], axis=0),
            ]
            shape = ["batch", table.shape[1]]
        given.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return write_model(
        folder / file,
        nodes,
        [helper.make_tensor_value_info(name, kind, ["batch", "length"]) for name in inputs],
        given,
        {"table": table.astype(np.float32), "zero": np.array(0, np.int64)},
    )


def flat_model(path: Path, *, image: bool) -> Path:
    """One number an input, the largest of it: no vector."""
    name, kind, shape = "input_ids", TensorProto.INT64, ["batch", "length"]
    if image:
        name, kind, shape = "image", TensorProto.FLOAT, ["batch", 3, "height", "width"]
    axes = list(range(1, len(shape)))
    nodes = [helper.make_node("ReduceMax", [name], ["flat"], axes=axes, keepdims=0)]
    flat = helper.make_tensor_value_info("flat", kind, ["batch"])
    return write_model(path, nodes, [helper.make_tensor_value_info(name, kind, shape)], [flat], {})


def tokenizer(folder: Path, words: Sequence[str], *, first: str | None = None) -> None:
    """A tokenizer of lower-case words: id 0 fills up, id 1 is any other word.

    `first` is a word that is put before every sentence, as special tokens are.
    """
    vocabulary = {name: i for i, name in enumerate(["[PAD]", "[UNK]", *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if first is not None:
        special = [(first, vocabulary[first])]
        made.post_processor = processors.TemplateProcessing(f"{first} $A", special_tokens=special)
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))


def labels(path: Path, names: Sequence[str]) -> Path:
    text = json.dumps(names) if path.suffix == ".json" else "\n".join(names) + "\n"
    path.write_text(text, encoding="utf-8")
    return path
