"""Search spaces: read as they are written, drawn as they are read, checked by their model."""

import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperopt import space_eval
from hyperopt.pyll.stochastic import sample
from hypothesis import given
from hypothesis import strategies as st
from study_cases import space_of

from dataset_convert.common.errors import UsageError
from recbole_mirec.config import MirecConfig, properties_folder
from recbole_mirec.tuning.space import (
    IDLE,
    NOT_SEARCHED,
    Parameter,
    SearchSpace,
    check_space,
    read_space,
)


def read(tmp_path: Path, text: str) -> SearchSpace:
    path = tmp_path / "my.hyper"
    path.write_text(text, encoding="utf-8")
    return read_space(path)


def typed(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and True differ."""
    if isinstance(value, list | tuple):
        return [typed(part) for part in value]
    return type(value).__name__, value


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a choice [64,96,128]", (64, 96, 128)),
        ("a choice [64, 96,  128]", (64, 96, 128)),
        ("a\tchoice   [0.1, 1e-3]", (0.1, 0.001)),
        ("a choice [1e-3,None]", (0.001, None)),
        ("a choice ['[64,64]','[128]']", ([64, 64], [128])),
        ("a choice ['[64, 64]']", ([64, 64],)),
        ("a choice [[64,64],[128],(3,5)]", ([64, 64], [128], [3, 5])),
        ("a choice ['adam',\"sgd\"]", ("adam", "sgd")),
        ("a choice [adam,sgd]", ("adam", "sgd")),
        ("a choice [normal_0.1, 'uniform_0.1']", ("normal_0.1", "uniform_0.1")),
        ("a choice [[content,audience],[content]]", (["content", "audience"], ["content"])),
        ("a choice [['content','audience']]", (["content", "audience"],)),
        ("a choice [True,false,'True']", None),
        ("a choice [true,1,'None',0.5]", (True, 1, None, 0.5)),
        ("a choice ['1e-3',2]", (0.001, 2)),
        ("a choice ['{content: 4.0, audience: 2}']", ({"content": 4.0, "audience": 2},)),
        ("a choice [1,2,]", (1, 2)),
        ("a choice [1,2]  # two of them", (1, 2)),
        ("a choice ['a#b', \"c #d\"] # 'quoted' comment", ("a#b", "c")),
        ("a choice ['x']#1", None),
        ("a uniform 0,0.5", (0, 0.5)),
        ("a uniform 0.0, 0.5", (0.0, 0.5)),
        ("a quniform 1,8,1", (1, 8, 1)),
        ("a loguniform -8,0", (-8, 0)),
    ],
)
def test_a_line_is_read_as_recbole_s_users_write_it(
    tmp_path: Path, line: str, values: tuple[Any, ...] | None
) -> None:
    if values is None:
        with pytest.raises(UsageError, match=r"my\.hyper, line 1: "):
            read(tmp_path, line)
        return
    (parameter,) = read(tmp_path, line).parameters
    assert typed(parameter.values) == typed(values)
    assert parameter.name == "a"
    assert parameter.kind == line.split()[1]
    assert parameter.where == f"{tmp_path / 'my.hyper'}, line 1"


def test_blank_lines_and_comments_are_left_out_and_lines_counted(tmp_path: Path) -> None:
    text = "\ufeff# a comment\n\n  # another\nb choice [1]\r\n\t\na uniform 1,2 # why\n"
    space = read(tmp_path, text)
    assert [(entry.name, entry.where[-6:]) for entry in space.parameters] == [
        ("b", "line 4"),
        ("a", "line 6"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a chioce [1]", "'a': kind 'chioce' is none of choice, uniform, quniform, loguniform. Di"),
        ("a choice # [1]", "a line is 'name kind values', and this one is 'a choice'. A line th"),
        ("a choice range(3)", "'a': a choice is a list in square brackets, not 'range(3)'. A lin"),
        ("a choice []", "'a': the choice has no option. A line that works: learning_rate choi"),
        ("a choice [1,1.0]", "option 1.0 stands twice, so the same trial would run twice."),
        ("a choice [true,'True']", "option True stands twice"),
        ("a choice ['{b: 1}','{b: 1.0}']", "option {'b': 1.0} stands twice"),
        ("a choice [1,,2]", "'a': the list cannot be read: "),
        ("a choice [64 96]", "option '64 96' is neither a number"),
        ("a choice [__import__('os').getcwd()]", "is neither a number, a word nor a quoted value"),
        ("a choice [1e999]", "option inf is no finite number, word, list or mapping"),
        ("a choice ['{1: 2}']", "'{1: 2}': key '1' is no text"),
        ("a choice [{'b': 1}]", "an option brings parameters of its own, and conditional"),
        ("a choice [1,hp.uniform('b',0,1)]", "conditional parameters are not supported"),
        ("a quniform 1,8", "quniform takes low,high,step. Received: 2 of them. A line that wor"),
        ("a uniform low,1", "'a': 'low' is no number. A line that works: dropout_prob uniform 0.0"),
        ("a uniform 0,inf", "bounds must be finite numbers. Received: inf"),
        ("a uniform 2,1", "low 2 is not below high 1. A line that works"),
        ("a quniform 1,8,0", "step 0 leaves 0 values between 1 and 8; it must leave 1 to 100000."),
        ("a quniform 5,7,4", "step 4 leaves 0 values between 5 and 7"),
        ("a quniform 0,2,0.000001", "step 1e-06 leaves 2000001 values"),
        ("a loguniform 0.0001,0.01", "are exponents of e, such as -9.2,-4.6 for values between"),
        ("a loguniform -800,1", "of loguniform are exponents of e, such as"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_remedy(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, f"# first\n{line}\nb choice [1]\n")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'my.hyper'}, line 2: ")
    assert message in said
    assert "\n" not in said
    assert len(read(tmp_path, said.split("A line that works: ")[1]).parameters) == 1


def test_a_parameter_on_two_lines_names_both(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "a choice [1]\nb choice [1]\na uniform 0,1\n")
    assert f"{tmp_path / 'my.hyper'}, line 3: parameter 'a' was given before" in str(caught.value)
    assert f"({tmp_path / 'my.hyper'}, line 1). Leave one of the two out." in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Params file '.*none\.hyper' cannot be read: .*No such"):
        read_space(tmp_path / "none.hyper")
    (tmp_path / "latin.hyper").write_bytes(b"a choice [1]\nb choice ['\xe9']\n")
    with pytest.raises(UsageError, match=r"latin\.hyper' cannot be read: .*utf-8"):
        read_space(tmp_path / "latin.hyper")
    with pytest.raises(UsageError, match="holds no parameter to be searched"):
        read(tmp_path, "\n# a choice [1]\n")


@pytest.mark.parametrize(
    ("values", "grid"),
    [
        ((1, 4, 1), (1, 2, 3, 4)),
        ((5, 60, 16), (16, 32, 48)),
        ((-5, 5, 5), (-5, 0, 5)),
        ((0.1, 0.5, 0.1), (0.1, 0.2, 0.3, 0.4, 0.5)),
        ((0, 1, 0.25), (0.0, 0.25, 0.5, 0.75, 1.0)),
        ((1.0, 3.0, 1), (1.0, 2.0, 3.0)),
        ((0.001, 0.0035, 1e-3), (0.001, 0.002, 0.003)),
    ],
)
def test_quniform_holds_the_multiples_between_the_bounds(
    values: tuple[Any, ...], grid: tuple[Any, ...]
) -> None:
    parameter = Parameter("a", "quniform", values, "here")
    assert typed(parameter.grid()) == typed(grid)


def test_draws_outside_the_grid_become_its_nearest_value() -> None:
    parameter = Parameter("a", "quniform", (5, 60, 16), "here")
    assert [parameter.decode(drawn) for drawn in (0.0, 64.0, 17.2, 40.1)] == [16, 48, 16, 48]
    texts = Parameter("a", "choice", ([64], None, 1, True, 0.5, "x"), "here")
    assert typed([texts.decode(drawn) for drawn in ("[64]", "null", "true")]) == typed(
        [[64], None, True]
    )


def test_combinations_come_in_the_file_s_order_and_the_last_varies_fastest(tmp_path: Path) -> None:
    space = read(tmp_path, "b choice [2,1]\na choice ['[3]',x]\nc quniform 5,7,2\n")
    assert [tuple(point.values()) for point in space.combinations()] == [
        (2, [3], 6),
        (2, "x", 6),
        (1, [3], 6),
        (1, "x", 6),
    ]
    assert [list(point) for point in space.combinations()] == [["b", "a", "c"]] * 4
    assert space.n_combinations() == 4
    first = next(space.combinations())
    first["a"].append(7)
    assert next(space.combinations())["a"] == [3]


@pytest.mark.parametrize("line", ["a uniform 0.1,0.5", "a loguniform -2,0"])
def test_a_continuous_parameter_has_no_combinations(tmp_path: Path, line: str) -> None:
    space = read(tmp_path, f"b choice [1]\n{line}\n")
    assert space.n_combinations() is None
    assert space.parameters[1].grid() is None
    with pytest.raises(UsageError, match=r"my\.hyper, line 2: 'a' is .* search is not possible"):
        space.combinations()


def test_the_description_holds_the_content_and_no_place(tmp_path: Path) -> None:
    text = "a choice ['[1]',true]\nb quniform 1,4,1\n"
    assert read(tmp_path, text).describe() == "a choice [[1], true], b quniform [1, 4, 1]"
    assert read(tmp_path, "\n# c\n" + text).describe() == read(tmp_path, text).describe()


OPTIONS = st.one_of(
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.sampled_from(["adam", "sgd", "item", "[64,64]", "[32]"]),
    st.none(),
    st.lists(st.integers(1, 31), min_size=1, max_size=3),  # none of the quoted lists
)


def _choice(name: str, options: list[Any]) -> Parameter:
    # True and 1.0 count as other options than 1 and 1 in the space, not in Python
    kept: list[Any] = []
    for option in options:
        try:
            Parameter(name, "choice", (*kept, option), "here")
        except UsageError:
            continue
        kept.append(option)
    return Parameter(name, "choice", tuple(kept), "here")


CHOICES = st.builds(_choice, st.just("x"), st.lists(OPTIONS, min_size=1, max_size=4))
WHOLE_STEPS = st.tuples(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 9)).map(
    lambda v: Parameter("x", "quniform", (v[0], v[0] + v[1] + v[2], v[2]), "here")
)
STEPS = st.tuples(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 9)).map(
    lambda v: Parameter("x", "quniform", (v[0] / 10, (v[0] + v[1] + v[2]) / 10, v[2] / 10), "here")
)
RANGES = st.tuples(
    st.sampled_from(["uniform", "loguniform"]), st.floats(-9, -0.5), st.floats(0.25, 9)
).map(lambda v: Parameter("x", v[0], (v[1], v[1] + v[2]), "here"))


def spaces(*kinds: st.SearchStrategy[Parameter]) -> st.SearchStrategy[SearchSpace]:
    return st.lists(st.one_of(*kinds), min_size=1, max_size=4).map(
        lambda found: SearchSpace(
            tuple(
                Parameter(f"p{number}", entry.kind, entry.values, "here")
                for number, entry in enumerate(found)
            )
        )
    )


@given(spaces(CHOICES, WHOLE_STEPS, STEPS, RANGES), st.integers(0, 2**31))
def test_every_draw_of_hyperopt_lies_in_the_space(space: SearchSpace, seed: int) -> None:
    drawn = sample(space.hyperopt_space(), np.random.default_rng(seed))
    point = space.decode(drawn)
    assert list(point) == [parameter.name for parameter in space.parameters]
    for parameter in space.parameters:
        value, grid = point[parameter.name], parameter.grid()
        if grid is None:
            assert type(value) is float
            ends = parameter.values
            if parameter.kind == "loguniform":
                ends = tuple(math.exp(end) for end in ends)
            assert ends[0] * (1 - 1e-12) - 1e-12 <= value <= ends[1] * (1 + 1e-12) + 1e-12
        else:
            assert typed(value) in typed(grid)


@given(st.one_of(WHOLE_STEPS, STEPS))
def test_a_grid_is_every_multiple_and_stays_whole_where_it_was_written_so(
    parameter: Parameter,
) -> None:
    low, high, step = parameter.values
    scale = 1 if type(step) is int else 10
    bounds = [round(value * scale) for value in (low, high, step)]
    counted = [n for n in range(bounds[0], bounds[1] + 1) if n % bounds[2] == 0]
    expected = [n if scale == 1 else n / scale for n in counted]
    assert typed(parameter.grid()) == typed(expected)
    assert [parameter.decode(float(value)) for value in expected] == expected


@given(spaces(CHOICES, WHOLE_STEPS, STEPS))
def test_a_point_of_the_grid_is_a_draw_of_hyperopt(space: SearchSpace) -> None:
    nodes = space.hyperopt_space()
    for point in itertools.islice(space.combinations(), 20):
        drawn = space.encode(point)
        assert typed(list(space.decode(space_eval(nodes, drawn)).values())) == typed(
            list(point.values())
        )


@given(spaces(CHOICES, WHOLE_STEPS))
def test_combinations_are_distinct_complete_and_in_order(space: SearchSpace) -> None:
    count = space.n_combinations()
    assert count is not None
    if count > 2000:
        return
    grids = [typed(parameter.grid()) for parameter in space.parameters]
    positions = [
        tuple(grid.index(typed(value)) for grid, value in zip(grids, point.values(), strict=True))
        for point in space.combinations()
    ]
    assert len(positions) == count
    assert positions == sorted(set(positions))


@given(spaces(CHOICES, WHOLE_STEPS, STEPS, RANGES))
def test_a_space_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, space: SearchSpace
) -> None:
    lines = []
    for parameter in space.parameters:
        text = repr(list(parameter.values))
        lines.append(
            f"{parameter.name} {parameter.kind} "
            + (text if parameter.kind == "choice" else text[1:-1])
        )
    path = tmp_path_factory.mktemp("spaces") / "space.hyper"
    path.write_text("\n".join(lines), encoding="utf-8")
    written = {"[64,64]": [64, 64], "[32]": [32]}
    expected = [
        [
            written.get(value, value) if isinstance(value, str) else value
            for value in parameter.values
        ]
        for parameter in space.parameters
    ]
    read_back = [list(parameter.values) for parameter in read_space(path).parameters]
    assert typed(read_back) == typed(expected)


# Against the model

MIREC = {"model": "MIRec", "dataset": "mirec-tiny"}


def space(kind: str = "choice", **parameters: Any) -> SearchSpace:
    return space_of({kind: parameters})


def given_for(model: str) -> dict[str, Any]:
    """What a study of a model fixes: `MIRec reference` names the variant too."""
    name, _, variant = model.partition(" ")
    return {"model": name, "dataset": "mirec-tiny"} | ({"variant": variant} if variant else {})


def refused(searched: SearchSpace, settings: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        check_space(searched, settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("model", "kind", "values"),
    [
        ("MIRec reference", "choice", {"fusion": ["product", "low_rank"], "l1_weight": [0, 0.1]}),
        ("MIRec reference", "uniform", {"dropout_rate": [0.0, 0.9]}),
        ("MIRec reference", "loguniform", {"l1_weight": [-9, 0]}),
        ("MIRec reference", "quniform", {"dimension": [32, 96, 32]}),
        ("MIRec reference", "choice", {"visual_hidden": [[64, 64], [32]]}),
        ("MIRec", "choice", {"perspectives": [["content"], ["content", "attribute"]]}),
        ("MIRec", "choice", {"precedent_weight": [0.5, 1], "column_weight": [0, 1]}),
        ("MIRec", "choice", {"variant": ["paper", "reference"], "schedule": ["quick"]}),
        ("MIRec", "choice", {"graph_window": [2, 6], "graph_method": ["netmf"]}),
        ("MIRec", "choice", {"graph_netmf_negative": [1, 3], "graph_method": ["netmf"]}),
        ("MIRec", "choice", {"graph_method": ["node2vec"], "graph_p": [0.5, 2]}),
        ("MIRec", "choice", {"attribute_input": ["graph"], "graph_eta": [1, 2]}),
        ("MIRec", "choice", {"learner": ["adam", "SGD"], "clip_grad_norm": [{"max_norm": 5}]}),
        ("MIRec", "choice", {"learning_rate_decay_steps": [1], "learning_rate_decay": [0.9]}),
        ("Cosine", "choice", {"perspectives": [["content"], ["audience"]]}),
        ("BPR", "quniform", {"embedding_size": [16, 64, 16]}),
        ("BPR", "loguniform", {"learning_rate": [-8, -2]}),
        ("BPR", "choice", {"train_neg_sample_args": [{"distribution": "popularity"}]}),
        ("DCN", "choice", {"reg_weight": [0.5, 2]}),
        ("SimpleX", "choice", {"negative_weight": [0.5, 10], "margin": [-0.5, 1]}),
        ("EASE", "uniform", {"reg_weight": [1, 500]}),
    ],
)
def test_what_a_model_takes_can_be_searched(model: str, kind: str, values: dict[str, Any]) -> None:
    check_space(space(kind, **values), given_for(model))


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        ("MIRec", "dropuot_rate", "here: model MIRec has no parameter 'dropuot_rate'. Did y"),
        ("MIRec", "dropuot_rate", "Did you mean 'dropout_rate'?"),
        # neither a key of another model nor one that cannot be searched is near
        ("BPR", "sed", "here: model BPR has no parameter 'sed'."),
        ("MIRec", "variants", "model MIRec has no parameter 'variants'. Did you mean 'variant'?"),
        ("BPR", "use_gpu", "key 'use_gpu' has no effect here: 'gpu_id' chooses the device"),
        ("BPR", "seed", "'seed' cannot be searched: the best of several seeds is luck and no bett"),
        ("BPR", "protocol", "so the scores of the trials would not compare"),
        ("BPR", "torch_threads", "cannot be searched: it says where and how the study runs"),
        ("EASE", "learning_rate", "'learning_rate' has no effect: model EASE is computed at once"),
        ("Cosine", "epochs", "model Cosine is computed at once and not trained in steps. Leave"),
    ],
)
def test_a_name_that_cannot_be_searched(model: str, name: str, message: str) -> None:
    found = refused(space(**{name: [1]}), {"model": model, "dataset": "mirec-tiny"})
    assert found.startswith("here: ")
    assert message in found


def test_messages_name_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "my.hyper"
    path.write_text("learning_rate choice [0.1]\n\n# why\ngraph_p choice [1.0]\n")
    check_space(read_space(path), MIREC)
    for fixed, message in (
        ({"graph_method": "netmf"}, f"{path}, line 4: 'graph_p' has no effect with"),
        ({"graph_p": 1.0}, f"configuration file and searched in {path}, line 4; leave one out."),
        ({"model": "BPR"}, f"{path}, line 4: model BPR has no parameter 'graph_p'."),
        (
            {"graph_method": "netmv"},
            "one of node2vec, netmf. Received: 'netmv'. Did you mean 'netmf'?",
        ),
    ):
        assert message in refused(read_space(path), MIREC | fixed)


@pytest.mark.parametrize("name", sorted(NOT_SEARCHED))
def test_no_key_of_the_study_can_be_searched(name: str) -> None:
    found = refused(space(**{name: [1]}), MIREC)
    assert found.startswith(f"here: '{name}' cannot be") or "has no effect here" in found


def test_settings_that_are_wrong_themselves_are_no_fault_of_the_space() -> None:
    for fixed, message in (
        ({"dropout_rate": 2}, "Key 'dropout_rate' must be below 1. Received: 2."),
        ({"epochs": 0}, "Key 'epochs' must be at least 1. Received: 0."),
        ({"perspectives": None}, "Key 'perspectives' must be a list. Received: None."),
        ({"dropuot": 1}, "Unknown key 'dropuot' for model MIRec."),
    ):
        assert refused(space(learning_rate=[0.1]), MIREC | fixed).startswith(message)


@pytest.mark.parametrize(
    ("model", "kind", "name", "values", "message"),
    [
        ("MIRec", "choice", "dropout_rate", [0.5, 2], "cannot be 2. Key 'dropout_rate'"),
        ("MIRec", "uniform", "dropout_rate", [0.5, 1], "cannot be 1.0. Key 'dropout_rate'"),
        (
            "MIRec reference",
            "choice",
            "fusion",
            ["prodct"],
            "one of low_rank, product. Received: 'prodct'. Did you mean 'product'?",
        ),
        ("MIRec reference", "choice", "fusion", [3], "'fusion' cannot be 3. Key 'fusion'"),
        ("MIRec reference", "choice", "fusion", [None], "'fusion' cannot be None. Key 'fusion'"),
        (
            "MIRec reference",
            "choice",
            "dimension",
            [64, 0.5],
            "must be a whole number, as its default 512 is. Received: 0.5.",
        ),
        ("MIRec reference", "choice", "dimension", [True], "cannot be True. Key 'dimension'"),
        (
            "MIRec reference",
            "choice",
            "topic_hidden",
            [["a"]],
            "cannot be ['a']. Key 'topic_hidden[0]'",
        ),
        (
            "MIRec reference",
            "choice",
            "margins",
            [{"content": 1}],
            "must have entries for audience, attribute",
        ),
        ("MIRec", "choice", "perspectives", [["contnt"]], "'contnt'. Did you mean 'content'?"),
        (
            "MIRec",
            "choice",
            "attribute_input",
            ["list"],
            "Key 'attribute_input' must be one of auto,",
        ),
        ("MIRec", "choice", "variant", ["mirec", "papr"], "'papr'. Did you mean 'paper'?"),
        ("MIRec", "choice", "precedent", [1], "'precedent' cannot be 1. Key 'precedent'"),
        ("BPR", "choice", "learner", ["adm"], "cannot be 'adm'. Key 'learner' must be one"),
        ("BPR", "uniform", "learning_rate", [0, 1], "cannot be 0.0. Key 'learning_rate' m"),
        ("BPR", "loguniform", "embedding_size", [2, 4], "must be a whole number, as its default"),
        (
            "DeepFM",
            "choice",
            "mlp_hidden_size",
            [[64, 0]],
            "Key 'mlp_hidden_size[1]' must be at least 1.",
        ),
        (
            "EASE",
            "uniform",
            "reg_weight",
            [-1, 5],
            "Key 'reg_weight' must be at least 0. Received: -1.0.",
        ),
    ],
)
def test_a_value_that_the_model_does_not_take(
    model: str, kind: str, name: str, values: list[Any], message: str
) -> None:
    found = refused(space(kind, **{name: values}), given_for(model))
    assert found.startswith(f"here: '{name}' ")
    assert message in found


PUBLISHED = {"variant": "reference"}
CONTENT: dict[str, Any] = {"perspectives": ["content"]}
ATTRIBUTE: dict[str, Any] = {"perspectives": ["attribute"]}


@pytest.mark.parametrize(
    ("fixed", "name", "value", "because"),
    [
        ({"graph_method": "netmf"}, "graph_p", 2.0, "graph_method=netmf"),
        ({}, "graph_netmf_negative", 2, "graph_method=node2vec"),
        (CONTENT, "graph_eta", 1.0, "perspectives=['content']"),
        (CONTENT | PUBLISHED, "attribute_hidden", [8], "perspectives=['content']"),
        (CONTENT | PUBLISHED, "coattention_input", "raw", "perspectives=['content']"),
        (ATTRIBUTE | PUBLISHED, "fusion", "product", "perspectives=['attribute']"),
        ({}, "dimension", 64, "variant=mirec"),
        (PUBLISHED, "precedent_weight", 0.5, "variant=reference"),
        ({"variant": "paper"}, "precedent", True, "variant=paper"),
        ({}, "train_neg_sample_args", {"sample_num": 2}, "method=metric"),
        ({"precedent": False}, "precedent_weight", 0.3, "precedent=False"),
        ({"precedent_weight": 0}, "brand_ridge", 0.5, "precedent_weight=0"),
        ({"hubness_weight": 0}, "hubness_neighbours", 3, "hubness_weight=0"),
        ({"attribute_input": "vector"}, "graph_window", 2, "attribute_input=vector"),
        ({"node_embedding_file": "n.txt"}, "graph_dimension", 8, "node_embedding_file=n.txt"),
        ({"attribute_graph_file": "g.txt"}, "graph_eta", 1.0, "attribute_graph_file=g.txt"),
        ({"learning_rate_decay": 1}, "learning_rate_decay_steps", 5, "learning_rate_decay=1"),
    ],
)
def test_a_parameter_without_effect_is_refused(
    fixed: dict[str, Any], name: str, value: Any, because: str
) -> None:
    found = refused(space(**{name: [value]}), MIREC | fixed)
    assert found.startswith(f"here: '{name}' ")
    assert f"has no effect with {because}" in found


def test_a_parameter_is_conditional_when_a_searched_option_leaves_it_without_effect() -> None:
    for searched in (
        space(graph_method=["node2vec", "netmf"], graph_p=[0.5, 1.0]),
        space(graph_p=[0.5, 1.0], graph_method=["node2vec", "netmf"]),
    ):
        assert "'graph_p' has no effect with graph_method=netmf" in refused(searched, MIREC)
    searched = space(perspectives=[["content", "attribute"], ["content"]], graph_eta=[1, 2])
    assert "'graph_eta' has no effect with perspectives=['content']" in refused(searched, MIREC)


def test_a_key_of_one_variant_is_conditional_where_the_variant_is_searched() -> None:
    for searched in (
        space(variant=["reference", "mirec"], dimension=[64]),
        space(dimension=[64], variant=["mirec", "reference"]),
    ):
        assert "'dimension' has no effect with variant=mirec" in refused(searched, MIREC)
    check_space(space(variant=["reference", "paper"], dimension=[64]), MIREC)
    # the same key, fixed: the option that does not read it is at fault
    found = refused(space(variant=["paper", "mirec"]), MIREC | {"dimension": 64})
    assert "'variant' cannot be 'mirec'. Key 'dimension' has no effect with variant=mirec" in found


def test_every_key_of_the_table_of_effects_is_one_of_mirec_s() -> None:
    known = {
        key
        for variant in ("mirec", "reference", "paper")
        for key in MirecConfig(config_dict=MIREC | {"variant": variant}).final_config_dict
    }
    for keys, governor, _ in IDLE:
        assert {governor, *keys.split()} <= known
        assert governor not in keys.split()


def test_a_range_is_tried_at_its_ends_and_between() -> None:
    spaces = {
        "uniform": space("uniform", a=[1, 2]),
        "loguniform": space("loguniform", a=[0, 2]),
        "quniform": space("quniform", a=[1, 9, 2]),
        "choice": space(a=["x", "y"]),
    }
    found = {kind: found.parameters[0].samples() for kind, found in spaces.items()}
    assert found["uniform"] == [1.0, 1.5, 2.0]
    assert found["loguniform"] == pytest.approx([1.0, 2.718281828, 7.389056099])
    assert found["quniform"] == [2, 6, 8]
    assert found["choice"] == ["x", "y"]


# The spaces that the project brings

FOLDER = properties_folder() / "tuning"
N_COMBINATIONS = {
    "BPR": 72,
    "CAMERA": 72,
    "CATR": 72,
    "ContentTwoTower": 72,
    "DeepFM": 54,
    "EASE": 8,
    "FM": 72,
    "HPTR": 72,
    "ItemKNN": 40,
    "LightGCN": 72,
    "MIR": 72,
    "MIRec": 72,
    "MIRec-paper": 72,
    "MIRec-reference": 72,
    "NeuMF": 72,
    "SimpleX": 81,
}


def settings_of(name: str) -> dict[str, Any]:
    """What a study of a file fixes: the model, and its variant where the name holds one."""
    model, _, variant = name.partition("-")
    return {"model": model, "dataset": "mirec-tiny"} | ({"variant": variant} if variant else {})


def test_the_files_are_those_of_the_table() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.hyper")) == sorted(N_COMBINATIONS)


@pytest.mark.parametrize("name", N_COMBINATIONS)
def test_a_file_fits_its_model_and_says_how_many_combinations_it_has(name: str) -> None:
    path = FOLDER / f"{name}.hyper"
    space = read_space(path)
    check_space(space, settings_of(name))
    assert space.n_combinations() == N_COMBINATIONS[name]
    first = path.read_text(encoding="utf-8").splitlines()[0]
    model, _, variant = name.partition("-")
    said = re.match(rf"# {model}\b(.*): (\d+) combinations", first)
    assert said is not None
    assert int(said[2]) == N_COMBINATIONS[name]
    assert not variant or f"--variant={variant}" in said[1]


@pytest.mark.parametrize("name", N_COMBINATIONS)
def test_the_model_s_default_lies_in_its_space(name: str) -> None:
    """So that a tuned model is no worse on validation than its default, where all is searched."""
    config = MirecConfig(config_dict=settings_of(name))
    missing = []
    for parameter in read_space(FOLDER / f"{name}.hyper").parameters:
        grid = parameter.grid()
        assert grid is not None
        if config[parameter.name] not in grid:
            missing.append(parameter.name)
    assert missing == []


@pytest.mark.parametrize("name", N_COMBINATIONS)
def test_each_parameter_follows_a_sentence_that_says_why(name: str) -> None:
    lines = Path(FOLDER / f"{name}.hyper").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        assert len(line) < 130
        if line and not line.startswith("#"):
            assert re.fullmatch(r"# [A-Z].{20,}\.", lines[number - 1])
