from pathlib import Path
from typing import Any

import pytest
from recbole_mirec.tuning.effects import IDLE, NOT_SEARCHED
from recbole_mirec.tuning.space_checks import check_space, samples

from dataset_convert.common.errors import UsageError
from recbole_mirec.config import MirecConfig
from recbole_mirec.tuning.space import SearchSpace, read_space, space_from_dict

MIREC = {"model": "MIRec", "dataset": "mirec-tiny"}


def space(kind: str = "choice", **parameters: Any) -> SearchSpace:
    return space_from_dict({kind: parameters})


def given(model: str) -> dict[str, Any]:
    """What a study of a model fixes: `MIRec reference` names the variant too."""
    name, _, variant = model.partition(" ")
    return {"model": name, "dataset": "mirec-tiny"} | ({"variant": variant} if variant else {})


def refused(searched: SearchSpace, settings: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        check_space(searched, settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("model", "content"),
    [
        (
            "MIRec reference",
            {"choice": {"fusion": ["product", "low_rank"], "drop_last": [True, False]}},
        ),
        (
            "MIRec reference",
            {"uniform": {"dropout_rate": [0.0, 0.9]}, "loguniform": {"l1_weight": [-9, 0]}},
        ),
        ("MIRec reference", {"quniform": {"dimension": [32, 96, 32]}}),
        (
            "MIRec reference",
            {"choice": {"visual_hidden": ["[64,64]", "[32]"], "l1_weight": [0, 0.1]}},
        ),
        ("MIRec", {"choice": {"perspectives": [["content"], ["content", "attribute"]]}}),
        ("MIRec reference", {"choice": {"margins": ["{content: 1, audience: 1, attribute: 1}"]}}),
        ("MIRec", {"choice": {"plda_weight": [0.5, 1], "tower": ["linear", "mlp"]}}),
        ("MIRec", {"quniform": {"hubness_neighbours": [2, 6, 2]}, "choice": {"csls": [True]}}),
        ("MIRec", {"choice": {"variant": ["paper", "reference"], "schedule": ["quick"]}}),
        ("MIRec", {"choice": {"graph_method": ["netmf"]}, "quniform": {"graph_window": [2, 6, 2]}}),
        ("MIRec", {"choice": {"graph_method": ["netmf"], "graph_netmf_negative": [1, 3]}}),
        ("MIRec", {"choice": {"graph_method": ["node2vec"], "graph_p": [0.5, 2]}}),
        ("MIRec", {"choice": {"attribute_input": ["graph"], "graph_eta": [1, 2]}}),
        ("MIRec", {"choice": {"learner": ["adam", "SGD"], "clip_grad_norm": ["{max_norm: 5}"]}}),
        ("MIRec", {"choice": {"learning_rate_decay": [0.9], "learning_rate_decay_steps": [1, 2]}}),
        ("Cosine", {"choice": {"perspectives": [["content"], ["audience"]]}}),
        ("BPR", {"quniform": {"embedding_size": [16, 64, 16]}}),
        ("BPR", {"loguniform": {"learning_rate": [-8, -2]}, "choice": {"epochs": [5, 10]}}),
        ("DCN", {"choice": {"reg_weight": [0.5, 2]}}),
        ("SimpleX", {"choice": {"negative_weight": [0.5, 10], "margin": [-0.5, 1]}}),
        ("EASE", {"uniform": {"reg_weight": [1, 500]}}),
        (
            "BPR",
            {
                "choice": {
                    "train_neg_sample_args": [
                        "{distribution: uniform, sample_num: 1}",
                        "{distribution: popularity, sample_num: 1, alpha: 0.5}",
                    ]
                }
            },
        ),
    ],
)
def test_what_a_model_takes_can_be_searched(model: str, content: dict[str, Any]) -> None:
    check_space(space_from_dict(content), given(model))


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        (
            "MIRec",
            "dropuot_rate",
            "params_dict: model MIRec has no parameter 'dropuot_rate'. Did y",
        ),
        ("MIRec", "dropuot_rate", "Did you mean 'dropout_rate'?"),
        ("BPR", "dropout_prob", "params_dict: model BPR has no parameter 'dropout_prob'."),
        ("BPR", "sed", "params_dict: model BPR has no parameter 'sed'."),
        ("MIRec", "variants", "model MIRec has no parameter 'variants'. Did you mean 'variant'?"),
        ("BPR", "eval_args", "'eval_args' cannot be searched: it decides what is read or measured"),
        ("BPR", "use_gpu", "key 'use_gpu' has no effect here: 'gpu_id' chooses the device"),
        ("BPR", "seed", "'seed' cannot be searched: the best of several seeds is luck and no bett"),
        ("MIRec", "graph_seed", "'graph_seed' cannot be searched: the best of several seeds is l"),
        ("BPR", "fold", "'fold' cannot be searched: it decides what is read or measured"),
        ("BPR", "split_seed", "'split_seed' cannot be searched: it decides what is read or measur"),
        ("BPR", "protocol", "so the scores of the trials would not compare"),
        ("BPR", "valid_metric", "it decides what is read or measured"),
        ("BPR", "model", "'model' cannot be searched: it decides what is read or measured"),
        ("BPR", "USER_ID_FIELD", "'USER_ID_FIELD' cannot be searched: it decides what is read"),
        ("BPR", "checkpoint_dir", "cannot be searched: it says where and how the study runs"),
        ("BPR", "torch_threads", "cannot be searched: it says where and how the study runs"),
        ("EASE", "learning_rate", "'learning_rate' has no effect: model EASE is computed at once"),
        ("ItemKNN", "train_batch_size", "model ItemKNN is computed at once and not trained in st"),
        ("Cosine", "epochs", "model Cosine is computed at once and not trained in steps. Leave"),
    ],
)
def test_a_name_that_cannot_be_searched(model: str, name: str, message: str) -> None:
    found = refused(space(**{name: [1]}), {"model": model, "dataset": "mirec-tiny"})
    assert found.startswith("params_dict: ")
    assert message in found


