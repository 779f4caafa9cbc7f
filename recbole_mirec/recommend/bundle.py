"""A bundle: a fitted model with all that ranking by it takes, in one folder.

    bundle.json             what it is: model, data set, vocabularies, words of topics, digests
    model.safetensors       the run's checkpoint, unchanged
    vectors.safetensors     `<side> <part>`: vectors (account, dimension), float32
    features.safetensors    `<side> <modality> rows` and `mask`: what accounts were encoded from
    accounts.parquet        account, side, category of brands, followers and other facts, in the
                            order of the vectors
    partners.parquet        brand, influencer, part: all that are known to have worked together
    extractors/             the data set's fitted extractors, where it has any

Writing one takes the run and its data set. Reading takes neither, nor RecBole or torch.
"""

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import folder_in_the_making, naming, sha256_of
from recbole_mirec.nn.fitted import CATEGORY, Fitted, Layout, Table
from recbole_mirec.recommend.confidence import calibrated

if TYPE_CHECKING:
    from recbole_mirec.experiment import Experiment

BUNDLE, MODEL, VECTORS, FEATURES = "bundle.json", "model.safetensors", "vectors", "features"
ACCOUNTS, PARTNERS, EXTRACTORS = "accounts", "partners", "extractors"
FORMAT = 1
# Parts of a parameter's name in a checkpoint; see `recbole_mirec.checkpoint`.
_STATE, _ENCODER = "state_dict.method.", "encoder."
_MOST_SCALE = 100.0


class NotServedError(UsageError):
    """A run's model is none that can be bundled."""


Vectors: TypeAlias = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Bundle:
    """What a folder holds.

    Attributes:
        about: of `bundle.json`.
        fitted: the model.
        vectors: side -> part -> (account, dimension).
        features: side -> modality -> rows and mask.
        accounts: side -> one row an account, `account` first.
        partners: `brand`, `influencer`, `part`.
        model: the run's checkpoint.
        extractors: their folder; None: the data set has none.
    """

    about: Mapping[str, Any]
    fitted: Fitted
    vectors: Mapping[schema.Side, Vectors]
    features: Mapping[schema.Side, Table]
    accounts: Mapping[schema.Side, pd.DataFrame]
    partners: pd.DataFrame
    model: Path
    extractors: Path | None

    def facts(self) -> list[str]:
        """What is known of influencers beside features: names of columns."""
        known = self.accounts[schema.INFLUENCER]
        known = known.drop(columns=["account", "side", CATEGORY], errors="ignore")
        return [str(name) for name in known.dropna(axis=1, how="all")]

    def of_side(
        self, side: schema.Side, vectors: Vectors, features: Table, accounts: pd.DataFrame
    ) -> "Bundle":
        """The same with other accounts of a side."""
        return replace(
            self,
            vectors={**self.vectors, side: vectors},
            features={**self.features, side: features},
            accounts={**self.accounts, side: accounts},
        )


