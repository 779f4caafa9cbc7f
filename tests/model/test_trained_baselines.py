"""The trained baselines: scores and losses by hand or by a loop, alive, and what they refuse."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from little_data import NAME, little, settings, vectors, write_little
from model_cases import SMALL
from recbole.data.interaction import Interaction
from torch.nn import functional

from dataset_convert.common.errors import UsageError
from recbole_mirec.experiment import prepare
from recbole_mirec.model.base import unit_content
from recbole_mirec.model.two_tower import _joined
from recbole_mirec.nn.settings import Modality

TWO_TOWERS = ("ContentTwoTower", "MIR", "HPTR", "CATR")
TRAINED = (*TWO_TOWERS, "CAMERA")
NEGATIVES = {"distribution": "uniform", "alpha": 1.0, "dynamic": False, "candidate_num": 0}


def made(folder: Path, model: str, **changes: Any) -> Any:
    experiment = prepare(settings(folder, model, NAME, **(SMALL[model] | changes)))
    experiment.model.eval()
    return experiment


def batch(data: Any, rows: list[tuple[str, str, str]]) -> Interaction:
    """Brand, positive and negative of each row."""
    ids = [
        [data.token2id("brand_id", b), *data.token2id("influencer_id", [p, n])] for b, p, n in rows
    ]
    columns = torch.tensor(np.array(ids)).T
    fields = ("brand_id", "influencer_id", "neg_influencer_id")
    return Interaction(dict(zip(fields, columns, strict=True)))


ROWS = [("b1", "i1", "i3"), ("b2", "i2", "i4"), ("b3", "i4", "i1"), ("b1", "i2", "i4")]


def scores(experiment: Any, rows: list[tuple[str, str, str]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of positives and negatives by `predict`."""
    pairs = batch(experiment.dataset, rows)
    negatives = {"brand_id": pairs["brand_id"], "influencer_id": pairs["neg_influencer_id"]}
    return experiment.model.predict(pairs), experiment.model.predict(Interaction(negatives))


@pytest.mark.parametrize("model", TRAINED)
def test_the_fingerprint_is_of_the_features(workplace: Path, tmp_path: Path, model: str) -> None:
    prints = []
    for number, first in enumerate((0.5, 0.5, 0.4)):
        brands = little().brands.copy()
        rows = [[0.2, 0.3, 0.5], [first, 0.3, 0.7 - first], [0.1, 0.1, 0.8], None, [0.2, 0.2, 0.6]]
        brands["brand_content_topics"] = vectors(*rows)
        folder = write_little(tmp_path / str(number), brands=brands)
        prints.append(made(folder, model).model.input_fingerprint())
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


@pytest.mark.parametrize(
    ("loss", "reading"),
    [
        ("bpr", lambda pos, neg: -functional.logsigmoid(pos - neg)),
        ("logistic", lambda pos, neg: functional.softplus(-pos) + functional.softplus(neg)),
    ],
)
def test_the_losses_of_two_towers(workplace: Path, tmp_path: Path, loss: str, reading: Any) -> None:
    experiment = made(write_little(tmp_path), "ContentTwoTower", loss=loss)
    found = experiment.model.calculate_loss(batch(experiment.dataset, ROWS))
    torch.testing.assert_close(found, reading(*scores(experiment, ROWS)).mean())


