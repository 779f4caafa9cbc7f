from pathlib import Path

import pytest

from dataset_convert.common.errors import UsageError
from dataset_convert.settings import read_settings


def written(folder: Path, text: str) -> Path:
    path = folder / "convert.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_stand_where_nothing_is_said() -> None:
    settings = read_settings(None)
    assert set(settings.features) == {
        *("content_topics", "content_visual", "audience_topics", "audience_visual"),
        "attributes",
    }
    assert (settings.n_valid, settings.n_test, settings.seed) == (0.12, 0.2, 2026)
    assert settings.pseudonyms
    assert not settings.fit_on_all
    assert settings.key_file is None


def test_a_sources_defaults_stand_between_ours_and_the_users(tmp_path: Path) -> None:
    of_source = {"pseudonyms": False, "splits": {"n_valid": 9, "n_test": 8}}
    settings = read_settings(written(tmp_path, "splits: {n_test: 7}"), of_source=of_source)
    assert not settings.pseudonyms
    assert (settings.n_valid, settings.n_test, settings.seed) == (9, 7, 2026)
    with pytest.raises(UsageError, match=r"^source: Unknown key 'splits: n_tset'. Did"):
        read_settings(None, of_source={"splits": {"n_tset": 1}})


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    text = """
    source: {delimiter: ';'}
    features: {content_visual: ~, content_topics: {n_topics: 7}}
    splits: {n_valid: 3}
    fit_on: all
    key_file: elsewhere/key
    """
    settings, defaults = read_settings(written(tmp_path, text)), read_settings(None)
    assert settings.source == {"delimiter": ";"}
    assert "content_visual" not in settings.features
    assert settings.features["content_topics"] == {"n_topics": 7}
    assert settings.features["attributes"] == defaults.features["attributes"]
    assert (settings.n_valid, settings.n_test) == (3, defaults.n_test)
    assert settings.fit_on_all
    assert settings.key_file == Path("elsewhere/key")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("feature: {}", "convert.yaml: Unknown key 'feature'. Did you mean 'features'?"),
        ("features: {topics: {}}", "Unknown key 'features: topics'."),
        ("features: [1]", "Key 'features' must be a mapping. Received: [1]."),
        ("features: {attributes: 3}", "Key 'features: attributes' must be a mapping. Received: 3."),
        ("splits: {n_valid: many}", "Key 'splits: n_valid' must be a number of at least 0."),
        ("splits: {seed: 0.5}", "Key 'splits: seed' must be a whole number."),
        ("fit_on: test", "Key 'fit_on' must be one of training, all."),
        ("pseudonyms: 1", "Key 'pseudonyms' must be True or False."),
        ("key_file: [a]", "Key 'key_file' must be a path, or ~ for"),
        ("n_jobs: 0", "Key 'n_jobs' must be at least 1."),
        ("source: [a]", "Key 'source' must be a mapping."),
        ("- a", "must map keys to values ('key: value' lines). Received: list."),
        ("a: [", "convert.yaml', line 1: "),
        ("n_jobs: 1\nn_jobs: 2", "key 'n_jobs' is set twice"),
        ("source: " + "[" * 3000, "more than 40 levels deep"),
        ("key_file: ~nobody-here/key", "Key 'key_file' must be a path"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings(written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml' cannot be read: No such file"):
        read_settings(tmp_path / "none.yaml")
