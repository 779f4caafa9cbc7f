"""The options of the source `gan2019`, checked and with their defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dataset_convert.reading import options as o

BRAND_BIOGRAPHIES, INFLUENCER_BIOGRAPHIES = "brand_biographies", "influencer_biographies"
BRAND_POSTS, INFLUENCER_POSTS = "brand_posts", "influencer_posts"
AUDIENCE_POSTS, CATEGORIES = "audience_posts", "categories"
PAIRS, TRAINING_PAIRS, TEST_PAIRS = "pairs", "training_pairs", "test_pairs"
TEST_LIST = "test_list"

FILES: Final[dict[str, tuple[str, ...]]] = {
    BRAND_BIOGRAPHIES: ("brand_biography.xls*",),
    INFLUENCER_BIOGRAPHIES: ("influencer_biography.xls*",),
    BRAND_POSTS: ("*_post*.xls*",),
    INFLUENCER_POSTS: ("*_in_post*.xls*",),
    AUDIENCE_POSTS: ("audience_posts*.xls*",),
    PAIRS: ("pre_dataset.xls*",),
    TRAINING_PAIRS: ("pre_dataset_train.xls*",),
    TEST_PAIRS: ("pre_dataset_test.xls*",),
    CATEGORIES: ("brand_categories.xls*",),
    TEST_LIST: (),
}
"""Kind of file -> where it is looked for. A file belongs to the narrowest pattern it fits."""

MORNING, GAN2019, NO_SPLIT = "morning", "gan2019", "none"
TEST_LISTS: Final[dict[str, tuple[str, ...]]] = {
    MORNING: ("testset_r.xls*",),
    GAN2019: ("test_set.xls*",),
    NO_SPLIT: (),
}
"""Split -> where its test list is looked for."""

IMAGES: Final[dict[str, str]] = {
    BRAND_POSTS: ".",
    INFLUENCER_POSTS: ".",
    AUDIENCE_POSTS: "audience",
}
"""Kind of posts -> the folder in which the images are looked for."""

_NUMBERS: Final[dict[str, tuple[int, int]]] = {
    "max_posts": (50, 1),
    "max_members": (25, 1),
    "max_member_posts": (2, 1),
    "seed": (2026, 0),
}
"""Option -> default and lowest value; H, Q and L of the paper."""


@dataclass(frozen=True)
class Settings:
    """How a release is read.

    Attributes:
        files: Kind -> names or patterns, as far as they were given.
        images: Kind of posts -> folder of the images, within the release.
        split: Which published split is used.
        max_posts: Posts an account (H).
        max_members: Members of an audience (Q).
        max_member_posts: Posts a member (L).
        seed: Of the choice where there are more.
        synthetic: Whether the material is synthetic.
    """

    files: Mapping[str, tuple[str, ...]]
    images: Mapping[str, str]
    split: str
    max_posts: int
    max_members: int
    max_member_posts: int
    seed: int
    synthetic: bool


def read_settings(options: Mapping[str, Any]) -> Settings:
    """Checks the options.

    Args:
        options: The mapping `source` of the configuration, without the source's name.

    Raises:
        ConversionError: An unknown key, of which the nearest is named, or a value that is none.
    """
    o.keyed("source", options, ("files", "images", "split", *_NUMBERS, "synthetic"))
    images = {
        kind: o.name(f"images.{kind}", folder)
        for kind, folder in o.keyed("images", options.get("images", {}), IMAGES).items()
    }
    return Settings(
        files={
            kind: _names(f"files.{kind}", names)
            for kind, names in o.keyed("files", options.get("files", {}), FILES).items()
        },
        images=IMAGES | images,
        split=o.one_of("split", options.get("split", MORNING), tuple(TEST_LISTS)),
        synthetic=o.truth("synthetic", options.get("synthetic", False)),
        **{
            name: _number(name, options.get(name, default), lowest)
            for name, (default, lowest) in _NUMBERS.items()
        },
    )


def _names(option: str, value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    return tuple(o.name(option, name) for name in names) or o.refuse_option(
        option, "[]", "file names"
    )


def _number(option: str, value: object, lowest: int) -> int:
    if type(value) is not int or value < lowest:
        o.refuse_option(option, value, f"a whole number of {lowest} or more")
    return value
