"""The one home of field names, their types and the map from the paper's symbols to them.

Both packages read names from here, so a header that one of them writes is the header that the
other one looks for. "The paper" is Wang et al., IEEE TMM 25 (2023), doi 10.1109/TMM.2022.3151029.
"""

from collections.abc import Collection, Mapping
from typing import Final, Literal

Side = Literal["brand", "influencer"]
FieldType = Literal["token", "token_seq", "float", "float_seq"]

BRAND: Final[Side] = "brand"
INFLUENCER: Final[Side] = "influencer"
SIDES: Final[tuple[Side, ...]] = (BRAND, INFLUENCER)

FIELD_SEPARATOR: Final = "\t"
SEQUENCE_SEPARATOR: Final = " "
FORBIDDEN_IN_TOKENS: Final = ",;|/"
"""Separators that other formats use; inside a token they betray a list that was not converted."""

BRAND_ID: Final = "brand_id"
INFLUENCER_ID: Final = "influencer_id"
ACCOUNT_ID: Final[dict[Side, str]] = {BRAND: BRAND_ID, INFLUENCER: INFLUENCER_ID}
PSEUDONYM_DIGITS: Final = 16
"""Hexadecimal digits of a pseudonym, behind its side."""
COMPETENCE: Final = "competence"
TIMESTAMP: Final = "timestamp"
BRAND_CATEGORY: Final = "brand_category"
CATEGORY: Final = "category"
"""Header of the side file `<name>.influencer_category`; never a column of an account file."""

CONTENT_TOPICS: Final = "content_topics"
CONTENT_VISUAL: Final = "content_visual"
AUDIENCE_TOPICS: Final = "audience_topics"
AUDIENCE_VISUAL: Final = "audience_visual"
ATTRIBUTES: Final = "attributes"
ATTRIBUTE_VECTOR: Final = "attribute_vector"
CONTENT_TEXT: Final = "content_text"
PROFILE_TEXT: Final = "profile_text"
AUDIENCE_TEXT: Final = "audience_text"
FOLLOWERS: Final = "followers"

LABELS: Final = "labels"
WEIGHTS: Final = "weights"

TOPIC_MODALITIES: Final = (CONTENT_TOPICS, AUDIENCE_TOPICS)
VISUAL_MODALITIES: Final = (CONTENT_VISUAL, AUDIENCE_VISUAL)
OWN_TEXTS: Final = (CONTENT_TEXT, PROFILE_TEXT)
"""What an account writes itself: sentence vectors of captions and of its biography, in one space,
so that one side's captions are compared with the other one's biographies too."""
TEXT_MODALITIES: Final = (*OWN_TEXTS, AUDIENCE_TEXT)
MODALITIES: Final = (
    CONTENT_TOPICS,
    CONTENT_VISUAL,
    AUDIENCE_TOPICS,
    AUDIENCE_VISUAL,
    ATTRIBUTES,
    ATTRIBUTE_VECTOR,
    *TEXT_MODALITIES,
)
PERSPECTIVES: Final[dict[str, tuple[str, ...]]] = {
    "content": (CONTENT_TOPICS, CONTENT_VISUAL, CONTENT_TEXT, PROFILE_TEXT),
    "audience": (AUDIENCE_TOPICS, AUDIENCE_VISUAL, AUDIENCE_TEXT),
    "attribute": (ATTRIBUTES, ATTRIBUTE_VECTOR),
}

PAPER_SYMBOLS: Final[dict[str, str]] = {
    "b": BRAND_ID,
    "m": INFLUENCER_ID,
    "X^p": CONTENT_VISUAL,
    "X^t": CONTENT_TOPICS,
    "Y^p": AUDIENCE_VISUAL,
    "Y^t": AUDIENCE_TOPICS,
    "S_a": ATTRIBUTES,
    "mean node embedding (18)": ATTRIBUTE_VECTOR,
}

NEW_BRAND: Final = "new-brand"
KNOWN_BRAND: Final = "known-brand"
PROTOCOLS: Final = (NEW_BRAND, KNOWN_BRAND)
TRAIN: Final = "train"
VALID: Final = "valid"
TEST: Final = "test"
PARTS: Final = (TRAIN, VALID, TEST)

