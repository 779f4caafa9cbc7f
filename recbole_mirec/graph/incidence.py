"""Account x attribute incidence matrices, checked and reduced to zeros and ones."""

import numpy as np
from scipy.sparse import csr_array


def binary_incidence(incidence: csr_array, name: str) -> csr_array:
    """Return the 0/1 form of an incidence matrix, so that an attribute listed twice counts once.

    Args:
        incidence: account x attribute; a non-zero entry says that the account's list holds the
            attribute, a value above one that the list repeats it. Not modified.
        name: the caller's name for the matrix, for the error message.

    Returns:
        A new canonical int64 matrix of the same shape: sorted indices, no stored zeros, all ones.

    Raises:
        ValueError: an entry is negative or not finite.
    """
    binary = csr_array(incidence, copy=True)
    binary.sum_duplicates()
    binary.eliminate_zeros()
    if not np.all(np.isfinite(binary.data) & (binary.data > 0)):
        received = binary.data[~(np.isfinite(binary.data) & (binary.data > 0))][0]
        raise ValueError(
            f"The '{name}' parameter must hold zeros and ones (or counts of repeated attributes). "
            f"Received an entry: {received}"
        )
    binary.data = np.ones(binary.nnz, dtype=np.int64)
    return binary