def write_bundle(experiment: "Experiment", folder: Path, *, confidence: bool = False) -> None:
    """Write the bundle of a finished experiment; the folder is whole or as it was.

    With `confidence` five models are trained to calibrate scores; see `calibrated`.

    Raises:
        UsageError: the model is none of `variant: mirec`, or the folder holds something else.
    """
    from recbole_mirec.model.metric import MetricMethod
    from recbole_mirec.trainer import BEST

    model, dataset = experiment.model, experiment.dataset
    method = getattr(model, "method", None)
    if not isinstance(method, MetricMethod):
        raise NotServedError(
            f"Only MIRec of variant mirec can be bundled, and this run's model is "
            f"{experiment.config['model']}. Rank by run_recbole_mirec.py --predict, or train "
            f"variant=mirec."
        )
    names = {side: dataset.field2id_token[field][1:] for side, field in schema.ACCOUNT_ID.items()}
    parts = dict(zip(method.layout.parts, method.all_vectors(), strict=True))
    tables: dict[Any, Any] = {
        side: {
            name: (rows[1:].cpu().numpy(), mask[1:].cpu().numpy())
            for name, (rows, mask) in method.accounts.table(side).items()
        }
        for side in schema.SIDES
    }
    partners = dataset.atomic.interactions[list(schema.ACCOUNT_ID.values())].astype(str)
    partners.columns = pd.Index(schema.SIDES)
    source = Path(dataset.dataset_path) / schema.FEATURES
    about = _about(experiment, method.training_pairs.ids(schema.BRAND), names)
    about["confidence"] = calibrated(experiment) if confidence else {}
    checkpoint = experiment.run_folder / BEST
    about["checkpoint"] = Path(os.path.relpath(checkpoint, folder.parent)).as_posix()
    bundle = Bundle(
        about=about,
        fitted=method.fitted(),
        vectors={x: {part: of[x][1:].numpy() for part, of in parts.items()} for x in schema.SIDES},
        features=tables,
        accounts={side: _accounts(dataset, side, names[side]) for side in schema.SIDES},
        partners=partners.drop_duplicates().reset_index(drop=True),
        model=checkpoint,
        extractors=source if source.is_dir() else None,
    )
    save_bundle(bundle, folder)


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle; the folder is whole or as it was.

    Raises:
        UsageError: the folder holds something else.
    """
    if folder.exists() and not (folder / BUNDLE).is_file() and any(folder.iterdir()):
        raise UsageError(f"'{folder}' holds something else than a bundle. Name another folder.")
    vectors = {
        f"{x} {part}": of for x, parts in bundle.vectors.items() for part, of in parts.items()
    }
    features: dict[str, Any] = {}
    for side, table in bundle.features.items():
        for name, (rows, mask) in table.items():
            features |= {f"{side} {name} rows": rows, f"{side} {name} mask": mask}
    with naming(folder), folder_in_the_making(folder) as made:
        shutil.copyfile(bundle.model, made / MODEL)
        _save_arrays(made / f"{VECTORS}.safetensors", vectors)
        _save_arrays(made / f"{FEATURES}.safetensors", features)
        both = pd.concat(list(bundle.accounts.values()), ignore_index=True)
        _write_table(made / f"{ACCOUNTS}.parquet", both)
        _write_table(made / f"{PARTNERS}.parquet", bundle.partners)
        if bundle.extractors is not None:
            shutil.copytree(bundle.extractors, made / EXTRACTORS)
        files = sorted(path for path in made.rglob("*") if path.is_file())
        digests = {path.relative_to(made).as_posix(): sha256_of(path) for path in files}
        text = json.dumps({**bundle.about, "digests": digests}, indent=1) + "\n"
        (made / BUNDLE).write_text(text, encoding="utf-8")


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle, or nothing of it.

    Raises:
        UsageError: it is missing, damaged, or of another version.
    """
    try:
        about = json.loads((folder / BUNDLE).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise UsageError(
                f"Bundle '{folder}' is of format {about['format']}, not {FORMAT}: another version "
                f"of this program wrote it. Write it anew from its run."
            )
        check_files(folder, about, extractors=False)
        vectors = load_file(folder / f"{VECTORS}.safetensors")
        features = load_file(folder / f"{FEATURES}.safetensors")
        accounts = _read_table(folder / f"{ACCOUNTS}.parquet")
        pairs = [tuple(pair) for pair in about["layout"]["pairs"]]
        layout = Layout(**{**about["layout"], "pairs": pairs})
        return Bundle(
            about=about,
            fitted=Fitted(_arrays(folder / MODEL), layout),
            vectors={x: {p: vectors[f"{x} {p}"] for p in layout.parts} for x in schema.SIDES},
            features={side: _table(features, side) for side in schema.SIDES},
            accounts={
                x: accounts[accounts["side"] == x].reset_index(drop=True) for x in schema.SIDES
            },
            partners=_read_table(folder / f"{PARTNERS}.parquet"),
            model=folder / MODEL,
            extractors=folder / EXTRACTORS if (folder / EXTRACTORS).is_dir() else None,
        )
    except FileNotFoundError as error:
        raise UsageError(
            f"'{folder}' is no bundle: it has no {Path(str(error.filename)).name}. Write one from "
            f"a run: python -m recbole_mirec.recommend --run RUN --export FOLDER"
        ) from None
    except (KeyError, TypeError, ValueError, SafetensorError, duckdb.Error) as error:
        raise UsageError(f"Bundle '{folder}' cannot be read: {error!r}. Write it anew.") from None


def check_files(folder: Path, about: Mapping[str, Any], *, extractors: bool) -> None:
    """See that files are those that were written: the extractors, or all others.

    Raises:
        UsageError: one is not.
        FileNotFoundError: one is not there.
    """
    for name, digest in about["digests"].items():
        if name.startswith(f"{EXTRACTORS}/") == extractors and sha256_of(folder / name) != digest:
            raise UsageError(
                f"Bundle '{folder}' is damaged: {name} is not what was written. Write it anew from "
                f"its run."
            )


def _accounts(dataset: Any, side: schema.Side, names: Any) -> pd.DataFrame:
    """A side's accounts with what filters and pages show."""
    frame = dataset.atomic.brands if side == schema.BRAND else dataset.atomic.influencers
    known = frame.set_index(schema.ACCOUNT_ID[side]).reindex(names)
    table = pd.DataFrame({"account": names, "side": side})
    if side == schema.BRAND and schema.BRAND_CATEGORY in known:
        table[CATEGORY] = _words(known[schema.BRAND_CATEGORY])
    followers = schema.account_field(side, schema.FOLLOWERS)
    if followers in known:
        table[schema.FOLLOWERS] = known[followers].to_numpy(dtype=float)
    path = Path(dataset.dataset_path) / schema.facts_file(dataset.dataset_name, side)
    if path.is_file():
        facts = pd.read_csv(path, sep=schema.FIELD_SEPARATOR, keep_default_na=False, dtype=str)
        facts.columns = [name.partition(":")[0] for name in facts.columns]
        facts = facts.set_index(schema.ACCOUNT_ID[side]).reindex(names)
        for name in map(str, facts):
            is_number = schema.FACT_TYPES.get(name) == "float"
            numbers = pd.to_numeric(facts[name], errors="coerce").to_numpy()
            table[name] = numbers if is_number else _words(facts[name])
    return table


def _words(cells: Any) -> list[str | None]:
    return [cell if isinstance(cell, str) and cell else None for cell in cells]


def _about(experiment: "Experiment", training: NDArray[np.int64], names: Any) -> dict[str, Any]:
    from dataset_convert.features.lexicon import load_sensitive
    from recbole_mirec.nn.closed_form import drawn

    dataset, accounts = experiment.dataset, experiment.dataset.accounts
    assert accounts is not None
    brands = dataset.atomic.brands
    categories = sorted(set(brands.get(schema.BRAND_CATEGORY, pd.Series(dtype=object)).dropna()))
    manifest = dataset.atomic.manifest
    told, sensitive = manifest.get(schema.FEATURES, {}), load_sensitive()
    words = {
        name: [
            [str(word) for word, _ in topic["words"] if not sensitive.forbids(str(word))]
            for topic in entry["topics"]
        ]
        for name, entry in told.items()
        if entry.get("topics")
    }
    vocabulary = {name: list(labels) for name, labels in accounts.label_names.items()}
    vocabulary |= {schema.ATTRIBUTES: list(accounts.attribute_names), CATEGORY: categories}
    fitted = experiment.model.method.fitted()
    landmarks = fitted.arrays.get("landmarks brand", np.zeros((0, 0)))
    ids = training[drawn(len(training), len(landmarks))]
    return {
        "format": FORMAT,
        "model": experiment.config["model"],
        "dataset": experiment.config["dataset"],
        "synthetic": bool(manifest.get("synthetic")),
        "pseudonyms": manifest.get(schema.PSEUDONYMS),
        "data_fingerprint": experiment.trainer.fingerprint,
        "layout": experiment.model.layout,
        "vocabulary": vocabulary,
        "sensitive": sorted(
            {x for names in vocabulary.values() for x in names if sensitive.forbids(x)}
        ),
        "topics": words,
        "precedents": [str(names[schema.BRAND][row - 1]) for row in ids],
        "score": experiment.model.score_meaning,
    }


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What `Fitted` takes, from a checkpoint."""
    arrays, scale = {}, None
    with safe_open(path, framework="np") as file:
        for name in file.keys():  # noqa: SIM118 - no mapping
            if not name.startswith(_STATE):
                continue
            own = name.removeprefix(_STATE)
            if own == f"{_ENCODER}log_scale":
                scale = np.exp(np.minimum(file.get_tensor(name), np.float32(math.log(_MOST_SCALE))))
            elif own.startswith(f"{_ENCODER}maps."):
                arrays[f"map {own.removeprefix(f'{_ENCODER}maps.')}"] = file.get_tensor(name)
            else:
                arrays[own] = file.get_tensor(name)
    return arrays if scale is None else arrays | {"scale": scale}


def _table(arrays: Mapping[str, NDArray[Any]], side: schema.Side) -> dict[str, Any]:
    names = [
        key.split(" ")[1] for key in arrays if key.startswith(f"{side} ") and key.endswith("rows")
    ]
    return {x: (arrays[f"{side} {x} rows"], arrays[f"{side} {x} mask"]) for x in names}


def _save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with duckdb.connect() as connection:
        connection.register("made", table)
        connection.execute(f"copy made to '{_quoted(path)}' (format parquet)")


def _read_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(2, "missing", str(path))
    with duckdb.connect() as connection:
        return connection.execute(f"from read_parquet('{_quoted(path)}')").df()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
