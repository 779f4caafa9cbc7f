"""Readers of precomputed graphs and node embeddings: both formats, the last-line rule, errors."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_mirec.graph.precomputed import read_edge_list, read_word2vec_text


@pytest.fixture
def write(tmp_path):
    def write_text(text):
        path = tmp_path / "given.txt"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


@pytest.mark.parametrize(
    "text",
    [
        "10 2 0.71\n2 7 2.35\n",
        "10\t2\t0.71\n\n2  7 2.35",
        "10,2,0.71\n2, 7 ,2.35\n\n",
        "id_a,id_b,weight\n10,2,0.71\n2,7,2.35\n",
        "\n\ufeffid_a id_b Weight\r\n10 2 0.71\r\n2 7 2.35\r\n".lstrip("\n"),
    ],
    ids=["spaces", "tabs", "commas", "csv header", "header, mark and carriage returns"],
)
def test_ids_in_every_layout(write, text):
    nodes, weights = read_edge_list(write(text))
    assert nodes == ("2", "7", "10")
    np.testing.assert_array_equal(weights.toarray(), [[0, 2.35, 0.71], [2.35, 0, 0], [0.71, 0, 0]])


def test_names_with_spaces_and_commas_in_csv(write):
    nodes, weights = read_edge_list(write('"cake, chocolate",women\'s clothes,1.5\nauto,3,2\n'))
    assert nodes == ("3", "auto", "cake, chocolate", "women's clothes")
    assert weights[2, 3] == weights[3, 2] == 1.5


def test_last_line_of_a_pair_wins_in_either_order(write, caplog):
    caplog.set_level("INFO")
    lines = ["a b 1", "b c 2", "b a 3", "c b 2", "a c 4", "a c 5", "c a 4"]
    nodes, weights = read_edge_list(write("\n".join(lines)))
    assert nodes == ("a", "b", "c")
    np.testing.assert_array_equal(weights.toarray(), [[0, 3, 4], [3, 0, 2], [4, 2, 0]])
    # a-b and a-c came with two weights; b-c came twice with the same.
    assert "3 nodes, 7 lines, 2 pairs with two weights." in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1 2 3\n1 2\n",
            r"line 2: an edge needs two different ids and a weight.*Received: \['1', '2'\]",
        ),
        ("1,2,3\n1 2 3\n", r"line 2: an edge needs .*Received: \['1 2 3'\]"),
        ("1,,3\n", r"line 1: an edge needs .*Received: \['1', '', '3'\]"),
        ("1 2 3 4\n", r"line 1: an edge needs "),
        ("1 2 heavy\n", r"line 1: a value must be a finite number\. Received: 'heavy'"),
        ("1 2 1\n1 3 nan\n", r"line 2: a value must be a finite number\. Received: 'nan'"),
        ("1 2 1\n\n1 3 -1\n", r"line 3: a weight must be positive\. Received: '-1'"),
        ("1 2 0\n", r"line 1: a weight must be positive\. Received: '0'"),
        ("4 4 1\n", r"line 1: an edge needs .*Received: \['4', '4', '1'\]"),
        ("id_a,id_b,weight\n", r": an edge list must hold at least one edge\. Received: 'none'"),
        ("", r": an edge list must hold at least one edge"),
    ],
)
def test_bad_edge_list_names_file_and_line(write, text, message):
    path = write(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_edge_list(path)
    assert str(caught.value).startswith(str(path))


def test_text_must_be_utf8(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("café tea 1\n".encode("latin-1"))
    with pytest.raises(ValueError, match=re.escape(f"{path}: the text must be in UTF-8")):
        read_edge_list(path)
    with pytest.raises(ValueError, match=re.escape(f"{path}: the text must be in UTF-8")):
        read_word2vec_text(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        read_edge_list(tmp_path / "nowhere.txt")


def test_word2vec_text_is_read_in_file_order(write):
    nodes, vectors = read_word2vec_text(write("3 2\n12 0.5 -1\nmakeup 1e-3 2 \n\n5 0 0.25\n"))
    assert nodes == ("12", "makeup", "5")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.5, -1], [1e-3, 2], [0, 0.25]], rtol=1e-7)


@given(
    st.integers(1, 5).flatmap(
        lambda dimension: st.dictionaries(
            st.from_regex(r"[a-zäöü0-9'\-]{1,6}", fullmatch=True),
            st.lists(st.floats(-1e6, 1e6, width=32), min_size=dimension, max_size=dimension),
            min_size=1,
            max_size=5,
        )
    )
)
def test_word2vec_text_round_trip(tmp_path_factory, table):
    dimension = len(next(iter(table.values())))
    lines = [f"{len(table)} {dimension}"]
    lines += [" ".join([node, *map(repr, vector)]) for node, vector in table.items()]
    path = tmp_path_factory.mktemp("round_trip") / "vectors.txt"
    path.write_text("\n".join(lines), encoding="utf-8")

    nodes, vectors = read_word2vec_text(path)
    assert nodes == tuple(table)
    np.testing.assert_array_equal(vectors, np.array(list(table.values()), dtype=np.float32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: the first line must be .* Received: ''"),
        ("a 1 2\n", r"line 1: the first line must be .* Received: 'a 1 2'"),
        ("1 0\na\n", r"line 1: the first line must be .* Received: '1 0'"),
        ("1 2\na 1\n", r"line 2: a node needs .* 2 values\. Received: \"'a' with 1 values"),
        ("1 2\na 1 2 3\n", r"line 2: a node needs .* 2 values\. Received: \"'a' with 3 values"),
        ("1 2\na 1 x\n", r"line 2: a value must be a finite number\. Received: 'x'"),
        ("1 2\na 1 inf\n", r"line 2: a value must be a finite number\. Received: 'inf'"),
        ("2 1\na 1\na 2\n", r"line 3: a node needs an id that stands once.* \"'a' with"),
        ("3 1\na 1\nb 2\n", r": line 1 announces 3 nodes\. Received: '2'"),
    ],
)
def test_bad_word2vec_text_names_file_and_line(write, text, message):
    path = write(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_word2vec_text(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.real
def test_published_graph_has_the_published_counts(caplog):
    caplog.set_level("INFO")
    _, weights = read_edge_list(Path(os.environ["MIREC_REAL_DATA"]) / "attribute_graph.csv")
    assert "572 nodes, 29050 lines, 5888 pairs with two weights." in caplog.text
    assert weights.nnz == 2 * 17_590
    assert weights.data.max() == 28.35
