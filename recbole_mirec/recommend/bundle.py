"""A bundle: a fitted model with all that ranking by it takes, in one folder.

    bundle.json             what it is: model, data set, vocabularies, words of topics, digests
    model.safetensors       the run's checkpoint, unchanged
    vectors.safetensors     `<side> <part>`: vectors (account, dimension), float32
    features.safetensors    `<side> <modality> rows` and `mask`: what accounts were encoded from
    accounts.parquet        account, side, category of brands, followers and other facts, in the
                            order of the vectors
    partners.parquet        brand, influencer: all that are known to have worked together; whether
                            the model learnt from it
    extractors/             the data set's fitted extractors, where it has any

Writing one takes the run and its data set. Reading takes neither, nor RecBole or torch.
"""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import folder_in_the_making, naming, sha256_of
from dataset_convert.holders import BUNDLE, TABLES
from recbole_mirec.nn.fitted import CATEGORY, MOST_SCALE, Fitted, Layout, Table
from recbole_mirec.recommend.confidence import calibrated
from recbole_mirec.recommend.published import Published

if TYPE_CHECKING:
    from recbole_mirec.experiment import Experiment

MODEL, EXTRACTORS = "model.safetensors", "extractors"
_VECTORS, _FEATURES = "vectors.safetensors", "features.safetensors"
_ACCOUNTS, _PARTNERS = TABLES
FORMAT = 2
# Parts of a parameter's name in a checkpoint; see `recbole_mirec.checkpoint`.
_STATE, _ENCODER = "state_dict.method.", "encoder."


class NotServedError(UsageError):
    """A run's model is none that can be bundled."""


@dataclass(frozen=True, eq=False)
class Accounts:
    """Accounts of one side, in one order.

    Attributes:
        known: `account`, `side`, and what is known of them: a brand's category, followers, facts.
        vectors: part -> (account, dimension), float32.
        table: modality -> rows (account, dimension), and the mask of who has it.
    """

    known: pd.DataFrame
    vectors: Mapping[str, NDArray[Any]]
    table: Table

    def take(self, rows: Any) -> "Accounts":
        """Those of some rows."""
        return Accounts(
            self.known.iloc[rows].reset_index(drop=True),
            {part: of[rows] for part, of in self.vectors.items()},
            {name: (of[rows], mask[rows]) for name, (of, mask) in self.table.items()},
        )

    def joined(self, others: Sequence["Accounts"]) -> "Accounts":
        """These and others behind them."""
        every = [self, *others]
        tables = [x.known.dropna(axis=1, how="all") for x in every]
        return Accounts(
            pd.concat(tables, ignore_index=True),
            {
                part: np.concatenate([x.vectors[part].astype(of.dtype) for x in every])
                for part, of in self.vectors.items()
            },
            {
                name: (
                    np.concatenate([x.table[name][0].astype(of.dtype) for x in every]),
                    np.concatenate([x.table[name][1] for x in every]),
                )
                for name, (of, _) in self.table.items()
            },
        )


@dataclass(frozen=True, eq=False)
class Bundle:
    """What a folder holds.

    Attributes:
        about: of `bundle.json`.
        fitted: the model.
        sides: side -> its accounts.
        partners: `brand`, `influencer`: who is known to have worked together; `training`: whether
            the model learnt from it.
        model: the run's checkpoint.
        extractors: their folder; None: the data set has none.
    """

    about: Mapping[str, Any]
    fitted: Fitted
    sides: Mapping[schema.Side, Accounts]
    partners: pd.DataFrame
    model: Path
    extractors: Path | None

    def facts(self) -> list[str]:
        """What is known of influencers beside features: names of columns."""
        known = self.sides[schema.INFLUENCER].known.dropna(axis=1, how="all")
        return [str(name) for name in known if name not in ("account", "side", CATEGORY)]

    def with_side(self, side: schema.Side, accounts: Accounts) -> "Bundle":
        """The same with other accounts of a side."""
        return replace(self, sides={**self.sides, side: accounts})


