"""The accounts of the main model, opened once: attribute graph, account map, case studies."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from recbole.data.interaction import Interaction
from scipy import sparse
from scipy.stats import rankdata

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec import runs
from recbole_mirec.benchmark.account_cards import BRAND_ROLE, account_card
from recbole_mirec.benchmark.plane import flattened
from recbole_mirec.benchmark.portrait_file import (
    CASES,
    GRAPH,
    MAP,
    AccountMap,
    AttributeGraph,
    Card,
    CaseStudy,
    MapSide,
    Portrait,
    write_portrait_file,
)
from recbole_mirec.data.attributes import training_graph
from recbole_mirec.data.dataset import EvaluationSplit, MirecDataset
from recbole_mirec.experiment import Experiment, prepare
from recbole_mirec.results import evaluate_scores, protocol_title
from recbole_mirec.trainer import score_matrix

N_ATTRIBUTES = 48
_ETA = 2.0
_DECIMALS = 3


def write_portrait(folder: Path, run_folder: Path, label: str) -> Path:
    """Open a finished run and write `portrait.json` into the benchmark's folder.

    Args:
        folder: of the benchmark.
        run_folder: of the run whose best epoch is opened; it is left as it is.
        label: of its model in the benchmark.

    Raises:
        UsageError: the run cannot be opened.
    """
    run = runs.read_run(run_folder)
    experiment = prepare(run.record["settings"], run_folder=run.folder, log_file=Path(os.devnull))
    experiment.trainer.load_best()
    experiment.model.eval()
    return write_portrait_file(folder, make_portrait(experiment, label))


def make_portrait(experiment: Experiment, label: str) -> Portrait:
    """What the page shows of accounts, from a model in evaluation mode.

    Args:
        experiment: made ready, the best epoch loaded.
        label: of the model in the benchmark.

    Returns:
        The portrait; `missing` says why a part of it is not there.
    """
    missing: dict[str, str] = {}
    graph = attribute_graph(experiment, missing)
    places = account_map(experiment, missing)
    cases = case_studies(experiment, missing)
    config = experiment.config
    return Portrait(
        label=label,
        protocol=protocol_title(str(config["protocol"]), config["folds"], config["fold"]),
        seed=int(config["seed"]),
        graph=graph,
        map=places,
        cases=cases,
        missing=missing,
    )


def attribute_graph(experiment: Experiment, missing: dict[str, str]) -> AttributeGraph | None:
    """The strongest attributes of the co-occurrence graph of the training collaborations.

    The graph is that of (13)-(17) with eta 2, whatever the model reads.
    """
    accounts = experiment.dataset.accounts
    if accounts is None or not accounts.attribute_names:
        missing[GRAPH] = (
            "the data set has no lists of attributes; vectors computed elsewhere do not tell which "
            "attributes go together"
        )
        return None
    weights = training_graph(accounts, experiment.dataset.pairs[schema.TRAIN], _ETA)
    if not weights.nnz:
        missing[GRAPH] = "no two attributes meet in a training collaboration"
        return None
    return strongest(weights, accounts.attribute_names)


def strongest(weights: sparse.csr_array, names: tuple[str, ...]) -> AttributeGraph:
    """The attributes with the largest sums of edge weights, and every edge between them.

    Args:
        weights: (attribute, attribute), symmetric, zero diagonal, with at least one edge.
        names: of the attributes; equal sums are ordered by them.
    """
    # Rounded, so that the last digits of a sum do not order equal ones.
    strengths = np.asarray(weights.sum(axis=1)).ravel().round(_DECIMALS)
    connected = int((strengths > 0).sum())
    ranked = sorted(range(len(names)), key=lambda node: (-strengths[node], names[node]))
    chosen = ranked[: min(N_ATTRIBUTES, connected)]
    dense = weights[chosen][:, chosen].toarray()
    edges = [
        (int(i), int(j), round(float(dense[i, j]), _DECIMALS))
        for i, j in zip(*np.nonzero(np.triu(dense, 1)), strict=True)
    ]
    return AttributeGraph(
        names=tuple(names[node] for node in chosen),
        strengths=tuple(float(strengths[node]) for node in chosen),
        edges=tuple(edges),
        n_attributes=connected,
        n_edges=weights.nnz // 2,
        total=float(strengths.sum()),
    )


def account_map(experiment: Experiment, missing: dict[str, str]) -> AccountMap | None:
    """Accounts in two dimensions, by the directions of their vectors."""
    model, dataset = experiment.model, experiment.dataset
    if not hasattr(model, "account_vectors"):
        missing[MAP] = f"{experiment.config['model']} has no account vectors"
        return None
    vectors = {
        side: values.flatten(start_dim=1).double().cpu().numpy()
        for side, values in model.account_vectors().items()
    }
    # Row 0 is padding; an account without any feature has no direction.
    ids = {side: 1 + np.flatnonzero(rows[1:].any(axis=1)) for side, rows in vectors.items()}
    # About each side's mean: what all brands share, or all influencers, is no likeness.
    centred = [vectors[side][ids[side]] for side in schema.SIDES]
    rows = np.concatenate([some - some.mean(axis=0) for some in centred])
    if len(rows) < 3:
        missing[MAP] = "fewer than three accounts have a vector"
        return None
    places, method = flattened(rows)
    n_brands = len(ids[schema.BRAND])
    brands, influencers = (
        _map_side(dataset, side, ids[side], some)
        for side, some in zip(schema.SIDES, (places[:n_brands], places[n_brands:]), strict=True)
    )
    return AccountMap(method, brands, influencers)


def _map_side(
    dataset: Any, side: schema.Side, ids: NDArray[np.int64], places: NDArray[np.float64]
) -> MapSide:
    tokens = [str(token) for token in dataset.id2token(schema.ACCOUNT_ID[side], ids)]
    x, y = (tuple(round(float(value), _DECIMALS) for value in column) for column in places.T)
    return MapSide(tuple(tokens), x, y, tuple(_categories(dataset, side, tokens)))


def _categories(dataset: Any, side: schema.Side, tokens: list[str]) -> list[str]:
    """Categories for colours; an influencer's comes from the side file that no model reads."""
    known: Any = None
    if isinstance(dataset, MirecDataset) and side == schema.INFLUENCER:
        known = dataset.atomic.influencer_category
    elif isinstance(dataset, MirecDataset) and schema.BRAND_CATEGORY in dataset.atomic.brands:
        known = dataset.atomic.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
    if known is None:
        return [""] * len(tokens)
    return ["" if pd.isna(value) else str(value) for value in known.reindex(tokens)]


