"""How MIRec is trained: learning rate, negatives and dropout masks of the two variants."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from little_data import settings
from recbole.trainer import Trainer

from recbole_mirec.checkpoint import load_state
from recbole_mirec.experiment import ExperimentResult, prepare, run_experiment

EPOCHS = 4


@pytest.mark.parametrize(
    ("variant", "changes", "factor"),
    [
        ("paper", {}, 0.95 ** (EPOCHS - 1)),
        # 5 batches an epoch: 15 steps before the last epoch hold two times 7 whole steps
        ("reference", {"learning_rate_decay_steps": 7}, 0.99**2),
        ("reference", {}, 1.0),  # 12,000 steps are far away
    ],
)
def test_the_learning_rate_that_the_last_epoch_used(
    workplace: Path, variant: str, changes: dict[str, Any], factor: float
) -> None:
    n_pairs = len(prepare(settings(workplace)).dataset.pairs["train"])
    given = settings(
        workplace,
        variant=variant,
        epochs=EPOCHS,
        stopping_step=EPOCHS,
        learning_rate=0.003,
        train_batch_size=-(-n_pairs // 5),
        drop_last=False,
        **changes,
    )
    run = run_experiment(given)
    last = load_state(run.run_folder / "last.safetensors")
    (optimizer,) = last["optimizers"]
    rates = [group["lr"] for group in optimizer["param_groups"]]
    assert rates == pytest.approx([0.003 * factor] * len(rates), rel=1e-12)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        # 3,000 batches an epoch: 12,000 steps are over after four epochs
        ("reference", [1, 1, 1, 1, 0.99, 0.99, 0.99, 0.99, 0.99**2]),
        ("paper", [0.95**epoch for epoch in range(9)]),
    ],
)
def test_the_published_decays(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, variant: str, expected: list[float]
) -> None:
    trainer = prepare(settings(workplace, variant=variant, schedule="paper")).trainer
    rates: list[float] = []

    def note(self: Trainer, *_: Any) -> float:
        rates.append(self.optimizer.param_groups[0]["lr"])
        return 0.0

    monkeypatch.setattr(Trainer, "_train_epoch", note)
    for epoch in range(len(expected)):
        trainer._train_epoch(range(3000), epoch)
    assert rates == pytest.approx([0.002 * factor for factor in expected], rel=1e-12)


def negatives(loader: Any) -> dict[tuple[int, int], list[int]]:
    """Training pair -> its negatives in one epoch."""
    found: dict[tuple[int, int], list[int]] = {}
    for batch in loader:
        rows = zip(
            *(batch[f"{name}_id"].tolist() for name in ("brand", "influencer", "neg_influencer")),
            strict=True,
        )
        for brand, positive, negative in rows:
            found.setdefault((brand, positive), []).append(negative)
    return found


@pytest.mark.parametrize(("variant", "static"), [("reference", True), ("paper", False)])
def test_negatives_of_two_epochs(workplace: Path, variant: str, static: bool) -> None:
    made = prepare(settings(workplace, variant=variant, drop_last=False))
    loader, pairs = made.trainer.train_data, made.dataset.pairs["train"]
    first, second = negatives(loader), negatives(loader)
    assert sorted(first) == sorted(second) == sorted(map(tuple, pairs.tolist()))
    same = np.mean([first[pair] == second[pair] for pair in first])
    assert same == 1.0 if static else same < 0.2
    again = prepare(settings(workplace, variant=variant, drop_last=False)).trainer.train_data
    assert negatives(again) == first


@pytest.mark.parametrize("variant", ["reference", "paper"])
def test_one_call_of_the_encoder_serves_brands_and_influencers(
    workplace: Path, variant: str
) -> None:
    made = prepare(settings(workplace, variant=variant))
    model, batch = made.model, next(iter(made.trainer.train_data))
    calls: list[torch.Tensor] = []
    handle = model.method.encoder.register_forward_hook(
        lambda _module, given, _out: calls.append(given)
    )
    model.train()
    model.calculate_loss(batch)
    handle.remove()
    ((_, is_brand),) = calls
    brands = batch["brand_id"].unique()
    influencers = torch.cat([batch["influencer_id"], batch["neg_influencer_id"]]).unique()
    # every account of the batch once, so a brand's and an influencer's mask are one
    assert int(is_brand.sum()) == len(brands)
    assert int((~is_brand).sum()) == len(influencers)


def test_two_threads_repeat_to_a_hundred_thousandth(workplace: Path) -> None:
    given = settings(workplace, torch_threads=2)
    threads = torch.get_num_threads()
    try:
        one, two = run_experiment(given), run_experiment(given)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert_close(one, two)


def assert_close(one: ExperimentResult, two: ExperimentResult) -> None:
    """Metrics per brand and parameters agree to 1e-5."""
    assert one.run_folder != two.run_folder
    for a, b in ((one.valid, two.valid), (one.test, two.test)):
        assert a is not None
        assert b is not None
        pd.testing.assert_frame_equal(a.per_brand, b.per_brand, rtol=0, atol=1e-5)
        assert a.summary == pytest.approx(b.summary, abs=1e-5, nan_ok=True)
    states = [load_state(run.run_folder / "last.safetensors") for run in (one, two)]
    for name, value in states[0]["state_dict"].items():
        torch.testing.assert_close(value, states[1]["state_dict"][name], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_two_threads_repeat_on_data_of_full_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {
        "model": "MIRec",
        "dataset": "mirec-demo",
        "epochs": 3,
        "graph_method": "netmf",
        "torch_threads": 2,
        "show_progress": False,
    }
    try:
        first, second = (run_experiment(settings).test for _ in range(2))
    finally:
        torch.set_num_threads(1)
    assert first is not None
    assert second is not None
    assert first.summary == pytest.approx(second.summary, abs=1e-5)


@pytest.mark.parametrize("variant", ["mirec", "reference", "paper"])
def test_one_step_an_epoch_is_not_dropped(workplace: Path, variant: str) -> None:
    given = settings(workplace, variant=variant, schedule="full_batch", epochs=1)
    del given["train_batch_size"]
    made = prepare(given)
    before = {name: value.clone() for name, value in made.model.named_parameters()}
    assert len(list(made.trainer.train_data)) == 1
    made.trainer.fit(made.trainer.train_data, None, saved=False)
    assert any(
        not torch.equal(value, before[name]) for name, value in made.model.named_parameters()
    )
