"""A fitted model's encoders as ONNX graphs, which do what `Fitted.encode` does, in its order."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from dataset_convert import schema
from recbole_mirec.nn.fitted import CATEGORY, HUBNESS, PRECEDENT, ROUNDING, Fitted, Table

# The oldest operators that have all that is used, and the file format that came with them.
_OPERATORS, _FORMAT = 17, 8
_AT_ONCE = 4096
_TINY = 1e-30


class _Graph:
    """Operators on tensors, added one by one; a tensor is its name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add an operator; what is no name is a constant. Returns its result's name."""
        name = f"t{len(self.nodes)}"
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(helper.make_node(kind, names, [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Keep an array: whole numbers as they are, others in double precision."""
        array, name = np.asarray(value), f"c{len(self.constants)}"
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def double(self, tensor: str) -> str:
        return self("Cast", tensor, to=TensorProto.DOUBLE)

    def total(self, tensor: str) -> str:
        """The sum over the last axis, which stays with length 1."""
        return self("ReduceSum", tensor, [-1], keepdims=1)

    def length(self, tensor: str) -> str:
        return self("Sqrt", self.total(self("Mul", tensor, tensor)))

    def unit(self, rows: str, least: Any) -> str:
        """Rows at length 1; zeros where they are not longer than `least`."""
        length = self.length(rows)
        scaled = self("Div", rows, self("Max", length, _TINY))
        return self("Where", self("Greater", length, least), scaled, 0.0)

    def joined(self, tensors: list[str]) -> str:
        return self("Concat", *tensors, axis=-1)


def encoder(fitted: Fitted, side: schema.Side, table: Table) -> bytes:
    """A side's encoder.

    Its inputs are those modalities of the table that the model reads: `<modality>`, float32
    (account, dimension), and `<modality>_known`, bool (account). Its output `vector`, float64
    (account, dimension), has the parts side by side.

    Args:
        fitted: the model.
        side: brand or influencer.
        table: accounts, for the widths of their rows.
    """
    graph, layout = _Graph(), fitted.layout
    names = [x for x in table if x in layout.modalities(side) or x in layout.kernels.get(side, {})]
    inputs, kernels = {}, {}
    for name in names:
        mask = graph("Unsqueeze", f"{name}_known", [1])
        rows = graph("Where", mask, graph.double(name), 0.0)
        if name in layout.modalities(side):
            inputs[name] = _standardised(graph, fitted, side, name, rows, mask)
        kernels[name] = rows if name == CATEGORY else inputs[name][0]
    parts = {name: _learnt(graph, fitted, side, name, inputs) for name in layout.perspectives}
    if PRECEDENT in layout.parts:
        weights = layout.kernels[side]
        kernel = graph.joined([graph("Mul", kernels[x], weights[x]) for x in weights])
        parts[PRECEDENT] = _precedent(graph, fitted, side, kernel)
    if HUBNESS in layout.parts:
        parts[HUBNESS] = _hubness(graph, fitted, side, list(parts.values()))
    graph.nodes.append(helper.make_node("Concat", [*parts.values()], ["vector"], axis=-1))
    given = [
        helper.make_tensor_value_info(x, TensorProto.FLOAT, ["account", table[x][0].shape[1]])
        for x in names
    ]
    given += [
        helper.make_tensor_value_info(f"{x}_known", TensorProto.BOOL, ["account"]) for x in names
    ]
    output = [helper.make_tensor_value_info("vector", TensorProto.DOUBLE, ["account", None])]
    made = helper.make_graph(graph.nodes, f"{side} encoder", given, output, graph.constants)
    operators = [helper.make_opsetid("", _OPERATORS)]
    model = helper.make_model(made, opset_imports=operators, ir_version=_FORMAT)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def furthest(made: bytes, fitted: Fitted, side: schema.Side, table: Table) -> float:
    """How far an encoder's numbers are at most from those of `Fitted.encode`, of all accounts."""
    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    names = {x.name for x in session.get_inputs()}
    n_accounts, most = len(next(iter(table.values()))[1]), 0.0
    for start in range(0, n_accounts, _AT_ONCE):
        some = {
            x: (of[start : start + _AT_ONCE], mask[start : start + _AT_ONCE])
            for x, (of, mask) in table.items()
        }
        fed: dict[str, Any] = {
            x: of.astype(np.float32) for x, (of, _) in some.items() if x in names
        }
        fed |= {f"{x}_known": some[x][1] for x in fed}
        (found,) = session.run(["vector"], fed)
        most = max(
            most, float(np.abs(found - np.hstack([*fitted.encode(side, some).values()])).max())
        )
    return most


def _standardised(
    graph: _Graph, fitted: Fitted, side: schema.Side, name: str, rows: str, mask: str
) -> tuple[str, str]:
    """`Fitted.inputs` of a modality: rows on its axes, and the mask (account, 1)."""
    if name == schema.ATTRIBUTES:
        embeddings = fitted.arrays["embeddings"]
        listed = graph("Mul", rows, embeddings.any(axis=1).astype(float))
        counts = graph.total(listed)
        rows = graph("Div", graph("MatMul", listed, embeddings), graph("Max", counts, 1.0))
        mask = graph("Greater", counts, 0.0)
        rows = graph("Where", mask, rows, 0.0)
    rows = graph("Sqrt", rows) if name in fitted.layout.rooted else rows
    least = graph("Mul", graph("Max", graph.length(rows), _TINY), ROUNDING)
    moved = graph("Where", mask, graph("Sub", rows, fitted.arrays[f"mean {side} {name}"]), 0.0)
    axes = fitted.arrays[f"axes {fitted.layout.spaces[name]}"]
    return graph("MatMul", graph.unit(moved, least), axes), mask


def _learnt(
    graph: _Graph, fitted: Fitted, side: schema.Side, part: str, inputs: Mapping[str, Any]
) -> str:
    """`Fitted._learnt`, with seeds before accounts until they are side by side."""
    scale, found = fitted.arrays["scale"], dict[str, str]()
    for pair, (perspective, brand, influencer) in enumerate(fitted.layout.pairs):
        if perspective != part or (side == schema.INFLUENCER and influencer in found):
            continue
        modality = brand if side == schema.BRAND else influencer
        rows, _ = inputs[modality]
        moved = graph("MatMul", rows, fitted.arrays[f"map {fitted.layout.spaces[modality]}"])
        own = graph.unit(graph("Add", moved, rows), ROUNDING)
        if side == schema.BRAND:
            own = graph("Mul", own, scale[:, pair, None, None])
        found[influencer] = graph("Add", found[influencer], own) if influencer in found else own
    blocks = []
    for name, rows in found.items():
        scaled = graph("Div", rows, len(scale) ** 0.5)
        own = graph("Transpose", scaled, perm=[1, 0, 2])
        flat = graph("Reshape", own, [0, -1])
        centre = fitted.arrays[f"centre {part} {name}"].ravel()
        mask = graph.double(inputs[name][1]) if side == schema.INFLUENCER else ""
        blocks += [flat, mask or graph("Neg", graph.total(graph("Mul", flat, centre)))]
    return graph.joined(blocks)


def _precedent(graph: _Graph, fitted: Fitted, side: schema.Side, rows: str) -> str:
    """`Fitted.with_precedent`, a brand's times its weight."""
    marks, width = fitted.arrays[f"landmarks {side}"], float(fitted.arrays[f"width {side}"])
    sums = graph("Add", graph.total(graph("Mul", rows, rows)), (marks**2).sum(axis=1))
    squares = graph("Sub", sums, graph("Mul", graph("MatMul", rows, marks.T), 2.0))
    near = graph("Exp", graph("Div", graph("Neg", graph("Max", squares, 0.0)), width))
    known = graph("Greater", graph.total(graph("Abs", rows)), 0.0)
    near = graph("Where", known, near, 0.0)
    if side == schema.BRAND:
        return graph("Mul", near, float(fitted.arrays["weight"]))
    return graph("MatMul", near, fitted.arrays["ridge"])


def _hubness(graph: _Graph, fitted: Fitted, side: schema.Side, parts: list[str]) -> str:
    """What is taken away from an influencer, and of a brand 1."""
    rows, reference = graph.joined(parts), fitted.arrays["reference"]
    if side == schema.BRAND:
        return graph("Add", graph("Mul", graph.total(rows), 0.0), 1.0)
    nearest = min(fitted.layout.neighbours, len(reference))
    scores = graph("MatMul", rows, reference.T)
    name = graph("TopK", scores, np.array([nearest]), axis=-1)
    graph.nodes[-1].output.append(f"{name}_places")
    mean = graph("Div", graph.total(name), float(nearest))
    return graph("Mul", mean, -fitted.layout.hubness)