def case_studies(experiment: Experiment, missing: dict[str, str]) -> tuple[CaseStudy, ...]:
    """The brands with the best and with the median average precision on the test part."""
    dataset, model = experiment.dataset, experiment.model
    split = dataset.evaluation_split(schema.TEST)
    if not hasattr(model, "perspective_scores") or not isinstance(dataset, MirecDataset):
        missing[CASES] = f"{experiment.config['model']} does not split a score by perspective"
        return ()
    if split is None:
        missing[CASES] = "the data set has no test part"
        return ()
    pairs_at_once = experiment.config["eval_batch_size"]
    scores = score_matrix(
        model, dataset, split.brands, split.candidates, pairs_at_once=pairs_at_once
    )
    evaluation = evaluate_scores(scores, split, metrics=["MAP"])
    precision = evaluation.per_brand["MAP"].to_numpy(dtype=np.float64)
    # By brand id within equal values, which is the order of `split.brands`.
    ranked = np.argsort(-precision, kind="stable")
    chosen = {
        "the brand with the highest average precision": int(ranked[0]),
        "the brand with the median average precision": int(ranked[len(ranked) // 2]),
    }
    return tuple(
        _case(experiment, split, scores[row], row, rule, float(precision[row]))
        for rule, row in chosen.items()
    )


def _case(
    experiment: Experiment,
    split: EvaluationSplit,
    scores: NDArray[np.float64],
    row: int,
    rule: str,
    precision: float,
) -> CaseStudy:
    dataset = experiment.dataset
    mask, positives = split.mask[row], split.positives[row]
    ranks = np.full(len(scores), np.nan)
    ranks[mask] = rankdata(-scores[mask], method="average")
    brand = str(dataset.id2token(dataset.uid_field, split.brands[row]))
    shown = shown_candidates(ranks, positives)
    influencers = split.candidates[list(shown.values())]
    shares = _shares(experiment, int(split.brands[row]), influencers)
    cards: list[Card] = [
        account_card(
            dataset.atomic,
            schema.INFLUENCER,
            str(dataset.id2token(dataset.iid_field, influencer)),
            role=role,
            rank=float(ranks[column]),
            shares=dict(zip(experiment.model.perspectives, map(float, some), strict=True)),
        )
        for (role, column), influencer, some in zip(shown.items(), influencers, shares, strict=True)
    ]
    return CaseStudy(
        rule=rule,
        average_precision=precision,
        n_positives=int(positives.sum()),
        n_candidates=int(mask.sum()),
        category=_categories(dataset, schema.BRAND, [brand])[0],
        brand=account_card(dataset.atomic, schema.BRAND, brand, role=BRAND_ROLE),
        influencers=tuple(cards),
    )


def shown_candidates(ranks: NDArray[np.float64], positives: NDArray[np.bool_]) -> dict[str, int]:
    """Columns of the best and the worst ranked collaborator and other candidate.

    Args:
        ranks: (candidate), NaN where a candidate does not count.
        positives: (candidate), at least one of which counts.

    Returns:
        role -> column; the worst is left out where it is the best.
    """
    shown: dict[str, int] = {}
    for words, of in (("collaborator", positives), ("other", ~positives)):
        columns = np.flatnonzero(of & ~np.isnan(ranks))
        if len(columns):
            order = columns[np.argsort(ranks[columns], kind="stable")]
            shown[f"best ranked {words}"] = int(order[0])
        if len(columns) > 1:
            shown[f"worst ranked {words}"] = int(order[-1])
    return shown


def _shares(
    experiment: Experiment, brand: int, influencers: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What each perspective adds to the score of a brand's candidates (candidate, perspective)."""
    dataset, model = experiment.dataset, experiment.model
    pairs = Interaction(
        {
            dataset.uid_field: torch.full((len(influencers),), brand),
            dataset.iid_field: torch.from_numpy(influencers),
        }
    )
    with torch.no_grad():
        shares = model.perspective_scores(pairs.to(model.device))
    values: NDArray[np.float64] = shares.double().cpu().numpy()
    return values


def portrait_run(folder: Path, table: pd.DataFrame, label: str) -> Path | None:
    """Folder of the run to open: a model's first finished one, new brands first.

    Args:
        folder: of the benchmark.
        table: the rows of `runs.csv`.
        label: of the model.

    Returns:
        None where no run of the model has finished.

    Raises:
        UsageError: the model is not in the table.
    """
    of_model = table[table["label"] == label]
    if of_model.empty:
        raise UsageError(f"runs.csv has no run of '{label}'.")
    finished = of_model[of_model["status"] == "finished"].copy()
    if finished.empty:
        return None
    finished["turn"] = (finished["protocol"] != schema.NEW_BRAND).astype(int)
    first = finished.sort_values(["turn", "seed", "fold"], kind="stable").iloc[0]
    return folder / str(first["folder"])
