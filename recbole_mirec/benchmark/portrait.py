"""What the main model sees of accounts, from one run opened once: a portrait for the page.

    label, protocol, seed  of the run that was opened
    graph    names and strengths of attributes, strongest first; edges (place, place, weight);
             n_attributes, n_edges and total strength of the whole graph
    map      method; accounts: id, side, x, y, category ("": unknown)
    cases    rule, average_precision, n_positives, n_candidates, category, brand, influencers
    missing  graph, map or cases -> why it is null or empty

`brand` and each of `influencers` is a card: id, role, rank (from 1; 0 for the brand), shares
(perspective -> what it adds to the score), followers (null: unknown) and features: modality -> what
the account has most of, each with `text` and whether the brand has it too (`shared`).
"""

import os
from collections.abc import Mapping
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
from dataset_convert.features.labels import SCENE_PREFIX, token_label
from recbole_mirec.data.attributes import training_graph
from recbole_mirec.data.dataset import MirecDataset
from recbole_mirec.experiment import Experiment, open_run
from recbole_mirec.results import evaluate_scores, protocol_title
from recbole_mirec.runs import read_run
from recbole_mirec.trainer import score_matrix

N_ATTRIBUTES, N_TOPICS, N_WORDS, N_LABELS = 48, 3, 4, 6
# Of a topic that is shown; accounts beyond which neighbourhoods would take minutes.
LEAST_SHARE, MOST_FOR_TSNE = 0.05, 8000
_PERPLEXITY, _ETA, _DECIMALS = 30, 2.0, 3


def portrait_run(folder: Path, table: pd.DataFrame, label: str) -> Path | None:
    """Folder of a model's first finished run, new brands first; None where there is none.

    `table` has the rows of runs.csv.
    """
    finished = table[(table["label"] == label) & (table["status"] == "finished")]
    turn = finished.assign(known=finished["protocol"] != schema.NEW_BRAND)
    first = turn.sort_values(["known", "seed", "fold"], kind="stable")["folder"].head(1)
    return None if first.empty else folder / str(first.item())


class _NothingToShow(Exception):  # noqa: N818 - a part of the portrait is left out as planned
    """Why a part of the portrait is not there."""


def portrait_of(run_folder: Path, label: str) -> dict[str, Any]:
    """Open a finished run at its best epoch and draw the portrait; the run is left as it is.

    `label` is that of its model in the benchmark.

    Raises:
        UsageError: the run cannot be opened.
    """
    run = read_run(run_folder)
    experiment = open_run(run.record["settings"], run.folder, Path(os.devnull))
    config = experiment.config
    protocol = protocol_title(str(config["protocol"]), config["folds"], config["fold"])
    portrait: dict[str, Any] = {"label": label, "protocol": protocol, "seed": int(config["seed"])}
    portrait["missing"] = {}
    for name, part in {"graph": attribute_graph, "map": account_map, "cases": case_studies}.items():
        try:
            portrait[name] = part(experiment)
        except _NothingToShow as reason:
            portrait[name], portrait["missing"][name] = None, str(reason)
    return portrait


def attribute_graph(experiment: Experiment) -> dict[str, Any]:
    """The strongest attributes of the co-occurrence graph of the training collaborations.

    The graph is that of (13)-(17) with eta 2, whatever the model reads.
    """
    accounts = experiment.dataset.accounts
    if accounts is None or not accounts.attribute_names:
        raise _NothingToShow(
            "the data set has no lists of attributes; vectors computed elsewhere do not tell which "
            "attributes go together"
        )
    weights = training_graph(accounts, experiment.dataset.pairs[schema.TRAIN], _ETA)
    if not weights.nnz:
        raise _NothingToShow("no two attributes meet in a training collaboration")
    return strongest(weights, accounts.attribute_names)


def strongest(weights: sparse.csr_array, names: tuple[str, ...]) -> dict[str, Any]:
    """The attributes with the largest sums of edge weights, and every edge between them.

    Weights (attribute, attribute) are symmetric with a zero diagonal and at least one edge.
    """
    # Rounded, so that the last digits of a sum do not order equal ones.
    strengths = weights.sum(axis=1).round(_DECIMALS)
    connected = int((strengths > 0).sum())
    ranked = np.lexsort((names, -strengths))[: min(N_ATTRIBUTES, connected)]
    dense = np.triu(weights[ranked][:, ranked].toarray(), 1).round(_DECIMALS)
    return {
        "names": [names[node] for node in ranked],
        "strengths": strengths[ranked].tolist(),
        "edges": [(i, j, float(dense[i, j])) for i, j in np.argwhere(dense).tolist()],
        "n_attributes": connected,
        "n_edges": weights.nnz // 2,
        "total": float(strengths.sum()),
    }