def test_towers_read_unit_modalities_and_marks_of_the_missing(
    workplace: Path, tmp_path: Path
) -> None:
    experiment = made(write_little(tmp_path), "ContentTwoTower", perspectives=["content"])
    data, inputs = experiment.dataset, experiment.model.inputs
    # four training labels: cup, plate is of i6 and i7 only and unknown, road, tree
    ids = torch.tensor([data.token2id("brand_id", token) for token in ("b1", "b3", "b4")])
    rows = _joined(inputs.take("brand", ids))
    topics = np.array([0.5, 0.3, 0.2]) / np.sqrt(0.38)
    labels = np.array([0.75, 0.0, 0.25]) / np.sqrt(0.625)
    expected = [*topics, *labels, 1.0, 1.0]
    assert rows[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert rows[1].tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
    # sneaker is no training label
    assert rows[2, 3:].tolist() == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("model", ["Cosine", "ContentTwoTower"])
def test_a_perspective_that_the_data_lacks_is_named(
    workplace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, model: str
) -> None:
    data = little()
    brands = data.brands.drop(columns="brand_audience_topics")
    influencers = data.influencers.drop(columns="influencer_audience_topics")
    write_little(tmp_path / "without", brands=brands, influencers=influencers)
    said = "Perspective audience is left out: the data set has nothing for it."
    with caplog.at_level("INFO"):
        prepare(settings(write_little(tmp_path / "with"), model, NAME))
        assert said not in caplog.text
        prepare(settings(tmp_path / "without", model, NAME))
    assert caplog.text.count(said) == 1


def test_shared_towers_are_one(workplace: Path, tmp_path: Path) -> None:
    folder = write_little(tmp_path)
    counts = []
    for shared in (True, False):
        network = made(folder, "ContentTwoTower", shared_towers=shared).model
        counts.append(sum(parameter.numel() for parameter in network.parameters()))
    assert counts[1] == 2 * counts[0]


def test_the_score_of_mir_is_the_mean_of_the_product(workplace: Path, tmp_path: Path) -> None:
    experiment = made(write_little(tmp_path), "MIR")
    network, data = experiment.model, experiment.dataset
    ids = {
        "brand": torch.tensor([data.token2id("brand_id", "b1")]),
        "influencer": torch.tensor([data.token2id("influencer_id", "i1")]),
    }
    tables = {side: unit_content(network.inputs.take(side, some)) for side, some in ids.items()}
    topics = np.array([0.5, 0.3, 0.2])
    found = tables["brand"]["content_topics"].rows[0]
    assert found.tolist() == pytest.approx((topics / np.linalg.norm(topics)).tolist(), rel=1e-5)
    brand, influencer = (
        network.towers[side](
            {name: Modality(x * x.shape[1] ** 0.5, mask) for name, (x, mask) in table.items()}
        ).rows
        for side, table in tables.items()
    )
    positive, _ = scores(experiment, [("b1", "i1", "i3")])
    torch.testing.assert_close(positive, (brand * influencer).mean(dim=1))


def with_competence(folder: Path, train: list[tuple[str, str, float]]) -> Path:
    """The little data with other training pairs; validation and test have a competence of 9."""
    data = little()
    frame = pd.DataFrame(train, columns=["brand_id", "influencer_id", "competence"])
    splits = data.splits["new-brand"] | {"train": frame[["brand_id", "influencer_id"]]}
    held = data.interactions.iloc[:4].assign(competence=9.0)
    inter = pd.concat([held, frame], ignore_index=True)
    return write_little(folder, interactions=inter, splits={"new-brand": splits})


def test_a_list_holds_a_draw_of_each_bucket_and_negatives(workplace: Path, tmp_path: Path) -> None:
    pairs = [("b1", "i1", 0.9), ("b1", "i2", 0.1), ("b1", "i3", 0.5), ("b1", "i4", 0.3)]
    folder = with_competence(tmp_path, [*pairs, ("b2", "i2", 0.4), ("b3", "i5", 0.2)])
    changes = {"list_size": 4, "train_neg_sample_args": NEGATIVES | {"sample_num": 2}}
    experiment = made(folder, "MIR", **changes)
    network, data = experiment.model, experiment.dataset
    brand = data.token2id("brand_id", "b1")
    of = {token: int(data.token2id("influencer_id", token)) for token in ("i1", "i2", "i3", "i4")}
    drawn = set()
    for _ in range(40):
        chosen, filled = network._draw(torch.tensor([brand]), torch.tensor([of["i2"]]))
        assert filled.tolist() == [[True, True]]
        drawn.add(tuple(chosen[0].tolist()))
    # the better half i1 and i3; the other bucket's member is the positive itself
    assert drawn == {(of["i1"], of["i2"]), (of["i3"], of["i2"])}
    assert network.labels.tolist() == [2.0, 1.0, 0.0, 0.0]
    # b2 has one influencer, so its second bucket is left out
    rows = batch(data, [("b2", "i2", "i1"), ("b2", "i2", "i4")])
    loss = network.calculate_loss(rows)
    (positive, _), negatives = scores(experiment, [("b2", "i2", "i1"), ("b2", "i2", "i4")])
    expected = torch.logsumexp(torch.stack([positive, *negatives]), dim=0) - positive
    torch.testing.assert_close(loss, expected)


def test_without_competence_lists_are_uniform_and_it_says_so(
    workplace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        network = made(write_little(tmp_path), "MIR").model
    assert "No training collaboration has a competence: lists are drawn uniformly" in caplog.text
    assert network.labels.tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(("size", "n_negatives"), [(2, 2), (3, 5)])
def test_a_list_needs_room_for_a_positive(
    workplace: Path, tmp_path: Path, size: int, n_negatives: int
) -> None:
    changes = {"train_neg_sample_args": NEGATIVES | {"sample_num": n_negatives}}
    message = f"'list_size' must be above sample_num .*, {n_negatives}. Received: {size}."
    with pytest.raises(UsageError, match=message):
        made(write_little(tmp_path), "MIR", list_size=size, **changes)


@pytest.mark.parametrize("model", ["HPTR", "CATR", "CAMERA"])
def test_triplets_count_where_the_lead_is_short(
    workplace: Path, tmp_path: Path, model: str
) -> None:
    folder = write_little(tmp_path)
    changes = {"tower_dropout": 0.0} | ({"tower_l1": 0.25} if model == "CAMERA" else {})
    for margin in (1.0, 0.0):
        experiment = made(folder, model, triplet_margin=margin, **changes)
        loss = experiment.model.calculate_loss(batch(experiment.dataset, ROWS))
        positive, negative = scores(experiment, ROWS)
        hinge = (negative - positive + margin).clamp(min=0)
        if model == "CAMERA":
            loss, l1 = loss
            weights = [p for p in experiment.model.network.parameters() if p.ndim == 2]
            torch.testing.assert_close(l1, 0.25 * sum(weight.abs().sum() for weight in weights))
        torch.testing.assert_close(loss, hinge[hinge > 0].mean())


def test_a_pass_of_camera_by_hand(workplace: Path, tmp_path: Path) -> None:
    experiment = made(write_little(tmp_path), "CAMERA")
    network, data = experiment.model, experiment.dataset
    inputs, nets = network.inputs, network.network
    ids = {
        "brand": torch.tensor([data.token2id("brand_id", "b1")]),
        "influencer": torch.tensor([data.token2id("influencer_id", "i2")]),
    }
    tables = {side: inputs.take(side, some) for side, some in ids.items()}
    vectors_of = {}
    for side, other in (("brand", "influencer"), ("influencer", "brand")):
        history = inputs.histories(tables[side])
        _, concepts, mask = inputs.concepts(tables[side])
        seen = concepts[0][mask[0]]
        looking = nets.psi(inputs.histories(tables[other]))
        weights = (looking * nets.rho(seen)).mean(dim=1).softmax(dim=0)
        marketing = (weights[:, None] * seen).sum(dim=0, keepdim=True)
        vectors_of[side] = nets.gamma(torch.cat([history, marketing], dim=1))
    product = (vectors_of["brand"] * vectors_of["influencer"]).sum(dim=1)
    # cosine of the topics; i2 has no labels
    cosine = (0.5 * 0.4 + 0.3 * 0.2 + 0.2 * 0.4) / np.sqrt(0.38 * 0.36)
    correlations = inputs.correlations(tables["brand"], tables["influencer"])
    assert correlations[0].tolist() == pytest.approx([cosine, 0.0], rel=1e-5)
    # i2 is the second of four by followers, and no competence is known
    influence = network.influence(torch.tensor([[-0.25]]))
    expected = product * network.endorsement(correlations) * influence
    positive, _ = scores(experiment, [("b1", "i2", "i4")])
    torch.testing.assert_close(positive, expected)


def test_camera_without_followers_and_competence_leaves_influence_out(
    workplace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    influencers = little().influencers.drop(columns="influencer_followers")
    with caplog.at_level("INFO"):
        experiment = made(write_little(tmp_path, influencers=influencers), "CAMERA")
    assert "Influence score left out" in caplog.text
    assert experiment.model.influence is None
    assert scores(experiment, ROWS)[0].std() > 0


@pytest.mark.parametrize(
    ("models", "columns", "message"),
    [
        (("CATR", "CAMERA"), "attributes", "needs attribute lists of both sides, which are its"),
        (("MIR", "HPTR", "CATR", "CAMERA"), "content", "needs topics, visual semantics or text of"),
    ],
)
def test_concepts_and_content_are_needed(
    workplace: Path, tmp_path: Path, models: tuple[str, ...], columns: str, message: str
) -> None:
    frames = {"brands": little().brands, "influencers": little().influencers}
    kept = {
        key: frame.loc[:, ~frame.columns.str.contains(columns)] for key, frame in frames.items()
    }
    write_little(tmp_path, **kept)
    for model in models:
        with pytest.raises(UsageError, match=f"{model} {message}"):
            made(tmp_path, model)
