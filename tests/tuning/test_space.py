import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperopt import fmin, rand
from hyperopt.pyll.stochastic import sample
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.common.errors import UsageError
from recbole_mirec.tuning.space import Parameter, SearchSpace, read_space, space_from_dict


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
        ("a chioce [1]", "kind 'chioce' of parameter 'a' is none of choice, uniform, quniform, "),
        ("a chioce [1]", "Did you mean 'choice'? A line that works: learning_rate choice"),
        ("choice a [1]", "kind 'a' of parameter 'choice' is none of"),
        ("a choice", "a line is 'name kind values', and this one is 'a choice'. A line that works"),
        ("a: [1,2]", "a line is 'name kind values', and this one is 'a: [1,2]'"),
        ("a choice # [1]", "this one is 'a choice'"),
        ("a choice 1,2", "'a': a choice is a list in square brackets, not '1,2'. A line that wo"),
        ("a choice (1,2)", "a choice is a list in square brackets, not '(1,2)'"),
        ("a choice range(3)", "a choice is a list in square brackets, not 'range(3)'"),
        ("a choice []", "the choice of 'a' has no option. A line that works: learning_rate choi"),
        ("a choice [1,2,1]", "option 1 of 'a' stands twice, so the same trial would run twice."),
        ("a choice [1,1.0]", "option 1.0 of 'a' stands twice"),
        ("a choice [true,'True']", "option True of 'a' stands twice"),
        ("a choice ['[1,2]',[1,2]]", "option [1, 2] of 'a' stands twice"),
        ("a choice ['{b: 1}','{b: 1.0}']", "option {'b': 1.0} of 'a' stands twice"),
        (
            "a choice [1+1]",
            "'a': option '1+1' is neither a number, a word nor a quoted value. A li",
        ),
        ("a choice [1,,2]", "option '' is neither a number"),
        ("a choice [64 96]", "option '64 96' is neither a number"),
        ("a choice [__import__('os').getcwd()]", "is neither a number, a word nor a quoted value"),
        ("a choice [1e999]", "option inf of 'a' is no finite number, word, list or mapping"),
        ("a choice ['.nan']", "option nan of 'a' is no finite number"),
        ("a choice ['2020-01-01']", "option datetime.date(2020, 1, 1) of 'a' is no finite"),
        ("a choice ['[.inf]']", "option [inf] of 'a' is no finite number"),
        ("a choice ['{1: 2}']", "option {1: 2} of 'a' is no finite number"),
        ("a choice [{'b': 1}]", "an option of 'a' brings parameters of its own, and conditional"),
        ("a choice [{'b': hp.uniform('b',0,1)}]", "Write one params file for each case, or quote"),
        ("a choice [1,hp.uniform('b',0,1)]", "conditional parameters are not supported"),
        ("a choice [[1,hp.choice('b',[1])]]", "conditional parameters are not supported"),
        ("a uniform 1", "uniform takes low,high, and 'a' has 1 of them. A line that works: dropo"),
        ("a quniform 1,8", "quniform takes low,high,step, and 'a' has 2 of them. A line that wor"),
        ("a uniform 1,2,3", "uniform takes low,high, and 'a' has 3 of them"),
        ("a uniform low,1", "'a': 'low' is no number. A line that works: dropout_prob uniform 0.0"),
        ("a uniform [0,1]", "'a': '[0' is no number"),
        ("a uniform ,1", "'a': '' is no number"),
        ("a uniform 0,inf", "bounds of 'a' must be finite numbers, not inf"),
        ("a loguniform nan,1", "bounds of 'a' must be finite numbers, not nan"),
        ("a uniform 2,1", "low 2 of 'a' is not below high 1. A line that works"),
        ("a uniform 1,1.0", "low 1 of 'a' is not below high 1.0"),
        ("a quniform 1,8,0", "the step of 'a' must be above 0, not 0. A line that works: embedd"),
        ("a quniform 1,8,-2", "the step of 'a' must be above 0, not -2"),
        ("a quniform 5,7,4", "no multiple of 4 lies between 5 and 7 for 'a'"),
        ("a quniform 0,2,0.000001", "'a' would have 2000001 values; take a larger step, or unif"),
        ("a loguniform 0.0001,0.01", "bounds of loguniform are exponents of e, so 'a' would lie"),
        ("a loguniform 0.0001,0.01", "would lie between 1 and 1.01. For values between 0.0001 an"),
        ("a loguniform 0.0001,0.01", "and 0.01 write: a loguniform -9.21,-4.61"),
        ("a loguniform 1,1000", "bounds 1,1000 of 'a' are exponents of e. A line that works: lear"),
        ("a loguniform -800,1", "bounds -800,1 of 'a' are exponents of e"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_remedy(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, f"# first\n{line}\nb choice [1]\n")
    assert str(caught.value).startswith(f"{tmp_path / 'my.hyper'}, line 2: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_line_that_is_offered_as_an_example_works(tmp_path: Path) -> None:
    examples = set()
    for line in ("a choice []", "a uniform 1", "a quniform 1", "a loguniform 1", "a", "a chioce 1"):
        with pytest.raises(UsageError) as caught:
            read(tmp_path, line)
        examples.add(str(caught.value).split("A line that works: ")[1])
    assert len(examples) == 4
    for example in examples:
        assert len(read(tmp_path, example).parameters) == 1
    mapping = "margins choice ['{content: 4.0, audience: 2.0}']"
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "margins choice [{}]")
    assert str(caught.value).endswith(mapping)
    (margins,) = read(tmp_path, mapping).parameters
    assert margins.values == ({"content": 4.0, "audience": 2.0},)


def test_a_parameter_on_two_lines_names_both(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "a choice [1]\nb choice [1]\na uniform 0,1\n")
    assert f"{tmp_path / 'my.hyper'}, line 3: parameter 'a' was given before" in str(caught.value)
    assert f"({tmp_path / 'my.hyper'}, line 1). Leave one of the two out." in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Params file '.*none\.hyper' cannot be read: No such"):
        read_space(tmp_path / "none.hyper")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_space(tmp_path)
    (tmp_path / "latin.hyper").write_bytes(b"a choice [1]\nb choice ['\xe9']\n")
    with pytest.raises(UsageError, match=r"latin\.hyper, line 2: the file is no UTF-8 text"):
        read_space(tmp_path / "latin.hyper")
    for text in ("", "\n\n", "# a choice [1]\n"):
        with pytest.raises(UsageError, match="holds no parameter, so nothing can be searched"):
            read(tmp_path, text)


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
    assert parameter.n_values() == len(grid)


def test_draws_outside_the_grid_become_its_nearest_value() -> None:
    parameter = Parameter("a", "quniform", (5, 60, 16), "here")
    assert [parameter.decode(drawn) for drawn in (0.0, 64.0, 17.2, 40.1)] == [16, 48, 16, 48]


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


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("a uniform 0.1,0.5", "a choice [0.1,0.3,0.5]"),
        ("a loguniform -2,0", f"a choice [{math.exp(-2):.4g},{math.exp(-1):.4g},1]"),
    ],
)
def test_a_continuous_parameter_has_no_combinations(
    tmp_path: Path, line: str, instead: str
) -> None:
    space = read(tmp_path, f"b choice [1]\n{line}\n")
    assert space.n_combinations() is None
    assert space.parameters[1].grid() is None
    with pytest.raises(UsageError) as caught:
        space.combinations()
    assert str(caught.value).startswith(f"{tmp_path / 'my.hyper'}, line 2: 'a' is ")
    assert "an exhaustive search is not possible" in str(caught.value)
    assert str(caught.value).endswith(f"A line that works: {instead}")
    (parameter,) = read(tmp_path, instead).parameters
    assert len(parameter.values) == 3