def account_map(experiment: Experiment) -> dict[str, Any]:
    """Accounts in two dimensions, by the directions of their vectors."""
    model, dataset = experiment.model, experiment.dataset
    if not hasattr(model, "account_vectors"):
        raise _NothingToShow(f"{experiment.config['model']} has no account vectors")
    accounts, rows = [], []
    for side, values in model.account_vectors().items():
        vectors = values.flatten(start_dim=1).double().cpu().numpy()
        # Row 0 is padding; an account without any feature has no direction.
        ids = 1 + np.flatnonzero(vectors[1:].any(axis=1))
        tokens = [str(token) for token in dataset.id2token(schema.ACCOUNT_ID[side], ids)]
        for token, category in zip(tokens, _categories(dataset, side, tokens), strict=True):
            accounts.append({"id": token, "side": side, "category": category})
        # About each side's mean: what all brands share, or all influencers, is no likeness.
        rows.append(vectors[ids] - vectors[ids].mean(axis=0))
    if len(accounts) < 3:
        raise _NothingToShow("fewer than three accounts have a vector")
    places, method = flattened(np.concatenate(rows))
    for account, (x, y) in zip(accounts, places.round(_DECIMALS).tolist(), strict=True):
        account |= {"x": x, "y": y}
    return {"method": method, "accounts": accounts}


