"""The attribute co-occurrence graph and its node embeddings; no RecBole here."""

from recbole_mirec.graph.cooccurrence import account_mean, cooccurrence_counts, edge_weights
from recbole_mirec.graph.embeddings import (
    NetMFSettings,
    Node2VecSettings,
    embed_netmf,
    embed_node2vec,
    embedding_fingerprint,
    node_embeddings,
)
from recbole_mirec.graph.precomputed import EdgeList, read_edge_list, read_word2vec_text

__all__ = [
    "EdgeList",
    "NetMFSettings",
    "Node2VecSettings",
    "account_mean",
    "cooccurrence_counts",
    "edge_weights",
    "embed_netmf",
    "embed_node2vec",
    "embedding_fingerprint",
    "node_embeddings",
    "read_edge_list",
    "read_word2vec_text",
]
