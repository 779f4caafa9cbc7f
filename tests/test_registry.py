import pytest

from dataset_convert.common.errors import UsageError
from recbole_mirec.model.mirec import MIRec
from recbole_mirec.registry import find_model, model_modules, model_names


def test_our_models_come_first() -> None:
    assert find_model("MIRec") is MIRec
    assert model_names(room="ours") == [
        *("CAMERA", "CATR", "CategoryOracle", "ContentTwoTower", "Cosine", "HPTR", "MIR"),
        *("MIRec", "MIV", "Popularity", "Random"),
    ]
    # RecBole has a Random of its own
    assert find_model("Random").__module__ == "recbole_mirec.model.untrained"
    assert model_modules()["random"] == "recbole_mirec.model.untrained"


def test_models_of_recbole_are_found_by_their_names() -> None:
    for name in ("BPR", "LightGCN", "FM", "DeepFM", "Pop", "xDeepFM"):
        found = find_model(name)
        assert found.__name__ == name
        assert found.__module__.startswith("recbole.model.")
    assert len(model_names(room="general")) >= 30
    assert len(model_names(room="context")) >= 18
    assert {"BPR", "FM", "MIRec"} < set(model_names())
    assert model_names() == sorted(model_names())


def test_every_name_that_is_offered_can_be_had() -> None:
    for name in model_names():
        assert isinstance(find_model(name), type)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("BRP", "Unknown model 'BRP'. Did you mean 'BPR'?"),
        ("bpr", "Unknown model 'bpr'. Did you mean 'BPR'?"),
        ("torch", "Unknown model 'torch'."),
        ("", "Unknown model ''."),
        ("os", "Unknown model 'os'."),
    ],
)
def test_an_unknown_name_is_an_error(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_model(name)
    assert str(caught.value).startswith(message)