INTERACTION_TYPES: Final[dict[str, FieldType]] = {
    BRAND_ID: "token",
    INFLUENCER_ID: "token",
    COMPETENCE: "float",
    TIMESTAMP: "float",
}
INFLUENCER_CATEGORY_TYPES: Final[dict[str, FieldType]] = {
    INFLUENCER_ID: "token",
    CATEGORY: "token",
}

FACT_TYPES: Final[dict[str, FieldType]] = {
    "platform": "token",
    "country": "token",
    "city": "token",
    "language": "token",
    "price": "float",
    "engagement": "float",
    "last_post": "float",
}
"""Of the side files of facts, which people and filters read and no model loads."""

MANIFEST_FILE: Final = "manifest.json"
CONVERSION, FEATURES, FINGERPRINT = "conversion", "features", "fingerprint"
PSEUDONYMS: Final = "pseudonyms"
"""Keys of the manifest; the last one is there where ids are pseudonyms."""


def account_field(side: Side, modality: str) -> str:
    """Returns the column of a modality on one side, e.g. `brand_content_topics`."""
    return f"{side}_{modality}"


def of_use(modality: str, have: Mapping[Side, Collection[str]]) -> bool:
    """Returns whether a modality that a side has can be compared with what the other side has.

    Args:
        modality: Of `MODALITIES`.
        have: Side -> the modalities that some account of it has.

    Returns:
        Whether both sides have it; of captions and biographies, which are compared with each other
        too, whether one side has it and the other side has one of the two.
    """
    comparable = OWN_TEXTS if modality in OWN_TEXTS else (modality,)
    here = any(modality in names for names in have.values())
    return here and all(any(name in have[side] for name in comparable) for side in SIDES)


def labels_field(side: Side, modality: str) -> str:
    """Returns the label column of a sparse visual modality."""
    return f"{side}_{modality}_{LABELS}"


def weights_field(side: Side, modality: str) -> str:
    """Returns the weight column of a sparse visual modality."""
    return f"{side}_{modality}_{WEIGHTS}"


def account_types(side: Side) -> dict[str, FieldType]:
    """Returns every column that an account file may carry, with its type, in written order."""
    types: dict[str, FieldType] = {ACCOUNT_ID[side]: "token"}
    if side == BRAND:
        types[BRAND_CATEGORY] = "token"
    types[account_field(side, FOLLOWERS)] = "float"
    for modality in MODALITIES:
        if modality == ATTRIBUTES:
            types[account_field(side, modality)] = "token_seq"
            continue
        types[account_field(side, modality)] = "float_seq"
        if modality in VISUAL_MODALITIES:
            types[labels_field(side, modality)] = "token_seq"
            types[weights_field(side, modality)] = "float_seq"
    return types


def facts_types(side: Side) -> dict[str, FieldType]:
    """Returns every column that a side file of facts may carry, with its type."""
    return {ACCOUNT_ID[side]: "token", **FACT_TYPES}


def headers(types: dict[str, FieldType]) -> list[str]:
    """Returns RecBole's headers `name:type` of the given columns."""
    return [f"{name}:{kind}" for name, kind in types.items()]


def interaction_file(name: str) -> str:
    """Returns the file name of the interactions."""
    return f"{name}.inter"


def account_file(name: str, side: Side) -> str:
    """Returns the file name of one side's accounts: brands are RecBole users."""
    return f"{name}.user" if side == BRAND else f"{name}.item"


def influencer_category_file(name: str) -> str:
    """Returns the side file of the influencers' categories (a label in disguise: no input)."""
    return f"{name}.influencer_category"


def facts_file(name: str, side: Side) -> str:
    """Returns the side file of what is known of accounts and no model sees."""
    return f"{name}.{side}_facts"


def split_file(name: str, protocol: str, part: str) -> str:
    """Returns the file name of one part of a protocol's split."""
    return f"{name}.{protocol}.{part}.inter"
