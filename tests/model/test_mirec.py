import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from little_data import NAME, TINY, changed_positives, little, settings, vectors, write_little
from recbole.data.interaction import Interaction
from torch import Tensor

from dataset_convert.atomic import write_atomic
from dataset_convert.common.errors import UsageError
from recbole_mirec.checkpoint import load_state
from recbole_mirec.data.attributes import graph_features
from recbole_mirec.experiment import Experiment, prepare, run_experiment

ALL = ("content", "audience", "attribute")
REFERENCE = {"variant": "reference"}
BRANDS = torch.tensor([1, 2, 7, 11, 36])


@pytest.fixture(scope="module", params=["reference", "paper"])
def experiment(workplace: Path, request: pytest.FixtureRequest) -> Experiment:
    """A prepared MIRec of either reading, its parameters large enough to tell scores apart."""
    made = prepare(settings(workplace, variant=request.param))
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    made.model.eval()
    return made


def forget(model: Any) -> None:
    """Drop the cached account vectors, as training does."""
    model.train()
    model.eval()


def every_pair(experiment: Experiment, brands: Tensor = BRANDS) -> Interaction:
    n_items = experiment.dataset.item_num
    return Interaction(
        {
            "brand_id": brands.repeat_interleave(n_items),
            "influencer_id": torch.arange(n_items).repeat(len(brands)),
        }
    )


def one_by_one(model: Any, side: str, account: int) -> Tensor:
    """An account's vectors from the encoder, alone in its call."""
    features = {
        name: getattr(model.method.accounts, f"{side}_{name}_features")[[account]]
        for name in model.method.encoder.dimensions
    }
    masks = {
        name: getattr(model.method.accounts, f"{side}_{name}_mask")[[account]]
        for name in model.method.encoder.dimensions
    }
    vectors, _ = model.method.encoder(features, masks, torch.tensor([side == "brand"]))
    return vectors[0]


def test_padding_and_what_is_missing_never_leak(experiment: Experiment) -> None:
    model = experiment.model
    before = {side: rows.clone() for side, rows in model.account_vectors().items()}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    n_missing = 0
    for name, buffer in model.named_buffers():
        if name.endswith("_features"):
            mask = buffers[name.replace("_features", "_mask")]
            assert not mask[0]
            n_missing += int((~mask).sum())
            buffer[~mask] = 1e6
    forget(model)
    for side, rows in model.account_vectors().items():
        assert not rows[0].any()
        assert torch.equal(rows, before[side])
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
    forget(model)
    assert n_missing > 10 + 10  # the padding rows alone are ten


def training_batch(experiment: Experiment) -> Interaction:
    torch.manual_seed(3)
    return next(iter(experiment.trainer.train_data))


def test_every_perspective_and_the_graph_count(experiment: Experiment) -> None:
    model = experiment.model
    pairs = every_pair(experiment)
    scores, shares = model.predict(pairs), model.perspective_scores(pairs)
    assert model.perspectives == ALL
    for column in range(3):
        assert shares[:, column].std() > 0.01
    # Without the attributes their share goes and the others stay.
    mask = model.method.accounts.brand_attribute_mask.clone()
    model.method.accounts.brand_attribute_mask.fill_(False)
    forget(model)
    torch.testing.assert_close(model.predict(pairs), shares[:, :2].sum(dim=1))
    model.method.accounts.brand_attribute_mask.copy_(mask)
    # Another graph gives other inputs and other scores.
    data = experiment.dataset
    assert data.accounts is not None
    training = data.pairs["train"]
    other = np.column_stack([training[:, 0], np.roll(training[:, 1], 5)])
    same = graph_features(data.accounts, training, experiment.config)["brand"][0]
    kept = model.method.accounts.brand_attribute_features.clone()
    assert torch.equal(same, kept)
    model.method.accounts.brand_attribute_features.copy_(
        graph_features(data.accounts, other, experiment.config)["brand"][0]
    )
    forget(model)
    changed = model.perspective_scores(pairs)
    assert torch.equal(changed[:, :2], shares[:, :2])
    assert (changed[:, 2] - shares[:, 2]).abs().max() > 0.01
    model.method.accounts.brand_attribute_features.copy_(kept)
    forget(model)
    assert torch.equal(model.predict(pairs), scores)


