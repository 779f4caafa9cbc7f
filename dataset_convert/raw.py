"""What every source hands over: accounts, posts as streams, collaborations; no features yet."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

ACCOUNT, ROLE, NAME, BIOGRAPHY = "account_id", "role", "name", "biography"
CATEGORY, FOLLOWERS, PART = "category", "followers", "part"
ACCOUNTS, COLLABORATIONS, POSTS = "accounts", "collaborations", "posts"
AUDIENCE, SPLITS, VECTORS = "audience", "splits", "vectors"
ACCOUNT_COLUMNS = (ACCOUNT, ROLE, NAME, BIOGRAPHY, CATEGORY, FOLLOWERS)

MAX_TEXT = 10_000
"""Characters of a caption or biography that are kept: several times what platforms allow."""
CUT = f"at most {MAX_TEXT:,} characters: the rest was cut off, the row stays"
MERGED = "every row once: an identical row was merged"


@dataclass(frozen=True, slots=True)
class Post:
    """A post of an account, or of a member of its audience.

    Attributes:
        account: The account whose content, or whose audience's content, the post is.
        text: The caption; "" where there is none.
        member: Who wrote it, for posts of an audience; "" for the account's own.
        timestamp: Seconds since the Unix epoch; None where unknown.
        n_likes, n_comments: None where unknown.
        labels: Object or scene -> probability in [0, 1], where a classifier has run already.
        image: Where the picture is; None where there is none.
    """

    account: str
    text: str
    member: str = ""
    timestamp: float | None = None
    n_likes: float | None = None
    n_comments: float | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    image: Path | None = None


@dataclass(frozen=True, eq=False)
class RawMaterial:
    """The checked content of a source.

    Attributes:
        accounts: One row an account: `account_id`, `role` (brand or influencer), `name`,
            `biography`, `category` (str or None), `followers` (NaN where unknown). An account has
            one role.
        collaborations: `brand_id`, `influencer_id`, `competence`, `timestamp` (NaN where unknown);
            every pair once, of known accounts.
        posts: Streams the accounts' own posts, in one order at every call; memory does not grow
            with their number.
        audience_posts: The same of the audiences' posts.
        brand_parts: Brand -> train, valid or test of the protocol new-brand; empty where the
            source has no split.
        influencer_category_is_profile: Whether an influencer's category comes from its own profile
            (an input) or from the brands it worked with (a label in disguise).
        vectors: Modality of `schema.MODALITIES` -> account -> precomputed vector, float32.
        fingerprints: Part of the input -> SHA-256 of the bytes read for it and of how they were
            read. Parts: `ACCOUNTS`, `COLLABORATIONS`, `POSTS`, `AUDIENCE`, `SPLITS`, `VECTORS`; one
            that the source has nothing for may be left out.
        synthetic: Whether the material is synthetic.
        facts: Side -> `account_id` and columns of `schema.FACT_TYPES`, where any are known.
        n_posts: How many posts `posts` streams, for progress; None where unknown.
        n_audience_posts: The same of `audience_posts`.
    """

    accounts: pd.DataFrame
    collaborations: pd.DataFrame
    posts: Callable[[], Iterator[Post]]
    audience_posts: Callable[[], Iterator[Post]] = lambda: iter(())
    brand_parts: Mapping[str, str] = field(default_factory=dict)
    influencer_category_is_profile: bool = False
    vectors: Mapping[str, Mapping[str, npt.NDArray[np.float32]]] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    facts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    n_posts: int | None = None
    n_audience_posts: int | None = None
