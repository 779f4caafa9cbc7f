"""MIRec: both readings' inputs, what may not be learnt from, and wrong values of its keys."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from little_data import NAME, TINY, changed_positives, little, settings, vectors, write_little
from model_cases import ALL, batch_of, fitted, forget, made, scores, shaken, shares

from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.attributes import node_vectors
from recbole_mirec.experiment import run_experiment

REFERENCE = {"variant": "reference"}


@pytest.mark.parametrize("variant", ["reference", "paper"])
def test_every_perspective_and_the_graph_count(workplace: Path, variant: str) -> None:
    experiment = shaken(made(workplace, variant=variant), 0.5)
    model, data, parts = experiment.model, experiment.dataset, shares(experiment)
    assert model.perspectives == ALL
    assert (parts.std(axis=(0, 1)) > 0.01).all()
    # Without the attributes their share goes and the others stay.
    mask = model.method.accounts.table("brand")["attributes"].mask
    kept = mask.clone()
    mask.fill_(False)
    forget(model)
    np.testing.assert_allclose(
        scores(experiment), parts[:, :, :2].sum(axis=2), rtol=1e-5, atol=1e-5
    )
    mask.copy_(kept)
    # Another graph gives other inputs and other scores.
    training, embeddings = data.pairs["train"], model.method.embeddings
    vectors = node_vectors(data.accounts, training, experiment.config)[0]
    assert np.array_equal(vectors, embeddings.numpy())
    other = np.column_stack([training[:, 0], np.roll(training[:, 1], 5)])
    embeddings.copy_(torch.from_numpy(node_vectors(data.accounts, other, experiment.config)[0]))
    forget(model)
    changed = shares(experiment)
    assert np.array_equal(changed[:, :, :2], parts[:, :, :2])
    assert np.abs(changed[:, :, 2] - parts[:, :, 2]).max() > 0.01


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("variant", ["mirec", "reference"])
def test_held_out_positives_change_nothing_that_is_learnt(
    workplace: Path, tiny: AtomicData, tmp_path: Path, variant: str, part: str
) -> None:
    write_atomic(changed_positives(tiny, "known-brand", part), tmp_path / TINY)
    given = {"protocol": "known-brand", "variant": variant}
    one, other = (fitted(made(folder, **given)) for folder in (workplace, tmp_path))
    assert np.array_equal(scores(one), scores(other))
    states = one.model.state_dict(), other.model.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def without(frame: pd.DataFrame, *parts: str) -> pd.DataFrame:
    return frame[[name for name in frame.columns if not any(part in name for part in parts)]]


def test_data_without_a_perspective_run_with_a_log_line(
    workplace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = little()
    write_little(
        tmp_path,
        brands=without(data.brands, "audience", "visual"),
        influencers=without(data.influencers, "audience", "visual"),
    )
    with caplog.at_level(logging.INFO):
        found = run_experiment(settings(tmp_path, dataset=NAME))
    assert "Perspective audience is left out: the data set has nothing for it." in caplog.text
    assert found.test is not None
    assert found.test.summary["MAP"] == 1.0  # both candidates of b5 are its own


@pytest.mark.parametrize("perspectives", [[name] for name in ALL] + [list(ALL[::-1])])
@pytest.mark.parametrize("variant", ["mirec", "reference"])
def test_any_perspectives_run(workplace: Path, variant: str, perspectives: list[str]) -> None:
    experiment = shaken(made(workplace, variant=variant, perspectives=perspectives), 0.1)
    model, found = experiment.model, shares(experiment)
    ours = ("precedent", "hubness") if variant == "mirec" else ()
    assert model.perspectives == (*perspectives, *ours)
    assert found.shape[2] == len(model.perspectives)
    assert (found.std(axis=(0, 1)) > 0.01 * (variant == "mirec")).all()
    losses = model.calculate_loss(batch_of(experiment))
    n_terms = 1 if variant == "mirec" else len(perspectives) + 3
    assert len(losses) == len(model.loss_names) == n_terms


def with_vectors(**changes: Any) -> dict[str, pd.DataFrame]:
    data = little(**changes)
    brands, influencers = data.brands.copy(), data.influencers.copy()
    brands["brand_attribute_vector"] = vectors(*[[1.0, float(k)] for k in range(5)])
    influencers["influencer_attribute_vector"] = vectors(*[[float(k), 1.0] for k in range(7)])
    return {"brands": brands, "influencers": influencers}


def test_a_precomputed_vector_or_the_lists_feed_the_attribute_perspective(
    workplace: Path, tmp_path: Path
) -> None:
    write_little(tmp_path, **with_vectors())
    for choice, width in {"auto": 8, "graph": 8, "vector": 2}.items():
        model = made(tmp_path, dataset=NAME, attribute_input=choice, **REFERENCE).model
        assert model.method.encoder.towers["attribute"].first.in_features == width


def test_a_precomputed_graph_or_embedding_replaces_the_counts(
    workplace: Path, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"dataset": NAME, **REFERENCE}
    (tmp_path / "graph.txt").write_text("vegan baker 2.0\nbaker coach 1.0\nvegan zebra 1.5\n")
    (tmp_path / "nodes.txt").write_text("3 2\nrunner 1 2\nvegan 3 4\nother 5 6\n")
    write_little(tmp_path)

    def attributes(**file: str) -> dict[str, list[float]]:
        experiment = made(tmp_path, **given, **file)
        names = experiment.dataset.field2id_token["brand_id"].tolist()
        method = experiment.model.method
        rows, mask = method._prepared(method.accounts.table("brand"))["attribute"]
        named = zip(names, rows.tolist(), mask.tolist(), strict=True)
        return {name: row for name, row, has in named if has}

    # runner is no node of that graph
    assert set(attributes(attribute_graph_file=str(tmp_path / "graph.txt"))) == {"b1"}
    found = attributes(node_embedding_file=str(tmp_path / "nodes.txt"))
    assert found["b1"] == [3.0, 4.0]  # the mean over vegan; baker is no node
    assert found["b2"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"perspectives": ["contents"]}, "Received: 'contents'. Did you mean 'content'?"),
        ({"perspectives": []}, "Key 'perspectives' must name one to three of content, audience"),
        ({"perspectives": "content"}, "Key 'perspectives' must be a list. Received: 'content'."),
        ({"perspectives": ["content", "content"]}, "each once"),
        ({"attribute_input": "grph"}, "Received: 'grph'. Did you mean 'graph'?"),
        ({"attribute_input": "vector"}, "what the data set lacks; use attribute_input=graph."),
        ({"graph_method": "deepwalk"}, "Key 'graph_method' must be one of node2vec, netmf."),
        ({"attribute_graph_file": "no.txt"}, "No such file or directory: 'no.txt'"),
        ({"graph_dimension": 0}, "dimension"),
        (REFERENCE | {"fusion": "sum"}, "Key 'fusion' must be one of low_rank, product."),
        (REFERENCE | {"dimension": 0}, "Key 'dimension' must be at least 1. Received: 0."),
        (REFERENCE | {"dimension": 10**40}, "Key 'dimension' must be at most 2147483647."),
        (REFERENCE | {"margins": 3}, "Key 'margins' must be a mapping. Received: 3."),
        (REFERENCE | {"visual_hidden": 16}, "Key 'visual_hidden' must be a list. Received: 16."),
        (REFERENCE | {"topic_hidden": []}, "Key 'topic_hidden' must have at least 1 entries."),
        (REFERENCE | {"score_penalties": {"content": 1}}, "Key 'score_penalties: content' must"),
        (REFERENCE | {"margins": {"content": 4.0}}, "'margins' must have entries for audience, at"),
        ({"temperature": 0}, "Key 'temperature' must be at least 0.001. Received: 0."),
        ({"precedent": "yes"}, "Key 'precedent' must be True or False. Received: 'yes'."),
        ({"precedent_weight": float("inf")}, "Key 'precedent_weight' must be a finite number."),
    ],
)
def test_wrong_values_are_named(workplace: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(workplace, **changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_without_any_feature_is_an_error(workplace: Path, tmp_path: Path) -> None:
    data = little()
    write_little(
        tmp_path, brands=data.brands[["brand_id"]], influencers=data.influencers[["influencer_id"]]
    )
    with pytest.raises(UsageError, match=r"no features for the perspectives .*: fill at least one"):
        made(tmp_path, dataset=NAME)


def test_a_graph_without_edges_and_foreign_names_are_errors(
    workplace: Path, tmp_path: Path
) -> None:
    write_little(tmp_path)
    (tmp_path / "graph.txt").write_text("1 2 0.5\n")
    with pytest.raises(UsageError, match=r"graph\.txt' names none of the data set's 4 attributes"):
        made(tmp_path, dataset=NAME, attribute_graph_file=str(tmp_path / "graph.txt"))
    data = little()
    lonely = pd.Series([["x"]] + [None] * 4, dtype=object)
    influencers = without(data.influencers, "attributes")
    influencers["influencer_attributes"] = pd.Series([None] * 6 + [["y"]], dtype=object)
    write_little(
        tmp_path, brands=data.brands.assign(brand_attributes=lonely), influencers=influencers
    )
    with pytest.raises(UsageError, match="The attribute graph has no edges"):
        made(tmp_path, dataset=NAME)