def write_bundle(experiment: "Experiment", folder: Path, *, confidence: bool = False) -> None:
    """Write the bundle of a finished experiment; the folder is whole or as it was.

    With `confidence` five models are trained to calibrate scores; see `calibrated`.

    Raises:
        UsageError: the model is not MIRec, or the folder holds something else.
    """
    from recbole_mirec.model.metric import described
    from recbole_mirec.trainer import BEST

    dataset, method = experiment.dataset, getattr(experiment.model, "method", None)
    if method is None:
        raise NotServedError(
            f"Only MIRec can be bundled, and this run's model is {experiment.config['model']}. "
            f"Rank by run_recbole_mirec.py --predict, or train MIRec."
        )
    layout, parts, own = _made(experiment)
    sides: dict[schema.Side, Accounts] = {}
    for side, field in schema.ACCOUNT_ID.items():
        table = {
            name: (rows[1:].cpu().numpy(), mask[1:].cpu().numpy())
            for name, (rows, mask) in method.accounts.table(side).items()
        }
        vectors = {part: of[side][1:].cpu().numpy() for part, of in parts.items()}
        sides[side] = Accounts(
            _known(dataset, side, dataset.field2id_token[field][1:]), vectors, table
        )
    partners = dataset.atomic.interactions[list(schema.ACCOUNT_ID.values())].astype(str)
    partners.columns = pd.Index(schema.SIDES)
    columns = zip(schema.ACCOUNT_ID.values(), dataset.pairs[schema.TRAIN].T, strict=True)
    learnt = pd.MultiIndex.from_arrays([dataset.id2token(field, ids) for field, ids in columns])
    partners["training"] = pd.MultiIndex.from_frame(partners).isin(learnt)
    source = Path(dataset.dataset_path) / schema.FEATURES
    names = sides[schema.BRAND].known["account"]
    training = names[np.unique(dataset.pairs[schema.TRAIN][:, 0]) - 1]
    about = _about(experiment, training) | own | {"layout": described(layout)}
    bundle = Bundle(
        about=about | {"confidence": calibrated(experiment) if confidence else {}},
        fitted=Fitted({}, layout),
        sides=sides,
        partners=partners.drop_duplicates(ignore_index=True),
        model=experiment.run_folder / BEST,
        extractors=source if source.is_dir() else None,
    )
    save_bundle(bundle, folder)