def test_messages_name_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "my.hyper"
    path.write_text("learning_rate choice [0.1]\n\n# why\ngraph_p choice [1.0]\n")
    for fixed, message in (
        ({}, None),
        ({"graph_method": "netmf"}, f"{path}, line 4: 'graph_p' has no effect with"),
        ({"graph_p": 1.0}, "configuration file and searched in {path}, line 4; leave one out."),
        ({"model": "BPR"}, f"{path}, line 4: model BPR has no parameter 'graph_p'."),
    ):
        if message is None:
            check_space(read_space(path), MIREC)
        else:
            assert message.format(path=path) in refused(read_space(path), MIREC | fixed)


@pytest.mark.parametrize("name", sorted(NOT_SEARCHED))
def test_no_key_of_the_study_can_be_searched(name: str) -> None:
    found = refused(space(**{name: [1]}), MIREC)
    assert found.startswith(f"params_dict: '{name}' cannot be") or "has no effect here" in found


def test_a_parameter_is_fixed_or_searched_and_not_both() -> None:
    found = refused(space(epochs=[3, 5]), MIREC | {"epochs": 3})
    assert found == (
        "Key 'epochs' is set on the command line or in a configuration file and searched in "
        "params_dict; leave one out."
    )


def test_settings_that_are_wrong_themselves_are_no_fault_of_the_space() -> None:
    for fixed, message in (
        ({"dropout_rate": 2}, "The 'dropout_rate' parameter must be a number of at least 0 and"),
        ({"epochs": 0}, "Key 'epochs' must hold whole numbers"),
        ({"graph_method": "netmv"}, "Unknown graph_method 'netmv'. Did you mean 'netmf'?"),
        ({"perspectives": None}, "Key 'perspectives' must list one to three of"),
        ({"dropuot": 1}, "Unknown key 'dropuot' for model MIRec."),
    ):
        assert refused(space(learning_rate=[0.1]), MIREC | fixed).startswith(message)


