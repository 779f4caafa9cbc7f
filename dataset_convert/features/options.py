"""What every extractor takes as options, and what their values have to be."""

from collections.abc import Mapping
from typing import Any, Final

from dataset_convert.features.models.image_input import MAX_SIDE, RESAMPLES
from dataset_convert.features.option_checks import (
    Check,
    Group,
    above_zero,
    check_group,
    either,
    number,
    one_of,
    optional,
    path,
    several,
    text,
    truth,
    whole,
)
from dataset_convert.features.stop_words import STOP_WORDS

_MAX_TOPICS: Final = 10_000
_MAX_SEED: Final = 2**32 - 1
_MAX_LENGTH: Final = 1_000_000

_MEMBERS: Final = whole(1)
_SHARE: Final = number(0, 1)
_SIDE: Final = whole(1, MAX_SIDE)
_SIZE: Final = optional(
    either(_SIDE, several(_SIDE, "two, as in [height, width]", n=2)),
)
_COLOURS: Final = several(number(), "three numbers, for red, green and blue", n=3)
_POSITIVE_COLOURS: Final = several(above_zero(), "three numbers above 0, a colour each", n=3)

_IMAGE: Final[Mapping[str, Check]] = {
    "size": _SIZE,
    "crop": _SIZE,
    "mean": optional(_COLOURS),
    "std": optional(_POSITIVE_COLOURS),
    "scale": optional(above_zero()),
    "resample": optional(one_of(*RESAMPLES)),
}
_CLASSIFIER: Final = Group(
    {
        "model": path,
        "labels": path,
        "activation": one_of("softmax", "sigmoid", "none"),
        **_IMAGE,
    },
    needed=("model", "labels"),
)
_BATCHES: Final[Mapping[str, Check]] = {
    "batch_size": whole(1, _MAX_LENGTH),
    "providers": several(text, "a list of names, as in [CPUExecutionProvider]", least=1),
}
_LABELS: Final[Mapping[str, Check]] = {
    "object_threshold": _SHARE,
    "scene_threshold": _SHARE,
    "min_members": _MEMBERS,
}

OPTIONS: Final[Mapping[str, Group]] = {
    "lda": Group(
        {
            "n_topics": either(
                whole(2, _MAX_TOPICS), several(whole(2, _MAX_TOPICS), "a list of several", least=1)
            ),
            "held_out_share": above_zero(below=1),
            "min_members": _MEMBERS,
            "max_iter": whole(1),
            "seed": whole(0, _MAX_SEED),
            "text": Group(
                {
                    "split_camel_case": truth,
                    "keep_emoji": truth,
                    "languages": several(one_of(*STOP_WORDS), f"a list of {', '.join(STOP_WORDS)}"),
                    "min_length": whole(1),
                    "max_length": whole(1),
                }
            ),
            "vocabulary": Group({"min_share": _SHARE, "max_share": _SHARE, "max_words": whole(1)}),
        }
    ),
    "sentence-embeddings": Group(
        {
            "model": path,
            "max_length": whole(1, _MAX_LENGTH),
            "min_members": _MEMBERS,
            **_BATCHES,
        },
        needed=("model",),
    ),
    "labels": Group(_LABELS),
    "image-labels": Group({"objects": _CLASSIFIER, "scenes": _CLASSIFIER, **_LABELS, **_BATCHES}),
    "image-embeddings": Group(
        {"model": path, "min_members": _MEMBERS, **_BATCHES, **_IMAGE}, needed=("model",)
    ),
    "lexicon": Group(
        {
            "minimum_accounts": whole(1),
            "hashtag_posts": optional(whole(1)),
            "lexicon": optional(path),
            "isa": optional(path),
            "isa_minimum_count": whole(1),
        }
    ),
}
"""Extractor -> its options."""


def check_options(modality: str, extractor: str, options: Mapping[str, Any]) -> None:
    """Checks the options of a modality's extractor, each by itself.

    Args:
        modality: For messages.
        extractor: A key of `OPTIONS`.
        options: As they stand in the configuration, without the extractor's name.

    Raises:
        ConversionError: An option is unknown, missing or has a wrong value; one line.
    """
    check_group(f"features: {modality}", "", options, OPTIONS[extractor])
