"""Node embeddings computed once and kept on disk under a fingerprint of their inputs."""

import hashlib
import io
import json
import logging
import zipfile
import zlib
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32
from scipy.sparse import csr_array

from recbole_mirec.files import write_whole
from recbole_mirec.graph.netmf import NetMFSettings, embed_netmf
from recbole_mirec.graph.node2vec import Node2VecSettings, embed_node2vec
from recbole_mirec.graph.weighted_graph import checked_weights

# Raise it when the arrays of the file, or what either method computes from its inputs, change.
_FORMAT_VERSION = 1

# Packages that compute the vectors: another version may round, or draw, in another way.
_PACKAGES = ("numpy", "scipy", "gensim")

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)

logger = logging.getLogger(__name__)


def embedding_fingerprint(weights: csr_array, settings: NetMFSettings | Node2VecSettings) -> str:
    """Return the sha256 (hex) of everything that node embeddings depend on.

    Args:
        weights: node x node edge weights as `checked_weights` demands them.
        settings: the method and its parameters.

    Raises:
        ValueError: the graph is not a weighted undirected graph without self loops.
    """
    graph = checked_weights(weights)
    head = {
        "format": _FORMAT_VERSION,
        "method": type(settings).__name__,
        "settings": asdict(settings),
        "versions": {package: metadata.version(package) for package in _PACKAGES},
        "n_nodes": graph.shape[0],
        "n_entries": graph.nnz,
    }
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    digest.update(graph.indptr.astype("<i8").tobytes())
    digest.update(graph.indices.astype("<i8").tobytes())
    digest.update(graph.data.astype("<f8").tobytes())
    return digest.hexdigest()


def node_embeddings(
    weights: csr_array,
    settings: NetMFSettings | Node2VecSettings,
    cache_folder: Path | None = None,
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    """Embed the nodes of a graph by the method that the settings name, or load what was kept.

    A cache file that cannot be read, or belongs to other inputs, is computed anew with a warning in
    the log. A new file is written under a temporary name and renamed.

    Args:
        weights: node x node edge weights as `checked_weights` demands them.
        settings: `NetMFSettings` or `Node2VecSettings`.
        cache_folder: where embeddings are kept, made if missing; None keeps nothing.

    Returns:
        The node vectors, and a mask that is False for isolated nodes, whose vectors are zero.

    Raises:
        ValueError: the graph is not a weighted undirected graph without self loops.
        OSError: the folder cannot be made or written.
    """
    if cache_folder is None:
        return _embed(weights, settings)
    fingerprint = embedding_fingerprint(weights, settings)
    path = cache_folder / f"node-embeddings-{fingerprint}.npz"
    if path.exists():
        try:
            return _load(path, fingerprint, (weights.shape[0], settings.dimension))
        except _UNREADABLE as error:
            logger.warning("The cached node embeddings %s are computed anew: %s", path, error)
    vectors, mask = _embed(weights, settings)
    _save(path, fingerprint, vectors, mask)
    return vectors, mask


def _embed(
    weights: csr_array, settings: NetMFSettings | Node2VecSettings
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    if isinstance(settings, NetMFSettings):
        return embed_netmf(weights, settings)
    return embed_node2vec(weights, settings)


def _load(
    path: Path, fingerprint: str, shape: tuple[int, int]
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    # Opened here, because numpy leaves a file open whose archive turns out to be truncated.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        stored = str(archive["fingerprint"])
        vectors, mask = archive["vectors"], archive["mask"]
    if stored != fingerprint:
        raise ValueError(f"its fingerprint is {stored}, not that of the inputs")
    if (vectors.shape, vectors.dtype, mask.shape, mask.dtype) != (
        shape,
        np.dtype(np.float32),
        shape[:1],
        np.dtype(bool),
    ):
        raise ValueError(f"its arrays are not a float32 {shape} and a bool {shape[:1]} array")
    return vectors, mask


def _save(
    path: Path,
    fingerprint: str,
    vectors: Float32[np.ndarray, "node dimension"],
    mask: Bool[np.ndarray, " node"],
) -> None:
    archive = io.BytesIO()
    np.savez(archive, fingerprint=np.array(fingerprint), vectors=vectors, mask=mask)
    write_whole(path, archive.getbuffer())