@pytest.mark.parametrize(
    ("model", "kind", "name", "values", "message"),
    [
        ("MIRec", "choice", "dropout_rate", [0.5, 2], "cannot be 2. The 'dropout_rate' pa"),
        ("MIRec", "uniform", "dropout_rate", [0.5, 1], "cannot be 1.0. The 'dropout_rate'"),
        (
            "MIRec reference",
            "choice",
            "fusion",
            ["prodct"],
            "'prodct'. The nearest valid name is 'product'",
        ),
        (
            "MIRec reference",
            "choice",
            "fusion",
            ["product", 3],
            "'fusion' must be a word, as its default 'p",
        ),
        (
            "MIRec reference",
            "choice",
            "fusion",
            [None],
            "'fusion' must be a word, as its default 'product' ",
        ),
        (
            "MIRec reference",
            "choice",
            "dimension",
            [64, 0.5],
            "'dimension' must be a whole number, as its d",
        ),
        (
            "MIRec reference",
            "choice",
            "dimension",
            [True],
            "'dimension' must be a whole number, as its def",
        ),
        (
            "MIRec reference",
            "choice",
            "dimension",
            [0],
            "cannot be 0. The 'dimension' parameter must",
        ),
        (
            "MIRec reference",
            "choice",
            "topic_hidden",
            [64],
            "'topic_hidden' must be a list, as its default",
        ),
        (
            "MIRec reference",
            "choice",
            "topic_hidden",
            [["a"]],
            "'topic_hidden' must be a list, as its def",
        ),
        (
            "MIRec reference",
            "choice",
            "topic_hidden",
            [[0]],
            "cannot be [0]. The 'topic_hidden' pa",
        ),
        (
            "MIRec reference",
            "choice",
            "margins",
            [4.0],
            "'margins' must be a mapping, as its default {'con",
        ),
        ("MIRec reference", "choice", "margins", ["{content: 1}"], "add audience, attribute."),
        (
            "MIRec reference",
            "choice",
            "drop_last",
            [0],
            "'drop_last' must be True or False, as its default",
        ),
        ("MIRec", "choice", "perspectives", [["contnt"]], "Unknown perspective 'contnt'. Did you"),
        ("MIRec", "choice", "graph_method", ["NetMF"], "Unknown graph_method 'NetMF'. Did you me"),
        ("MIRec", "choice", "attribute_input", ["list"], "Unknown attribute_input 'list'."),
        ("MIRec", "choice", "variant", ["papr"], "Unknown variant 'papr'. Did you mean 'paper'?"),
        ("MIRec", "choice", "variant", ["mirec", "papr"], "'papr'. Did you mean 'paper'?"),
        ("MIRec", "choice", "tower", ["tree"], "cannot be 'tree'. The 'tower' parameter must be"),
        ("MIRec", "uniform", "plda_shrinkage", [0, 2], "cannot be 2.0. The 'plda_shrinkage' param"),
        ("MIRec", "choice", "csls", [1], "'csls' must be True or False, as its default False"),
        ("Cosine", "choice", "perspectives", [["contnt"]], "Unknown perspective 'contnt'. Did"),
        ("BPR", "choice", "learner", ["adm"], "cannot be 'adm'. Key 'learner' must be one"),
        ("BPR", "choice", "learning_rate", ["fast"], "'learning_rate' must be a number, as its d"),
        ("BPR", "choice", "learning_rate", [0.1, 0], "cannot be 0. Key 'learning_rate' mu"),
        ("BPR", "uniform", "learning_rate", [0, 1], "cannot be 0.0. Key 'learning_rate' m"),
        (
            "BPR",
            "uniform",
            "embedding_size",
            [8, 64],
            "works: embedding_size quniform 8,",
        ),
        (
            "BPR",
            "loguniform",
            "embedding_size",
            [2, 4],
            "works: embedding_size quniform 8,64",
        ),
        ("BPR", "quniform", "embedding_size", [8.0, 64.0, 8.0], "must be a whole number, as its "),
        ("BPR", "quniform", "embedding_size", [0, 64, 8], "cannot be 0. Key 'embedding_si"),
        ("LightGCN", "choice", "n_layers", [2, 1.5], "'n_layers' must be a whole number, as its"),
        ("DeepFM", "choice", "dropout_prob", [1.0], "must be a number of at least 0 and below 1"),
        ("DeepFM", "choice", "mlp_hidden_size", ["[64,0]"], "must be a list, and each entry hold"),
        ("DeepFM", "choice", "mlp_hidden_size", ["[]"], "must be a list, and each entry hold who"),
        ("EASE", "uniform", "reg_weight", [-1, 5], "Key 'reg_weight' must be a number of at least"),
        ("ItemKNN", "choice", "knn_method", ["Item"], "Key 'knn_method' must be one of item, us"),
        ("SimpleX", "choice", "margin", [2], "Key 'margin' must be a number of at least -1 and at"),
        ("SimpleX", "choice", "aggregator", ["sum"], "Key 'aggregator' must be one of mean, user"),
    ],
)
def test_a_value_that_the_model_does_not_take(
    model: str, kind: str, name: str, values: list[Any], message: str, tmp_path: Path
) -> None:
    searched = space(kind, **{name: values})
    settings = given(model)
    found = refused(searched, settings)
    assert found.startswith("params_dict: ")
    assert message in found
    _, offered, line = found.partition(" A line that works: ")
    assert offered
    (tmp_path / "works.hyper").write_text(line)
    check_space(read_space(tmp_path / "works.hyper"), settings)


PUBLISHED = {"variant": "reference"}
CONTENT: dict[str, Any] = {"perspectives": ["content"]}
ATTRIBUTE: dict[str, Any] = {"perspectives": ["attribute"]}