def test_the_description_holds_the_content_and_no_place(tmp_path: Path) -> None:
    text = "a choice ['[1]',true]\nb quniform 1,4,1\n"
    assert read(tmp_path, text).describe() == [
        {"name": "a", "kind": "choice", "values": [[1], True]},
        {"name": "b", "kind": "quniform", "values": [1, 4, 1]},
    ]
    assert read(tmp_path, "\n# c\n" + text).describe() == read(tmp_path, text).describe()


def test_recbole_s_params_dict(tmp_path: Path) -> None:
    content = {
        "choice": {"a": ["[64,64]", True, "adam", [3], None], "b": (1, 2)},
        "uniform": {"c": [0.1, 0.5]},
        "quniform": {"d": [1, 5, 2]},
        "loguniform": {"e": [-8, 0]},
    }
    space = space_from_dict(content)
    text = (
        "a choice ['[64,64]',True,'adam',[3],None]\nb choice [1,2]\nc uniform 0.1,0.5\n"
        "d quniform 1,5,2\ne loguniform -8,0\n"
    )
    assert space.describe() == read(tmp_path, text).describe()
    assert {parameter.where for parameter in space.parameters} == {"params_dict"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "params_dict: it holds no parameter"),
        ({"choice": {}}, "params_dict: it holds no parameter"),
        ({"choice": [1]}, "params_dict: kind 'choice' must map names to values, such as {'choice'"),
        ({"choices": {"a": [1]}}, "params_dict: kind 'choices' of parameter 'a' is none of"),
        ({"choice": {"a": 3}}, "'a' must be a list of options or bounds. Received: 3."),
        ({"choice": {"a": [{"b": 1}]}}, "params_dict: an option of 'a' brings parameters of its"),
        ({"choice": {"a": [{1, 2}]}}, "option {1, 2} of 'a' is no finite number, word, list or m"),
        ({"uniform": {"a": ["0", "1"]}}, "bounds of 'a' must be finite numbers, not '0'"),
        ({"uniform": {"a": [False, True]}}, "bounds of 'a' must be finite numbers, not False"),
        ({"uniform": {"a": [1]}}, "uniform takes low,high, and 'a' has 1 of them"),
        (
            {"choice": {"a": [1]}, "uniform": {"a": [0, 1]}},
            "params_dict: parameter 'a' was given before (params_dict). Leave one of the two out.",
        ),
    ],
)
def test_a_params_dict_that_is_wrong(content: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        space_from_dict(content)
    assert message in str(caught.value)


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


@given(spaces(CHOICES, WHOLE_STEPS))
def test_combinations_are_distinct_complete_and_in_order(space: SearchSpace) -> None:
    count = space.n_combinations()
    assert count is not None
    if count > 2000:
        return
    found = list(space.combinations())
    assert len(found) == count
    positions = []
    for point in found:
        assert list(point) == [parameter.name for parameter in space.parameters]
        positions.append(
            tuple(
                typed(parameter.grid()).index(typed(point[parameter.name]))
                for parameter in space.parameters
            )
        )
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


def test_fmin_searches_the_space_and_its_best_point_decodes() -> None:
    space = space_from_dict({"choice": {"a": ["low", "high"]}, "quniform": {"b": [1, 5, 2]}})

    def loss(point: dict[str, Any]) -> float:
        values = space.decode(point)
        return abs(values["b"] - 4) + (values["a"] == "low")

    best = fmin(
        loss,
        space.hyperopt_space(),
        algo=rand.suggest,
        max_evals=40,
        rstate=np.random.default_rng(7),
        show_progressbar=False,
        verbose=False,
    )
    assert space.decode(best) == {"a": "high", "b": 4}
