"""The embedded synthetic data sets: seeded, made in seconds, never downloaded.

They take the way of every other data set: raw tables are generated, read by the source `tables`
and converted; only the tables are not kept.
"""

import hashlib
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.pipeline import convert
from dataset_convert.problems import Problems
from dataset_convert.settings import ConversionSettings, read_settings
from dataset_convert.sources import tables
from dataset_convert.synthetic.accounts import vocabularies
from dataset_convert.synthetic.material import synthetic_material
from dataset_convert.synthetic.spec import SPECS, SyntheticSpec
from dataset_convert.writing.tables import CONFIG_FILE, write_tables

__all__ = ["DEFAULT_SEED", "SPECS", "generate", "tables_fingerprint", "write_synthetic"]

DEFAULT_SEED: Final = 2026
DESCRIPTION: Final = (
    "Synthetic: made by a seeded generator. No account, topic, label or collaboration in it is "
    "real, and no figure measured on it says anything about real accounts."
)


def write_synthetic(
    name: str, folder: Path | str, *, seed: int = DEFAULT_SEED, force: bool = False
) -> None:
    """Generates raw tables and converts them to a data set.

    Args:
        name: `mirec-demo` or `mirec-tiny`.
        folder: The data set's own folder, e.g. `dataset/mirec-demo`.
        seed: The same seed gives the same bytes on the same platform.
        force: Whether to make again what stands there already.

    Raises:
        ValueError: An unknown name, or a folder that holds something else.
    """
    _convert(name, Path(folder), seed, force=force)


def generate(name: str, *, seed: int = DEFAULT_SEED) -> AtomicData:
    """Returns a synthetic data set as it was read back from files that are not kept.

    Args:
        name: `mirec-demo` or `mirec-tiny`.
        seed: The same seed gives the same data on the same platform.

    Raises:
        ValueError: An unknown name.
    """
    with tempfile.TemporaryDirectory() as parent:
        return _convert(name, Path(parent) / name, seed)


def tables_fingerprint(name: str, *, seed: int = DEFAULT_SEED) -> str:
    """Returns the SHA-256 of the raw tables, before anything is learnt from them.

    Raises:
        ValueError: An unknown name.
    """
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        _write_tables(_spec(name), Path(folder), seed)
        for path in sorted(Path(folder).iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _convert(name: str, folder: Path, seed: int, *, force: bool = False) -> AtomicData:
    spec = _spec(name)
    with tempfile.TemporaryDirectory() as parent:
        config = _write_tables(spec, Path(parent), seed)
        settings = _settings(spec, read_settings(config), seed)
        problems = Problems()
        material = tables.read(Path(parent), settings.source, problems)
        return convert(
            material,
            name,
            settings,
            folder=folder,
            problems=problems,
            tell=lambda _: None,
            force=force,
            about=_origin(spec),
        )


def _spec(name: str) -> SyntheticSpec:
    if name not in SPECS:
        raise ValueError(
            f"The 'name' of a synthetic data set must be one of {', '.join(SPECS)}. "
            f"Received: {name}"
        )
    return SPECS[name]


def _write_tables(spec: SyntheticSpec, folder: Path, seed: int) -> Path:
    write_tables(synthetic_material(spec, seed=seed), folder, format="csv")
    return folder / CONFIG_FILE


def _settings(spec: SyntheticSpec, defaults: ConversionSettings, seed: int) -> ConversionSettings:
    known = vocabularies(spec)
    features = {modality: dict(options) for modality, options in defaults.features.items()}
    for modality in schema.TOPIC_MODALITIES:
        n_topics = len(known[modality][0].names)
        features[modality] |= {"n_topics": n_topics, "seed": seed}
    return replace(defaults, features=features, seed=seed, pseudonyms=False, n_jobs=1)


def _origin(spec: SyntheticSpec) -> dict[str, Any]:
    return {"source": "synthetic", "description": DESCRIPTION, "generator": asdict(spec)}
