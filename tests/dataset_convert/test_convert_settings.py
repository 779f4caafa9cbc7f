from pathlib import Path

import pytest

from dataset_convert.problems import ConversionError
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
    with pytest.raises(ConversionError, match=r"^source, key 'splits': unknown key 'n_tset'"):
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
        ("feature: {}", "convert.yaml: unknown key 'feature'. Did you mean 'features'?"),
        ("features: {topics: {}}", "key 'features': unknown key 'topics'. "),
        ("features: [1]", "key 'features': wanted a mapping. Found: [1]."),
        ("features: {attributes: 3}", "key 'features: attributes': wanted a mapping of options"),
        ("splits: {n_valid: many}", "key 'splits: n_valid': wanted a number of at least 0."),
        ("splits: {seed: 0.5}", "key 'splits: seed': wanted a number of at least 0."),
        ("fit_on: test", "key 'fit_on': wanted training or all."),
        ("pseudonyms: 1", "key 'pseudonyms': wanted True or False."),
        ("key_file: [a]", "key 'key_file': wanted a path or ~."),
        ("n_jobs: 0", "key 'n_jobs': wanted a number above 0, or ~ for all cores."),
        ("source: [a]", "key 'source': wanted a mapping."),
        ("- a", "wanted 'key: value' lines. Found: ['a']."),
        ("a: [", "convert.yaml is no YAML: "),
        ("source: " + "[" * 3000, "convert.yaml: found values too deep within each other."),
        ("key_file: ~nobody-here/key", "key 'key_file': '~nobody-here/key': "),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConversionError) as caught:
        read_settings(written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"none\.yaml cannot be read: No such file"):
        read_settings(tmp_path / "none.yaml")