def flattened(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    """Places of vectors in a plane, by their directions, and how they were found, in words.

    Principal components, then t-SNE of the first 50; the first two components alone for more than
    8,000 vectors, or too few for a neighbourhood. Vectors are (vector, dimension), at least two of
    each; a zero vector has no direction. Places are float64 (vector, 2), without unit.
    """
    # Imported here: it takes a second that other commands need not wait.
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import normalize

    n_components = min(50, *vectors.shape)
    found = PCA(n_components, svd_solver="full").fit_transform(normalize(vectors))
    if not 3 * _PERPLEXITY < len(vectors) <= MOST_FOR_TSNE:
        return found[:, :2], "the first two principal components of the vectors' directions"
    start = found[:, :2] / found[:, 0].std() * 1e-4
    places = TSNE(2, perplexity=_PERPLEXITY, init=start, random_state=0).fit_transform(found)
    return places.astype(np.float64), (
        f"t-SNE of the vectors' directions (perplexity {_PERPLEXITY}, after {n_components} "
        f"principal components): neighbours are alike, large distances and the axes mean nothing"
    )


def _categories(dataset: Any, side: str, tokens: list[str]) -> list[str]:
    """Categories for colours; an influencer's comes from the side file that no model reads."""
    known = None
    if isinstance(dataset, MirecDataset) and side == schema.INFLUENCER:
        known = dataset.atomic.influencer_category
    elif isinstance(dataset, MirecDataset) and schema.BRAND_CATEGORY in dataset.atomic.brands:
        known = dataset.atomic.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
    if known is None:
        return [""] * len(tokens)
    return ["" if pd.isna(value) else str(value) for value in known.reindex(tokens)]


def case_studies(experiment: Experiment) -> list[dict[str, Any]]:
    """The brands with the best and with the median average precision on the test part."""
    dataset, model = experiment.dataset, experiment.model
    split = dataset.evaluation_split(schema.TEST)
    if not hasattr(model, "perspective_scores") or not isinstance(dataset, MirecDataset):
        name = experiment.config["model"]
        raise _NothingToShow(f"{name} does not split a score by perspective")
    if split is None:
        raise _NothingToShow("the data set has no test part")
    at_once = experiment.config["eval_batch_size"]
    scores = score_matrix(model, dataset, split.brands, split.candidates, pairs_at_once=at_once)
    precision = evaluate_scores(scores, split, metrics=["MAP"]).per_brand["MAP"].to_numpy()
    # By brand id within equal values, which is the order of `split.brands`.
    order = np.argsort(-precision, kind="stable")
    cases = []
    for words, row in (("highest", order[0]), ("median", order[len(order) // 2])):
        mask, positives = split.mask[row], split.positives[row]
        ranks = np.full(len(mask), np.nan)
        ranks[mask] = rankdata(-scores[row][mask], method="average")
        shown = shown_candidates(ranks, positives)
        columns = list(shown.values())
        name = str(dataset.id2token(dataset.uid_field, split.brands[row]))
        brand = account_card(dataset.atomic, schema.BRAND, name)
        cards = []
        shares = _shares(experiment, int(split.brands[row]), split.candidates[columns])
        for role, column, some in zip(shown, columns, shares, strict=True):
            token = str(dataset.id2token(dataset.iid_field, split.candidates[column]))
            card = account_card(dataset.atomic, schema.INFLUENCER, token, beside=brand)
            cards.append(card | {"role": role, "rank": float(ranks[column]), "shares": some})
        cases.append(
            {
                "n_positives": int(positives.sum()),
                "n_candidates": int(mask.sum()),
                "category": _categories(dataset, schema.BRAND, [name])[0],
                "brand": brand,
                "influencers": cards,
                "rule": f"the brand with the {words} average precision",
                "average_precision": float(precision[row]),
            }
        )
    return cases


def shown_candidates(ranks: NDArray[np.float64], positives: NDArray[np.bool_]) -> dict[str, int]:
    """Role -> column of the best and the worst ranked collaborator and other candidate.

    A candidate whose rank is NaN does not count; the worst is left out where it is the best.
    """
    shown: dict[str, int] = {}
    for words, of in (("collaborator", positives), ("other", ~positives)):
        columns = np.flatnonzero(of & ~np.isnan(ranks))
        order = columns[np.argsort(ranks[columns], kind="stable")].tolist()
        shown |= {f"best ranked {words}": order[0]} if order else {}
        shown |= {f"worst ranked {words}": order[-1]} if len(order) > 1 else {}
    return shown


def _shares(
    experiment: Experiment, brand: int, influencers: NDArray[np.int64]
) -> list[dict[str, float]]:
    """What each perspective adds to the score of each candidate of a brand."""
    dataset, model = experiment.dataset, experiment.model
    brands, items = torch.full((len(influencers),), brand), torch.from_numpy(influencers)
    pairs = Interaction({dataset.uid_field: brands, dataset.iid_field: items})
    with torch.no_grad():
        shares = model.perspective_scores(pairs.to(model.device)).double().tolist()
    return [dict(zip(model.perspectives, some, strict=True)) for some in shares]


def account_card(
    data: Any, side: schema.Side, account: str, *, beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the files of a data set tell of one account.

    What it has in common with the brand, whose card stands `beside` it, is marked.
    """
    frame = data.brands if side == schema.BRAND else data.influencers
    row: dict[Any, Any] = frame.set_index(schema.ACCOUNT_ID[side]).loc[account].to_dict()
    followers = row.get(schema.account_field(side, schema.FOLLOWERS))
    attributes = row.get(schema.account_field(side, schema.ATTRIBUTES))
    names = sorted(attributes) if isinstance(attributes, list) else []
    # modality -> what tells one from another -> how it reads
    words = {name: _topics(data, side, name, row) for name in schema.TOPIC_MODALITIES}
    words |= {name: _labels(side, name, row) for name in schema.VISUAL_MODALITIES}
    words[schema.ATTRIBUTES] = {name: name for name in names}
    features = {}
    for modality, some in words.items():
        theirs = {one["key"] for one in beside["features"][modality]} if beside else set()
        features[modality] = [
            {"key": key, "text": text, "shared": key in theirs} for key, text in some.items()
        ]
    known = None if followers is None or pd.isna(followers) else round(float(followers))
    bare = {"role": "the brand", "rank": 0.0, "shares": {}}
    return {"id": account, **bare, "followers": known, "features": features}


def _topics(data: Any, side: schema.Side, modality: str, row: Mapping[Any, Any]) -> dict[Any, str]:
    """The largest topics, by number: their share, and their words where the data set tells them."""
    shares = row.get(schema.account_field(side, modality))
    if not isinstance(shares, np.ndarray):
        return {}
    known = data.manifest.get("features", {}).get(modality, {}).get("topics", [])
    found = {}
    for number in np.argsort(-shares, kind="stable")[:N_TOPICS].tolist():
        words = f"topic {number}"
        if len(known) == len(shares):
            words = " · ".join(str(word) for word, _ in known[number]["words"][:N_WORDS])
        if shares[number] >= LEAST_SHARE:
            found[number] = f"{100 * shares[number]:.0f} % {words}"
    return found


def _labels(side: schema.Side, modality: str, row: Mapping[Any, Any]) -> dict[Any, str]:
    labels = row.get(schema.labels_field(side, modality))
    weights = row.get(schema.weights_field(side, modality))
    if not isinstance(labels, list) or weights is None:
        return {}
    ranked = sorted(zip(labels, weights, strict=True), key=lambda pair: (-pair[1], pair[0]))
    names = [token_label(label).removeprefix(SCENE_PREFIX) for label, _ in ranked[:N_LABELS]]
    return dict(zip(names, names, strict=True))
