from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from little_data import NAME, little, settings, vectors, write_little
from recbole.data.interaction import Interaction

from recbole_mirec.errors import UsageError
from recbole_mirec.experiment import prepare


def made(folder: Path, **changes: Any) -> Any:
    experiment = prepare(settings(folder, "Cosine", NAME, **changes))
    experiment.model.eval()
    return experiment


def score(experiment: Any, brand: str, influencer: str) -> float:
    data = experiment.dataset
    pair = Interaction(
        {
            "brand_id": torch.tensor([data.token2id("brand_id", brand)]),
            "influencer_id": torch.tensor([data.token2id("influencer_id", influencer)]),
        }
    )
    return float(experiment.model.predict(pair))


def test_cosines_worked_by_hand(workplace: Path, tmp_path: Path) -> None:
    found = made(write_little(tmp_path))
    # Both sides have both modalities of content: the mean of their cosines.
    topics = (0.5 * 0.6 + 0.3 * 0.4) / (sqrt(0.38) * sqrt(0.52))
    visual = 0.75 / sqrt(0.75**2 + 0.25**2)
    attributes = 1 / sqrt(2)  # {vegan, baker} and {vegan}
    expected = (topics + visual) / 2 + 1.0 + attributes
    assert score(found, "b1", "i1") == pytest.approx(expected, rel=1e-5)
    # i2 has topics only, no audience, and attributes {vegan, coach}.
    topics = (0.5 * 0.4 + 0.3 * 0.2 + 0.2 * 0.4) / (sqrt(0.38) * sqrt(0.36))
    assert score(found, "b1", "i2") == pytest.approx(topics / sqrt(2) + 1 / 2, rel=1e-5)
    # b3 has no topics of content, i2 nothing else: no modality in common.
    assert score(found, "b3", "i2") == 0.0


@pytest.mark.parametrize(
    ("perspective", "expected"),
    [("content", 0.0), ("audience", 0.5 / (sqrt(0.5) * sqrt(0.58))), ("attribute", 0.0)],
)
def test_single_perspectives(
    workplace: Path, tmp_path: Path, perspective: str, expected: float
) -> None:
    found = made(write_little(tmp_path), perspectives=[perspective])
    # b3: visual 'cup', audience (.5, .5), no attributes; i4: visual 'road', audience (.7, .3)
    assert score(found, "b3", "i4") == pytest.approx(expected, rel=1e-5)


def test_full_ranking_is_the_prediction_and_padding_scores_nothing(
    workplace: Path, tmp_path: Path
) -> None:
    found = made(write_little(tmp_path))
    data = found.dataset
    brands = torch.arange(data.user_num)
    full = found.model.full_sort_predict(Interaction({"brand_id": brands}))
    full = full.reshape(data.user_num, data.item_num)
    for brand in brands.tolist():
        pairs = Interaction(
            {
                "brand_id": torch.full((data.item_num,), brand),
                "influencer_id": torch.arange(data.item_num),
            }
        )
        torch.testing.assert_close(found.model.predict(pairs), full[brand])
    assert not full[0].any()
    assert not full[:, 0].any()
    assert float(full.max()) <= 3.0 + 1e-6
    assert found.model.calculate_loss(None).item() == 0.0
    assert set(found.model.state_dict()) == {"unused"}


def test_a_precomputed_attribute_vector_stands_in_for_lists(
    workplace: Path, tmp_path: Path
) -> None:
    data = little()
    brands = data.brands[["brand_id"]].copy()
    brands["brand_attribute_vector"] = vectors([1.0, 0.0], None, [3.0, 4.0], None, None)
    influencers = data.influencers[["influencer_id"]].copy()
    influencers["influencer_attribute_vector"] = vectors(*[[0.0, 2.0]] * 7)
    found = made(write_little(tmp_path, brands=brands, influencers=influencers))
    assert score(found, "b2", "i3") == pytest.approx(4 / 5)
    assert score(found, "b5", "i3") == 0.0
    assert score(found, "b1", "i3") == 0.0


def test_features_are_needed(workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    rows = [f"u\ti{item}" for item in range(9)] + ["v\ti1"]
    text = "\n".join(["user_id:token\titem_id:token", *rows])
    (tmp_path / "plain" / "plain.inter").write_text(text + "\n")
    changes = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "protocol": "known-brand"}
    for model in ("Cosine", "MIRec"):
        with pytest.raises(UsageError, match=f"{model} needs account features, which this data"):
            prepare(settings(tmp_path, model, "plain", **changes))
