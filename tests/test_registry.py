"""Models by name: ours, RecBole's, and what an unknown name says."""

import pytest
from recbole.model.general_recommender import BPR

import recbole_mirec
from dataset_convert.common.errors import UsageError
from recbole_mirec.model.mirec import MIRec
from recbole_mirec.registry import (
    MODELS,
    find_model,
    is_deterministic,
    is_only_ours,
    is_ours,
    leaks,
    model_names,
)


def test_ours_are_the_table_s_and_win_over_recboles() -> None:
    assert recbole_mirec.MODELS is MODELS
    assert find_model("MIRec") is MIRec
    assert model_names(room="ours") == sorted(MODELS)
    for name, entry in MODELS.items():
        found = find_model(name)
        assert f"{found.__module__}:{found.__name__}" == entry.home
        assert is_ours(found)
        assert entry.note
    assert not is_ours(BPR)
    # RecBole has a Random of its own
    assert [is_only_ours(name) for name in ("MIRec", "mirec", "Random", "BPR")] == [
        *(True, True, False, False)
    ]


def test_models_of_recbole_are_found_by_their_names() -> None:
    assert find_model("BPR") is BPR
    assert len(model_names(room="general")) >= 30
    assert len(model_names(room="context")) >= 18
    names = model_names()
    assert {"BPR", "FM", "MIRec", "xDeepFM"} < set(names)
    assert names == sorted(set(names))
    assert [find_model(name).__name__ for name in names] == names


def test_which_models_need_one_seed_and_which_leak() -> None:
    once = [name for name in model_names() if is_deterministic(find_model(name))]
    theirs = {"ADMMSLIM", "AsymKNN", "EASE", "ItemKNN", "Pop"}
    assert set(once) == theirs | {"CategoryOracle", "Cosine", "MIV", "Popularity"}
    assert [name for name in model_names() if leaks(name)] == ["CategoryOracle"]
    assert not leaks("package.module:CategoryOracle")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("BRP", "Unknown model 'BRP'. Did you mean 'BPR'?"),
        ("bpr", "Unknown model 'bpr'. Did you mean 'BPR'?"),
        ("torch", "Unknown model 'torch'."),
        ("", "Unknown model ''."),
        ("no.such:Model", "Model 'no.such:Model' cannot be imported: No module named 'no'."),
        ("json:JSONDecodr", "Module 'json' has no class 'JSONDecodr'. Did you mean 'JSONDecoder'?"),
        ("json:JSONDecoder", "'json:JSONDecoder' is no model: derive its class from"),
    ],
)
def test_an_unknown_name_is_an_error(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_model(name)
    assert str(caught.value).startswith(message)
