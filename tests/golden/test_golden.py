"""Figures are those that were frozen before the stack and the house were changed."""

from pathlib import Path

import golden_figures as figures
import pytest


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return figures.tiny_files(tmp_path_factory.mktemp("golden"))


def test_the_same_files_are_written(found: dict[str, str]) -> None:
    assert sorted(found) == sorted(figures.golden_files())


@pytest.mark.parametrize("name", sorted(figures.golden_files()))
def test_figures_are_the_golden_ones(found: dict[str, str], name: str) -> None:
    assert figures.differences(figures.golden_files()[name], found[name], name) == []


def test_a_difference_is_found() -> None:
    table = "brand,MAP\nb1,0.5\nb2,\n"
    assert figures.differences(table, table, "a.csv") == []
    assert figures.differences(table, table.replace("0.5", "0.5000009"), "a.csv") == []
    for wrong in ("0.500002", "", "nan"):
        assert len(figures.differences(table, table.replace("0.5", wrong), "a.csv")) == 1
    assert figures.differences(table, table.replace("b2,\n", ""), "a.csv")
    record = '{"best_epoch": 3, "test": {"MAP": 0.5}}'
    assert figures.differences(record, record, "run.json") == []
    for wrong in (record.replace("3", "4"), record.replace("0.5", "0.6"), '{"best_epoch": 3}'):
        assert len(figures.differences(record, wrong, "run.json")) == 1


def test_near_ties_of_the_published_variants_may_change_places() -> None:
    ranks = "brand_id,influencer_id,rank,AUC\nb1,i1,2.0,0.5\nb1,i2,5.0,0.5\n"
    name = "new-brand/MIRec-paper/ranks.test.csv"
    swapped = "brand_id,influencer_id,rank,AUC\nb1,i2,5.0,0.515\nb1,i1,3.0,0.5\n"
    assert figures.differences(ranks, swapped, name) == []
    assert figures.differences(ranks, swapped, "new-brand/MIRec-mirec/ranks.test.csv")
    for wrong in (("2.0", "4.0"), ("0.5\nb1", "0.6\nb1"), ("i2", "i3")):
        assert figures.differences(ranks, ranks.replace(*wrong), name)
    run = '{"best_epoch": 3, "test": {"MAP": 0.5}}'
    assert figures.differences(run, run.replace("3", "4"), name.replace("ranks.test.csv", "x.json"))


def test_the_frozen_data_are_whole() -> None:
    names = {path.name for path in (figures.HERE / figures.TINY).iterdir()}
    assert {"manifest.json", "mirec-tiny.inter", "mirec-tiny.user", "mirec-tiny.item"} <= names
    assert not Path(figures.HERE / figures.TINY / "features").exists()