def _made(experiment: "Experiment") -> tuple[Layout, dict[str, Any], dict[str, Any]]:
    """What a model's vectors mean, they by part and side, and what else is told of it."""
    from recbole_mirec.data.accounts import compared
    from recbole_mirec.model.metric import MetricMethod

    model, config = experiment.model, experiment.config
    if isinstance(model.method, MetricMethod):
        layout, vectors = model.method.layout, model.method.all_vectors()
        own = {"brand_ridge": model.method.settings.brand_ridge}
        return layout, dict(zip(layout.parts, vectors, strict=True)), own
    accounts, perspectives = experiment.dataset.accounts, model.perspectives
    assert accounts is not None
    pairs = compared(accounts, perspectives, config["attribute_input"])
    vectors = model.account_vectors()
    parts = {
        name: {side: of[:, place] for side, of in vectors.items()}
        for place, name in enumerate(perspectives)
    }
    own = {"network": model.method.encoder.settings.model_dump(mode="json")}
    return Layout(pairs, {}, (), {}, 0.0, 0), parts, own


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle; the folder is whole or as it was.

    Raises:
        UsageError: the folder holds something else.
    """
    if folder.exists() and not (folder / BUNDLE).is_file() and any(folder.iterdir()):
        raise UsageError(f"'{folder}' holds something else than a bundle. Name another folder.")
    vectors: dict[str, NDArray[Any]] = {}
    features: dict[str, NDArray[Any]] = {}
    for side, accounts in bundle.sides.items():
        vectors |= {f"{side} {part}": of for part, of in accounts.vectors.items()}
        for name, (rows, mask) in accounts.table.items():
            features |= {f"{side} {name} rows": rows, f"{side} {name} mask": mask}
    with naming(folder), folder_in_the_making(folder) as made:
        shutil.copyfile(bundle.model, made / MODEL)
        for place, arrays in ((_VECTORS, vectors), (_FEATURES, features)):
            save_file({name: np.ascontiguousarray(x) for name, x in arrays.items()}, made / place)
        both = pd.concat([bundle.sides[side].known for side in schema.SIDES], ignore_index=True)
        query("copy made to $path (format parquet)", made / _ACCOUNTS, both)
        query("copy made to $path (format parquet)", made / _PARTNERS, bundle.partners)
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
        vectors, features = (load_file(folder / name) for name in (_VECTORS, _FEATURES))
        pairs = [tuple(pair) for pair in about["layout"]["pairs"]]
        layout = Layout(**{**about["layout"], "pairs": pairs})
        known = query("from read_parquet($path)", folder / _ACCOUNTS)
        sides = {}
        for side in schema.SIDES:
            names = sorted({x.split(" ")[1] for x in features if x.startswith(f"{side} ")})
            sides[side] = Accounts(
                known[known["side"] == side].reset_index(drop=True),
                {part: vectors[f"{side} {part}"] for part in layout.parts},
                {x: (features[f"{side} {x} rows"], features[f"{side} {x} mask"]) for x in names},
            )
        arrays, network = _arrays(folder / MODEL), about.get("network")
        tables = {side: accounts.table for side, accounts in sides.items()}
        return Bundle(
            about=about,
            fitted=Published(arrays, layout, network, tables)
            if network
            else Fitted(arrays, layout),
            sides=sides,
            partners=query("from read_parquet($path)", folder / _PARTNERS),
            model=folder / MODEL,
            extractors=folder / EXTRACTORS if (folder / EXTRACTORS).is_dir() else None,
        )
    except UsageError:
        raise
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


def _known(dataset: Any, side: schema.Side, names: Any) -> pd.DataFrame:
    """A side's accounts with what filters and lists show."""
    frame = dataset.atomic.accounts(side).set_index(schema.ACCOUNT_ID[side]).reindex(names)
    table = pd.DataFrame({"account": names, "side": side})
    followers = schema.account_field(side, schema.FOLLOWERS)
    columns = {schema.BRAND_CATEGORY: CATEGORY, followers: schema.FOLLOWERS}
    found = [frame[[name for name in columns if name in frame]].rename(columns=columns)]
    if side in dataset.atomic.facts:
        found.append(dataset.atomic.facts[side].set_index(schema.ACCOUNT_ID[side]).reindex(names))
    for name, column in ((name, of[name]) for of in found for name in of):
        is_text = not pd.api.types.is_numeric_dtype(column)
        words = [cell if isinstance(cell, str) and cell else None for cell in column]
        table[name] = words if is_text else column.to_numpy(dtype=float)
    return table


def _about(experiment: "Experiment", training: "pd.Series[str]") -> dict[str, Any]:
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
    landmarks = dict(experiment.model.method.named_buffers()).get("landmarks brand", ())
    precedents = training.iloc[drawn(len(training), len(landmarks))]
    return {
        "format": FORMAT,
        "model": experiment.config["model"],
        "dataset": experiment.config["dataset"],
        "synthetic": bool(manifest.get("synthetic")),
        "pseudonyms": manifest.get(schema.PSEUDONYMS),
        "data_fingerprint": experiment.trainer.fingerprint,
        "vocabulary": vocabulary,
        "sensitive": sorted(
            {x for names in vocabulary.values() for x in names if sensitive.forbids(x)}
        ),
        "topics": words,
        "precedents": list(map(str, precedents)),
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
                scale = np.exp(np.minimum(file.get_tensor(name), np.float32(math.log(MOST_SCALE))))
            elif own.startswith(f"{_ENCODER}maps."):
                arrays[f"map {own.removeprefix(f'{_ENCODER}maps.')}"] = file.get_tensor(name)
            else:
                arrays[own] = file.get_tensor(name)
    return arrays if scale is None else arrays | {"scale": scale}


def query(sql: str, path: Path, made: pd.DataFrame | None = None) -> pd.DataFrame:
    """Write a table `made` to a Parquet file `$path`, or read one from it."""
    if made is None and not path.is_file():
        raise FileNotFoundError(2, "missing", str(path))
    with duckdb.connect() as connection:
        if made is not None:
            connection.register("made", made)
        quoted = str(path).replace("'", "''")
        return connection.execute(sql.replace("$path", f"'{quoted}'")).df()