@pytest.mark.parametrize(
    ("fixed", "name", "value", "because"),
    [
        ({"graph_method": "netmf"}, "graph_p", 2.0, "graph_method=netmf"),
        ({"graph_method": "netmf"}, "graph_n_walks", 2, "graph_method=netmf"),
        ({}, "graph_netmf_negative", 2, "graph_method=node2vec"),
        (CONTENT, "graph_eta", 1.0, "perspectives=['content']"),
        (CONTENT | PUBLISHED, "attribute_hidden", [8], "perspectives=['content']"),
        (CONTENT | PUBLISHED, "coattention_input", "raw", "perspectives=['content']"),
        (ATTRIBUTE | PUBLISHED, "fusion", "product", "perspectives=['attribute']"),
        (ATTRIBUTE, "raw_weight", 1.0, "perspectives=['attribute']"),
        (ATTRIBUTE, "square_roots", True, "perspectives=['attribute']"),
        ({}, "dimension", 64, "variant=mirec"),
        ({}, "fusion", "sum", "variant=mirec"),
        (PUBLISHED, "plda_weight", 0.5, "variant=reference"),
        ({"variant": "paper"}, "csls", True, "variant=paper"),
        ({}, "train_neg_sample_args", "{sample_num: 2}", "method=metric"),
        ({}, "static_negatives", True, "method=metric"),
        ({"plda_weight": 0}, "plda_shrinkage", 0.5, "plda_weight=0"),
        ({"plda_weight": 0.0}, "plda_dimension", 7, "plda_weight=0.0"),
        ({"category_weight": 0}, "category_inverse_penalty", 2.0, "category_weight=0"),
        ({"hubness_weight": 0}, "hubness_neighbours", 3, "hubness_weight=0"),
        ({"csls": True}, "hubness_weight", 0.3, "csls=True"),
        ({"attribute_input": "vector"}, "graph_window", 2, "attribute_input=vector"),
        ({"node_embedding_file": "n.txt"}, "graph_dimension", 8, "node_embedding_file=n.txt"),
        ({"attribute_graph_file": "g.txt"}, "graph_eta", 1.0, "attribute_graph_file=g.txt"),
        (
            {"learning_rate_decay": 1},
            "learning_rate_decay_steps",
            5,
            "learning_rate_decay=1",
        ),
    ],
)
def test_a_parameter_without_effect_is_refused(
    fixed: dict[str, Any], name: str, value: Any, because: str
) -> None:
    assert refused(space(**{name: [value]}), MIREC | fixed) == (
        f"params_dict: '{name}' has no effect with {because}, and conditional parameters are not "
        "supported. Leave the line out, or write one params file for each case."
    )


def test_a_parameter_is_conditional_when_a_searched_option_leaves_it_without_effect() -> None:
    for searched in (
        space(graph_method=["node2vec", "netmf"], graph_p=[0.5, 1.0]),
        space(graph_p=[0.5, 1.0], graph_method=["node2vec", "netmf"]),
    ):
        assert "'graph_p' has no effect with graph_method=netmf" in refused(searched, MIREC)
    searched = space(perspectives=[["content", "attribute"], ["content"]], graph_eta=[1, 2])
    assert "'graph_eta' has no effect with perspectives=['content']" in refused(searched, MIREC)


def test_csls_gives_its_neighbours_an_effect_whatever_the_weight() -> None:
    check_space(space(hubness_neighbours=[3, 5]), MIREC | {"csls": True, "hubness_weight": 0})


def test_a_key_of_one_variant_is_conditional_where_the_variant_is_searched() -> None:
    for searched in (
        space(variant=["reference", "mirec"], dimension=[64]),
        space(dimension=[64], variant=["mirec", "reference"]),
    ):
        assert "'dimension' has no effect with variant=mirec, and cond" in refused(searched, MIREC)
    check_space(space(variant=["reference", "paper"], dimension=[64]), MIREC)
    # the same key, fixed: the option that does not read it is at fault
    found = refused(space(variant=["paper", "mirec"]), MIREC | {"dimension": 64})
    assert "'variant' cannot be 'mirec'. Key 'dimension' has no effect with variant=mirec" in found


def test_every_key_of_the_table_of_effects_is_one_of_mirec_s() -> None:
    known = {
        key
        for variant in ("mirec", "reference", "paper")
        for key in MirecConfig(config_dict=MIREC | {"variant": variant}).final_config_dict
    }
    for idle in IDLE:
        assert idle.governor in known
        assert set(idle.keys) <= known
        assert idle.unless is None or idle.unless in known
        assert idle.governor not in idle.keys


def test_a_range_is_tried_at_its_ends_and_between() -> None:
    spaces = {
        "uniform": space("uniform", a=[1, 2]),
        "loguniform": space("loguniform", a=[0, 2]),
        "quniform": space("quniform", a=[1, 9, 2]),
        "choice": space(a=["x", "y"]),
    }
    found = {kind: samples(found.parameters[0]) for kind, found in spaces.items()}
    assert found["uniform"] == [1.0, 1.5, 2.0]
    assert found["loguniform"] == pytest.approx([1.0, 2.718281828, 7.389056099])
    assert found["quniform"] == [2, 6, 8]
    assert found["choice"] == ["x", "y"]
