"""The embedded synthetic data sets: seeded, made in seconds, never downloaded."""

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.pipeline import convert
from dataset_convert.problems import Problems
from dataset_convert.settings import ConversionSettings, read_settings
from dataset_convert.synthetic.material import synthetic_material
from dataset_convert.synthetic.spec import SPECS, SyntheticSpec
from dataset_convert.synthetic.vocabulary import vocabularies

__all__ = ["DEFAULT_SEED", "SPECS", "generate", "write_synthetic"]

DEFAULT_SEED: Final = 2026
DESCRIPTION: Final = (
    "Synthetic: made by a seeded generator. No account, topic, label or collaboration in it is "
    "real, and no figure measured on it says anything about real accounts."
)


def write_synthetic(
    name: str, folder: Path | str, *, seed: int = DEFAULT_SEED, force: bool = False, n_jobs: int = 1
) -> AtomicData:
    """Generates raw material and converts it to a data set, as any source's is.

    Args:
        name: `mirec-demo` or `mirec-tiny`.
        folder: The data set's own folder, e.g. `dataset/mirec-demo`.
        seed: The same seed gives the same bytes on the same platform.
        force: Whether to make again what stands there already.
        n_jobs: Processes; the bytes do not depend on it. Above 1 for scripts that may be imported.

    Returns:
        The data as it was read back.

    Raises:
        ValueError: An unknown name, or a folder that holds something else.
    """
    if name not in SPECS:
        raise ValueError(
            f"The 'name' of a synthetic data set must be one of {', '.join(SPECS)}. "
            f"Received: {name}"
        )
    spec = SPECS[name]
    material = synthetic_material(spec, seed=seed)
    # Drawn once: every extractor goes through them, and they are small.
    posts, audience_posts = list(material.posts()), list(material.audience_posts())
    return convert(
        replace(material, posts=lambda: iter(posts), audience_posts=lambda: iter(audience_posts)),
        name,
        replace(_settings(spec, seed), n_jobs=n_jobs),
        folder=Path(folder),
        problems=Problems(),
        tell=lambda _: None,
        force=force,
        about={"source": "synthetic", "description": DESCRIPTION, "generator": asdict(spec)},
    )


def generate(name: str, *, seed: int = DEFAULT_SEED) -> AtomicData:
    """Returns a synthetic data set as it was read back from files that are not kept.

    Args:
        name: `mirec-demo` or `mirec-tiny`.
        seed: The same seed gives the same data on the same platform.

    Raises:
        ValueError: An unknown name.
    """
    with tempfile.TemporaryDirectory() as parent:
        return write_synthetic(name, Path(parent) / name, seed=seed)


def _settings(spec: SyntheticSpec, seed: int) -> ConversionSettings:
    defaults, known = read_settings(None), vocabularies(spec)
    features = {modality: dict(options) for modality, options in defaults.features.items()}
    for modality in schema.TOPIC_MODALITIES:
        features[modality] |= {"n_topics": len(known[modality][0].names), "seed": seed}
    return replace(defaults, features=features, seed=seed, pseudonyms=False, n_jobs=1)
