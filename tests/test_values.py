"""Values and files as a person writes them in YAML."""

from pathlib import Path

import pytest

from dataset_convert.common.errors import UsageError
from dataset_convert.common.values import load_yaml, parse_value


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' is set twice, first in line 1; leave one out"),
        (
            "epochs: 1\ntrain_neg_sample_args:\n  alpha: 1\n  dynamic: no\n  alpha: 2\n",
            5,
            "key 'alpha' is set twice, first in line 3",
        ),
        ("a: {x: {y: 1, z: 2, y: 3}}\n", 1, "key 'y' is set twice, first in line 1"),
        ("a:\n- b: 1\n  'b': 2\n", 3, "key 'b' is set twice, first in line 2"),
    ],
)
def test_a_key_that_stands_twice_is_named_with_file_and_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_yaml(path)
    assert str(caught.value).startswith(f"Configuration file '{path}', line {line}: {words}")


def test_the_same_key_in_other_mappings_and_a_merged_one_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nmine: {<<: *base, a: 3}\na: 4\n")
    assert load_yaml(path) == {"base": {"a": 1, "b": 2}, "mine": {"a": 3, "b": 2}, "a": 4}


def test_a_key_that_stands_twice_on_the_command_line_is_no_word() -> None:
    with pytest.raises(
        UsageError, match=r"'\{a: 1, a: 2\}': key 'a' is set twice, first in line 1"
    ):
        parse_value("{a: 1, a: 2}")
