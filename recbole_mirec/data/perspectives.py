"""Which of a data set's features make up each perspective of an account."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.data.account_tables import AccountTables
from recbole_mirec.errors import UsageError, nearest

LISTS, VECTOR = "graph", "vector"


def check_perspectives(wanted: Any) -> tuple[str, ...]:
    """The list of perspectives, checked.

    Raises:
        UsageError: not a list, empty, a name twice or an unknown name.
    """
    if (
        not isinstance(wanted, list | tuple)
        or not wanted
        or len(set(map(str, wanted))) < len(wanted)
    ):
        raise UsageError(
            "Key 'perspectives' must list one to three of content, audience, attribute, each "
            f"once, for example --perspectives=[content,attribute]. Received: {wanted!r}."
        )
    for name in wanted:
        if name not in schema.PERSPECTIVES:
            known = schema.PERSPECTIVES
            raise UsageError(f"Unknown perspective '{name}'.{nearest(str(name), known)}")
    return tuple(wanted)


def available_perspectives(accounts: AccountTables, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted perspectives that the data set has features for.

    Raises:
        UsageError: none of them.
    """
    have = tuple(
        name
        for name in wanted
        if any(modality in accounts.dimensions for modality in schema.PERSPECTIVES[name])
        or (name == "attribute" and accounts.attribute_names)
    )
    if not have:
        raise UsageError(
            f"The data set has no features for the perspectives {list(wanted)}: fill at least one "
            f"of the columns {', '.join(schema.MODALITIES)} on both sides."
        )
    return have


def attribute_source(accounts: AccountTables, choice: Any) -> str:
    """Whether attributes come from the lists (`graph`) or from the precomputed vector.

    Raises:
        UsageError: the choice is unknown, or the data set lacks what it asks for.
    """
    have = {
        LISTS: bool(accounts.attribute_names),
        VECTOR: schema.ATTRIBUTE_VECTOR in accounts.dimensions,
    }
    if choice == "auto":
        return LISTS if have[LISTS] else VECTOR
    if choice not in have:
        raise UsageError(
            f"Unknown attribute_input '{choice}'.{nearest(str(choice), ('auto', *have))}"
        )
    if not have[choice]:
        other = VECTOR if choice == LISTS else LISTS
        raise UsageError(
            f"attribute_input={choice} needs what the data set lacks; use attribute_input={other}."
        )
    return str(choice)


def incidence_features(accounts: AccountTables, side: schema.Side) -> tuple[Tensor, Tensor]:
    """Attribute lists as 0/1 rows: float32 (account, attribute) and the mask (account)."""
    rows = torch.from_numpy(accounts.sides[side].attributes.toarray()).float()
    return rows, rows.any(dim=1)
