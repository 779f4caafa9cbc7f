"""Values and files as a person writes them in YAML: plain, bounded, each key once."""

from pathlib import Path

import pytest

from dataset_convert.common.errors import UsageError
from dataset_convert.common.values import load_yaml, parse_value

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-2.5e+1", -25.0),
        ("1e400", float("inf")),
        ("20", 20),
        ("-3", -3),
        ("true", True),
        ("[content,attribute]", ["content", "attribute"]),
        ("{content: 1}", {"content": 1}),
        ("~", None),
        ("None", None),
        ("none", "none"),
        ("[None]", ["None"]),
        ("", None),
        ("mirec-demo", "mirec-demo"),
        # never Python, never a date, never bytes or a set
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("2026-01-01", "2026-01-01"),
        ("12:30:00", "12:30:00"),
        ("0x1F", 31),
        ("007", 7),
        ("09", 9.0),
        ("1_000", 1000),
        ("{2026-01-01: 2026-01-01 10:00:00}", {"2026-01-01": "2026-01-01 10:00:00"}),
        ("!!binary aGk=", "!!binary aGk="),
        ("!!set {a}", "!!set {a}"),
        ("[unclosed", "[unclosed"),
    ],
)
def test_values_are_read_as_yaml(text: str, value: object) -> None:
    read = parse_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' is set twice, first in line 1; leave one out"),
        ("a: 1\nb:\n  c: 1\n  d: no\n  c: 2\n", 5, "key 'c' is set twice, first in line 3"),
        ("a: {x: {y: 1, z: 2, y: 3}}\n", 1, "key 'y' is set twice, first in line 1"),
        ("a:\n- b: 1\n  'b': 2\n", 3, "key 'b' is set twice, first in line 2"),
        ("a: 1\n1: 2\n", 2, "key '1' is no text; put it in quotation marks or leave it out"),
        ("a: {null: x}\n", 1, "key 'null' is no text"),
        ("[a]: b\n", 1, "key "),
        ("a: 1\nb: [2\nc: 3\n", 3, ""),
        ("a: !!python/object/apply:os.getcwd []\n", 1, "could not determine a constructor"),
        ("a: !!binary aGk=\n", 1, "could not determine a constructor"),
        (f"a: {'9' * 5000}\n", 1, "a whole number of too many digits"),
        ('a: "\\0"\n', 1, "holds a character that no text has"),
        ('a: "\\ud800"\n', 1, "holds a character that no text has"),
        (f"a: {'[' * 10_000}\n", 1, "more than 40 levels deep"),
        ("a: &a [*a]\n", 1, "holds more than 100,000 values"),
        (BOMB, 1, "holds more than 100,000 values"),
    ],
)
def test_what_no_settings_hold_is_named_with_file_and_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_yaml(path)
    assert str(caught.value).startswith(f"Configuration file '{path}', line {line}: {words}")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["{a: 1, a: 2}", "9" * 5000, "[" * 10_000, "{1: 2}", "a\ud800"])
def test_what_no_settings_hold_is_no_word_of_the_command_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_value(text)
    assert len(str(caught.value)) < 200


def test_the_same_key_in_other_mappings_and_a_merged_one_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("\ufeffbase: &base {a: 1, b: 2}\nmine: {<<: *base, a: 3}\na: 4\n", "utf-8")
    assert load_yaml(path) == {"base": {"a": 1, "b": 2}, "mine": {"a": 3, "b": 2}, "a": 4}
    path.write_text("# nothing\n")
    assert load_yaml(path) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: 1".encode("utf-16"), "is no text in UTF-8; save it as UTF-8."),
        ("ä: 1".encode("latin-1"), "is no text in UTF-8"),
        (b"\0\1\2", ": is no YAML."),
        (b"- a\n- b\n", "must map keys to values ('key: value' lines). Received: list."),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_none_of_keys(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "my.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_yaml(path)
    assert str(caught.value).startswith(f"Configuration file '{path}'")
    assert words in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        load_yaml(tmp_path)
