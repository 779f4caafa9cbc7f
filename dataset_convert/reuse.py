"""What of an earlier conversion still holds, told by fingerprints of everything it came from."""

import hashlib
import json
import platform
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Self

import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.atomic import AtomicData, is_untouched, read_atomic
from dataset_convert.common.files import sha256_of
from dataset_convert.errors import AtomicFileError
from dataset_convert.features.base import AUDIENCE, CONTENT, Extractor
from dataset_convert.features.registry import KINDS, extractor_name, stream_of
from dataset_convert.problems import ConversionError
from dataset_convert.progress import track
from dataset_convert.pseudonyms import MANIFEST_KEY, Pseudonyms
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.settings import ConversionSettings

CONVERSION, FEATURES, FINGERPRINT = "conversion", "features", "fingerprint"
"""Keys of the manifest."""

_LIBRARIES: Final = (
    *("numpy", "pandas", "scipy", "scikit-learn", "pyarrow", "openpyxl", "xlrd"),
    *("onnxruntime", "onnxruntime-gpu", "pillow", "tokenizers"),
)
_OTHERS: Final = ("findings.py", "report.py", "synthesize.py", "synthetic", "templates")
"""Code that has no say in what the value of a modality is."""


@dataclass(frozen=True, eq=False)
class Earlier:
    """A data set as an earlier conversion left it.

    Attributes:
        folder: Where it stands.
        data: Its content.
        pseudonyms: Under which its ids are; None for plain ids.
    """

    folder: Path
    data: AtomicData
    pseudonyms: Pseudonyms | None

    @classmethod
    def find(cls, folder: Path, name: str, pseudonyms: Pseudonyms | None) -> Self | None:
        """Returns the data set of a folder if it is whole and its ids are of the same kind."""
        try:
            data = read_atomic(folder, name)
        except (AtomicFileError, OSError):
            return None
        now = None if pseudonyms is None else pseudonyms.settings()
        known = is_untouched(folder, data.manifest)
        if not known or data.manifest.get(MANIFEST_KEY) != now:
            return None
        return cls(folder, data, pseudonyms)

    def extractor(self, modality: str, options: Mapping[str, Any], mark: str) -> Extractor | None:
        """Returns the fitted extractor of a modality if it was made from the same things.

        Args:
            modality: Of `schema.MODALITIES`.
            options: Of its extractor.
            mark: What `feature_fingerprint` gives now.
        """
        entries = self.data.manifest.get(FEATURES)
        entry = entries.get(modality) if isinstance(entries, dict) else None
        if not isinstance(entry, dict) or entry.get(FINGERPRINT) != mark:
            return None
        try:
            kind = KINDS[extractor_name(modality, options)]
            return kind.load(self.folder / FEATURES / modality)
        except (ConversionError, OSError):
            return None

    def values(self, modality: str) -> dict[str, Any]:
        """Returns id as it stands in the files -> value of a modality, where it is known."""
        tables = {schema.BRAND: self.data.brands, schema.INFLUENCER: self.data.influencers}
        found: dict[str, Any] = {}
        for side, table in tables.items():
            cells = _cells(table, side, modality)
            for account, cell in zip(table[schema.ACCOUNT_ID[side]], cells, strict=True):
                if cell is not None:
                    found[account] = cell
        return found

    def values_by_account(self, modality: str, accounts: pd.DataFrame) -> dict[str, Any]:
        """Returns account of the material -> value of a modality."""
        found = self.values(modality)
        ids = {
            account: account if self.pseudonyms is None else self.pseudonyms.of(side, account)
            for account, side in zip(accounts[raw.ACCOUNT], accounts[raw.ROLE], strict=True)
        }
        return {account: found[key] for account, key in ids.items() if key in found}


def feature_fingerprint(
    modality: str,
    options: Mapping[str, Any],
    extractor: Extractor,
    material: RawMaterial,
    training: Collection[str],
    *,
    n_jobs: int,
) -> str:
    """Returns the SHA-256 of everything that the values of a modality depend on.

    Options, code, libraries, files of the extractor, the accounts and the part of the material
    that it reads, pictures included, and which accounts it learns from.
    """
    kind = KINDS[extractor_name(modality, options)]
    stream = stream_of(modality)
    read = {CONTENT: [raw.POSTS], AUDIENCE: [raw.AUDIENCE]}.get(stream, [raw.ACCOUNTS, raw.POSTS])
    accounts = material.accounts
    posts = material.audience_posts if stream == AUDIENCE else material.posts
    return _digest(
        modality,
        options,
        [code_digest(), versions()],
        [file_digest(path) for path in extractor.files()],
        [material.fingerprints.get(part) for part in read],
        sorted(zip(accounts[raw.ACCOUNT], accounts[raw.ROLE], strict=True)),
        sorted(set(accounts[raw.NAME].dropna())),
        sorted(training),
        _images_digest(posts()) if kind.reads_images else "",
        n_jobs if kind.runs_models else "",
    )


def conversion_fingerprint(
    material: RawMaterial,
    settings: ConversionSettings,
    marks: Mapping[str, str],
    pseudonyms: Pseudonyms | None,
) -> str:
    """Returns the SHA-256 of everything that a data set depends on.

    Args:
        material: What the source read.
        settings: What to do; the number of processes matters where `marks` say so.
        marks: Modality -> its `feature_fingerprint`.
        pseudonyms: Of the ids.
    """
    told = {key: value for key, value in asdict(settings).items() if key != "n_jobs"}
    hidden = None if pseudonyms is None else pseudonyms.settings()
    return _digest(
        told, material.fingerprints, marks, hidden, [code_digest(whole=True), versions()]
    )


@cache
def code_digest(*, whole: bool = False) -> str:
    """Returns the SHA-256 of the code and word lists that make features, or of all of ours."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        if path.suffix in (".py", ".yaml") and (whole or place.parts[0] not in _OTHERS):
            digest.update(f"{place}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def versions() -> dict[str, str]:
    """Returns the versions of what values depend on, as far as it is installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file.

    Raises:
        ConversionError: It cannot be read.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}.") from None


def _images_digest(posts: Iterable[Post]) -> str:
    digest = hashlib.sha256()
    for post in track(posts, "pictures: have they changed?", unit="posts"):
        if post.image is not None:
            content = file_digest(post.image) if post.image.is_file() else ""
            digest.update(f"{post.account}\0{post.image.name}\0{content}\0".encode())
    return digest.hexdigest()


def _digest(*things: Any) -> str:
    text = json.dumps(things, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _cells(table: pd.DataFrame, side: schema.Side, modality: str) -> list[Any]:
    field = schema.account_field(side, modality)
    if field in table:
        return list(table[field])
    labels, weights = (
        table[name]
        for name in (schema.labels_field(side, modality), schema.weights_field(side, modality))
    )
    return [
        None if names is None else dict(zip(names, values, strict=True))
        for names, values in zip(labels, weights, strict=True)
    ]