def test_held_out_positives_change_nothing_that_is_learnt(workplace: Path, tmp_path: Path) -> None:
    for part in ("valid", "test"):
        write_atomic(changed_positives("known-brand", part), tmp_path / part / TINY)
    states = []
    for folder in (workplace, tmp_path / "valid", tmp_path / "test"):
        run = run_experiment(settings(folder, protocol="known-brand", **REFERENCE))
        last = load_state(run.run_folder / "last.safetensors")
        states.append(last["state_dict"])
    for state in states[1:]:
        assert state.keys() == states[0].keys()
        for name, value in state.items():
            assert torch.equal(value, states[0][name]), name


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
def test_any_perspectives_run(workplace: Path, perspectives: list[str]) -> None:
    made = prepare(settings(workplace, perspectives=perspectives, **REFERENCE))
    assert made.model.perspectives == tuple(perspectives)
    made.model.eval()
    assert made.model.account_vectors()["brand"].shape[1] == len(perspectives)
    losses = made.model.calculate_loss(training_batch(made))
    assert len(losses) == len(made.model.loss_names) == len(perspectives) + 3


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
    widths = {
        choice: prepare(
            settings(tmp_path, dataset=NAME, attribute_input=choice, **REFERENCE)
        ).model.method.encoder.dimensions["attribute"]
        for choice in ("auto", "graph", "vector")
    }
    assert widths == {"auto": 8, "graph": 8, "vector": 2}


def test_a_precomputed_graph_or_embedding_replaces_the_counts(
    workplace: Path, tmp_path: Path
) -> None:
    write_little(tmp_path)
    given = settings(tmp_path, dataset=NAME, **REFERENCE)
    (tmp_path / "graph.txt").write_text("vegan baker 2.0\nbaker coach 1.0\nvegan zebra 1.5\n")
    made = prepare(given | {"attribute_graph_file": str(tmp_path / "graph.txt")})
    names = made.dataset.field2id_token["brand_id"].tolist()
    has = dict(zip(names, made.model.method.accounts.brand_attribute_mask.tolist(), strict=True))
    # runner is no node of that graph
    assert {name for name, present in has.items() if present} == {"b1"}
    (tmp_path / "nodes.txt").write_text("3 2\nrunner 1 2\nvegan 3 4\nother 5 6\n")
    made = prepare(given | {"node_embedding_file": str(tmp_path / "nodes.txt")})
    rows = dict(
        zip(names, made.model.method.accounts.brand_attribute_features.tolist(), strict=True)
    )
    assert rows["b1"] == [3.0, 4.0]  # the mean over vegan; baker is no node
    assert rows["b2"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"perspectives": ["contents"]}, "Unknown perspective 'contents'. Did you mean 'content'?"),
        ({"perspectives": []}, "Key 'perspectives' must list one to three of"),
        ({"perspectives": "content"}, "Received: 'content'."),
        ({"perspectives": ["content", "content"]}, "each once"),
        ({"attribute_input": "grph"}, "Unknown attribute_input 'grph'. Did you mean 'graph'?"),
        ({"attribute_input": "vector"}, "what the data set lacks; use attribute_input=graph."),
        ({"graph_method": "deepwalk"}, "Unknown graph_method 'deepwalk'. Valid: node2vec, netmf."),
        ({"attribute_graph_file": "no.txt"}, "No such file or directory: 'no.txt'"),
        ({"graph_dimension": 0}, "dimension"),
        (REFERENCE | {"fusion": "sum"}, "Key 'fusion': Input should be 'low_rank' or 'product'."),
        (REFERENCE | {"dimension": 0}, "greater than or equal to 1. Received: 0."),
        (REFERENCE | {"margins": 3}, "Key 'margins': Input should be a valid dictionary."),
        (REFERENCE | {"visual_hidden": 16}, "Key 'visual_hidden': Input should be a valid tuple."),
        (REFERENCE | {"score_penalties": {"content": 1}}, "Key 'score_penalties.content': Input"),
        (REFERENCE | {"margins": {"content": 4.0}}, "margins must have entries for audience, att"),
    ],
)
def test_wrong_values_are_named(workplace: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(settings(workplace, **changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_without_any_feature_is_an_error(workplace: Path, tmp_path: Path) -> None:
    data = little()
    write_little(
        tmp_path, brands=data.brands[["brand_id"]], influencers=data.influencers[["influencer_id"]]
    )
    with pytest.raises(UsageError, match=r"no features for the perspectives .*: fill at least one"):
        prepare(settings(tmp_path, dataset=NAME))


def test_a_graph_without_edges_and_foreign_names_are_errors(
    workplace: Path, tmp_path: Path
) -> None:
    write_little(tmp_path)
    (tmp_path / "graph.txt").write_text("1 2 0.5\n")
    with pytest.raises(UsageError, match=r"graph\.txt' names none of the data set's 4 attributes"):
        prepare(settings(tmp_path, dataset=NAME, attribute_graph_file=str(tmp_path / "graph.txt")))
    data = little()
    lonely = pd.Series([["x"]] + [None] * 4, dtype=object)
    influencers = without(data.influencers, "attributes")
    influencers["influencer_attributes"] = pd.Series([None] * 6 + [["y"]], dtype=object)
    write_little(
        tmp_path, brands=data.brands.assign(brand_attributes=lonely), influencers=influencers
    )
    with pytest.raises(UsageError, match="The attribute graph has no edges"):
        prepare(settings(tmp_path, dataset=NAME))
