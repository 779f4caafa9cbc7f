"""The cache: hits return what was stored, every input is in the fingerprint, damage is repaired."""

import dataclasses
import logging
from importlib import metadata

import numpy as np
import pytest
from graph_samples import two_blocks, weighted
from scipy.sparse import csr_array

from recbole_mirec.graph import (
    NetMFSettings,
    Node2VecSettings,
    embed_netmf,
    embed_node2vec,
    embedding_fingerprint,
    node_embeddings,
)

NETMF = NetMFSettings(dimension=5, window=3, negative=1)
NODE2VEC = Node2VecSettings(
    dimension=5,
    p=1.0,
    q=2.0,
    walk_length=7,
    n_walks=2,
    window=3,
    negative=5,
    subsample=0.0,
    epochs=1,
    seed=3,
)
EDGES = [(0, 1, 2.0), (1, 2, 0.5), (2, 3, 1.5)]


@pytest.fixture
def graph():
    return two_blocks(n_per_block=7)[0]


def stored_file(folder):
    (path,) = folder.iterdir()
    return path


def test_settings_choose_the_method(graph):
    np.testing.assert_array_equal(node_embeddings(graph, NETMF)[0], embed_netmf(graph, NETMF)[0])
    np.testing.assert_array_equal(
        node_embeddings(graph, NODE2VEC)[0], embed_node2vec(graph, NODE2VEC)[0]
    )


@pytest.mark.parametrize("settings", [NETMF, NODE2VEC])
def test_hit_returns_identical_arrays_without_computing(graph, tmp_path, settings, monkeypatch):
    folder = tmp_path / "made" / "on demand"
    computed = node_embeddings(graph, settings, folder)

    def must_not_run(*_):
        raise AssertionError("computed anew in spite of the cache")

    monkeypatch.setattr("recbole_mirec.graph.embeddings._embed", must_not_run)
    loaded = node_embeddings(graph, settings, folder)
    for mine, theirs in zip(loaded, computed, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype
    assert stored_file(folder).suffix == ".npz"


@pytest.mark.parametrize(
    "changed",
    [
        weighted([(0, 1, 2.0), (1, 2, 0.5), (2, 3, 1.6)], 4),
        weighted([(0, 1, 2.0), (1, 2, 0.5), (1, 3, 1.5)], 4),
        weighted(EDGES, 5),
    ],
    ids=["weight", "edge", "isolated node"],
)
def test_changed_graph_changes_the_fingerprint(changed):
    assert embedding_fingerprint(changed, NETMF) != embedding_fingerprint(weighted(EDGES, 4), NETMF)


@pytest.mark.parametrize("settings", [NETMF, NODE2VEC])
def test_every_setting_is_in_the_fingerprint(settings):
    graph = weighted(EDGES, 4)
    names = [field.name for field in dataclasses.fields(settings)]
    changed = [
        dataclasses.replace(settings, **{name: getattr(settings, name) + 1}) for name in names
    ]
    prints = {embedding_fingerprint(graph, each) for each in [settings, *changed]}
    assert len(prints) == len(names) + 1


def test_method_and_format_version_are_in_the_fingerprint(monkeypatch):
    graph = weighted(EDGES, 4)
    before = embedding_fingerprint(graph, NETMF)
    assert before != embedding_fingerprint(graph, NODE2VEC)
    monkeypatch.setattr("recbole_mirec.graph.embeddings._FORMAT_VERSION", 2)
    assert before != embedding_fingerprint(graph, NETMF)


def test_fingerprint_sees_the_graph_and_not_its_storage():
    graph = weighted(EDGES, 4)
    entries = graph.tocoo()
    order = np.array([3, 0, 5, 1, 4, 2])
    rows, columns = entries.row[order], entries.col[order]
    shuffled = csr_array(
        (
            np.append(entries.data[order], 0.0),
            (np.append(rows, 0).astype(np.int64), np.append(columns, 3).astype(np.int64)),
        ),
        shape=(4, 4),
    )
    assert shuffled.nnz == graph.nnz + 1
    assert embedding_fingerprint(shuffled, NETMF) == embedding_fingerprint(graph, NETMF)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "bit", "pickle"])
def test_damaged_file_is_computed_anew_with_a_warning(graph, tmp_path, caplog, damage):
    expected, mask = node_embeddings(graph, NETMF, tmp_path)
    path = stored_file(tmp_path)
    content = path.read_bytes()
    if damage == "pickle":
        np.savez(path, fingerprint=np.array([{"a": 1}], dtype=object), vectors=expected, mask=mask)
    else:
        middle = len(content) // 2
        path.write_bytes(
            {
                "empty": b"",
                "truncated": content[:middle],
                "text": b"this is no archive",
                "bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            }[damage]
        )

    with caplog.at_level(logging.WARNING):
        again, again_mask = node_embeddings(graph, NETMF, tmp_path)
    np.testing.assert_array_equal(again, expected)
    np.testing.assert_array_equal(again_mask, mask)
    assert f"{path} are computed anew" in caplog.text

    caplog.clear()
    node_embeddings(graph, NETMF, tmp_path)
    assert not caplog.records


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": np.array("other")}, "its fingerprint is other"),
        ({"vectors": np.zeros((3, 5), dtype=np.float32)}, r"not a float32 (14, 5)"),
        ({"mask": np.zeros(14, dtype=np.int64)}, r"not a float32 (14, 5) and a bool (14,)"),
    ],
)
def test_file_of_other_inputs_is_not_used(graph, tmp_path, caplog, change, message):
    expected, _ = node_embeddings(graph, NETMF, tmp_path)
    path = stored_file(tmp_path)
    with np.load(path) as archive:
        content = dict(archive)
    np.savez(path, **{**content, **change})
    again, _ = node_embeddings(graph, NETMF, tmp_path)
    np.testing.assert_array_equal(again, expected)
    assert message in caplog.text


def test_failed_write_leaves_nothing_behind(graph, tmp_path, monkeypatch):
    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("recbole_mirec.graph.embeddings.np.savez", fail)
    with pytest.raises(OSError, match="disk full"):
        node_embeddings(graph, NETMF, tmp_path)
    assert not list(tmp_path.iterdir())


def test_bad_graph_is_refused_before_the_folder_is_made(tmp_path):
    folder = tmp_path / "cache"
    with pytest.raises(ValueError, match="symmetric"):
        node_embeddings(csr_array(np.array([[0.0, 1.0], [0.0, 0.0]])), NETMF, folder)
    assert not folder.exists()


@pytest.mark.parametrize("package", ["numpy", "scipy", "gensim"])
def test_versions_of_what_computes_are_in_the_fingerprint(package, monkeypatch):
    graph = weighted(EDGES, 4)
    before = embedding_fingerprint(graph, NETMF)
    version = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "0.0.1" if name == package else version(name)
    )
    assert embedding_fingerprint(graph, NETMF) != before
