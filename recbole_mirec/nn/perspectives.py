"""The names of the perspectives and of the modalities that each is made of."""

from types import MappingProxyType
from typing import Literal

Perspective = Literal["content", "audience", "attribute"]

PERSPECTIVE_MODALITIES = MappingProxyType(
    {
        "content": ("content_visual", "content_topics"),
        "audience": ("audience_visual", "audience_topics"),
        "attribute": ("attribute",),
    }
)
PERSPECTIVES = tuple(PERSPECTIVE_MODALITIES)
MODALITIES = tuple(name for names in PERSPECTIVE_MODALITIES.values() for name in names)
