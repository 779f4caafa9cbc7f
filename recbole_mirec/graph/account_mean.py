"""An account's attribute vector: the mean of its attributes' node embeddings."""

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.sparse import csr_array

from recbole_mirec.graph.incidence import binary_incidence


def account_mean(
    incidence: csr_array,
    node_embeddings: Float[np.ndarray, "node dimension"],
    node_mask: Bool[np.ndarray, " node"],
) -> tuple[Float32[np.ndarray, "account dimension"], Bool[np.ndarray, " account"]]:
    """Average the embeddings of each account's attributes.

    Source: Wang et al., IEEE TMM 25 (2023), the input of equation (18). The paper does not say what
    becomes of an attribute that is no node of the graph: it is left out of sum and count here.

    Args:
        incidence: account x node; an attribute repeated in a list counts once.
        node_embeddings: one row per attribute.
        node_mask: True where the attribute has an embedding; other rows are never read.

    Returns:
        The means, and a mask that is True where an account has at least one embedded attribute;
        the other accounts' rows are zero.

    Raises:
        ValueError: the incidence has another number of attributes than there are embeddings, or
            invalid entries.
    """
    if incidence.shape[1] != len(node_embeddings):
        raise ValueError(
            "The 'incidence' parameter of account_mean must have one column per node embedding "
            f"({len(node_embeddings)}). Received shape: {incidence.shape}"
        )
    embedded = binary_incidence(incidence, "incidence")[:, np.flatnonzero(node_mask)]
    count = np.asarray(embedded.sum(axis=1))
    total = embedded @ node_embeddings[node_mask].astype(np.float64)
    mean = (total / np.maximum(count, 1)[:, None]).astype(np.float32)
    return mean, count > 0
