"""What sources say of accounts and pairs that stand in several rows."""

from collections.abc import Collection

from dataset_convert.reading import values as v
from dataset_convert.reading.values import BadValue, Values

MAX_TEXT = 10_000
"""Characters of a caption or biography that are kept: several times what platforms allow."""

CUT = f"at most {MAX_TEXT:,} characters: the rest was cut off, the row stays"
MERGED = "every row once: an identical row was merged"
ONE_CONTENT = "the same content in every row of an account: the first row stays"
ONE_ROLE = "one role an account, brand or influencer: the first row stays"
ONE_PAIR = "every pair once: the first row stays"


def known_account(values: Values, column: str, known: Collection[str]) -> str:
    """Returns an account's id.

    Raises:
        BadValue: It is missing, or none of the known accounts.
    """
    account = v.token(values, column)
    if account not in known:
        raise BadValue(column, account, f"the id of a known {column}")
    return account
