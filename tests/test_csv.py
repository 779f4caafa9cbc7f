"""Tables for people: nothing in them is a formula, and our reader gives back what was written."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.common.files import read_csv, write_csv

CELLS = st.text(
    st.sampled_from("=+-@\t\r'\n\",; a1é漢") | st.characters(exclude_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=6,
)


@given(
    st.lists(
        st.tuples(CELLS | st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1
    )
)
def test_a_table_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, float]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "new" / "a.csv"
    frame = pd.DataFrame(rows, columns=["=text", "number"])
    write_csv(path, frame)
    back = read_csv(path, dtype={"'=text": str})
    assert list(back) == ["=text", "number"]
    assert [None if pd.isna(cell) else cell for cell in back["=text"]] == [row[0] for row in rows]
    assert back["number"].tolist() == pytest.approx([row[1] for row in rows], rel=1e-12)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.csv"]
    plain = pd.read_csv(path, dtype=str, keep_default_na=False).iloc[:, 0]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in plain)


def test_only_texts_are_guarded(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [-1, 2], "b": ["-1", "NA"], "c": pd.Categorical(["@x", "'=y"])})
    write_csv(tmp_path / "a.csv", frame)
    assert (tmp_path / "a.csv").read_text() == "a,b,c\n-1,'-1,'@x\n2,NA,''=y\n"
    assert read_csv(tmp_path / "a.csv").to_dict("list") == {
        "a": [-1, 2],
        "b": ["-1", "NA"],
        "c": ["@x", "'=y"],
    }
