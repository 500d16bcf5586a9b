"""Reading tables: every kind of bad file, Arrow beside pandas, pieces, and reading ahead."""

import numpy as np
import pandas as pd
import pyarrow
import pytest

from common.errors import UserError
from common.inputs import tables

FILES = {
    "empty file": (b"", "empty"),
    "wrong encoding": ("betrag,klasse\nfünf,1\n".encode("utf-16"), "UTF-8"),
    "wrong encoding late": (b"a,Class\n" + b"1,0\n" * 9000 + "é,1\n".encode("latin-1"), "UTF-8"),
    "duplicate column": (b"a,a,Class\n1,2,0\n", "'a' more than once"),
    "ragged": (b"a,Class\n1,0\n1,2,3,4\n", "line 3"),
    "binary": (b"\x00\x01\x02\xff\xfe", "UTF-8"),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_file(case, tmp_path):
    content, message = FILES[case]
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        tables.read_table(tmp_path / "bad.csv")


def test_not_a_parquet_file(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR?")
    with pytest.raises(UserError, match="not a Parquet file"):
        tables.read_table(tmp_path / "bad.parquet")


def numbers(rows: int = 5000) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({"a": random.normal(size=rows), "b": random.integers(0, 9, rows), "c": random.random(rows)})


def chunks(path, rows=700):
    return list(tables.read_chunks(path, rows))


@pytest.mark.parametrize("name", ["n.csv", "n.tsv"])
def test_arrow_reads_what_pandas_reads(name, tmp_path, monkeypatch):
    frame = numbers()
    frame.loc[4000, "c"] = np.nan
    frame.to_csv(tmp_path / name, index=False, sep="\t" if name.endswith("tsv") else ",")
    slow = chunks(tmp_path / name)
    monkeypatch.setattr(tables, "MIN_ARROW_BYTES", 0)
    assert len(list(tables._number_chunks(tmp_path / name, ["a", "b", "c"], 700))) == 8
    for ours, theirs in zip(chunks(tmp_path / name), slow, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-15)


@pytest.mark.parametrize("value", ["twelve", "1.5", "", "2024-01-01"])
def test_where_arrow_meets_something_else_pandas_reads_on(value, tmp_path, monkeypatch):
    frame = numbers().astype({"b": object})
    frame.loc[3000, "b"] = value
    frame.to_csv(tmp_path / "n.csv", index=False)
    slow = chunks(tmp_path / "n.csv")
    monkeypatch.setattr(tables, "MIN_ARROW_BYTES", 0)
    for ours, theirs in zip(chunks(tmp_path / "n.csv"), slow, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-15)
    with (tmp_path / "n.csv").open("a") as file:
        file.write("1,2,3,4\n")
    with pytest.raises(UserError, match="line 5002"):
        chunks(tmp_path / "n.csv")


def test_reading_ends_once_there_is_enough(tmp_path):
    numbers().to_csv(tmp_path / "n.csv", index=False)
    assert len(tables.read_table(tmp_path / "n.csv")) == 5000
    assert len(tables.read_table(tmp_path / "n.csv", max_rows=5000)) == 5000


def test_reading_ahead_changes_nothing_and_passes_a_mistake_on():
    def pieces():
        yield from "abc"
        raise UserError("row 4")

    result = []
    with pytest.raises(UserError, match="row 4"):
        result.extend(tables.ahead(pieces()))
    assert result == [*"abc"]
    assert list(tables.ahead(iter("ab"))) == ["a", "b"] and not list(tables.ahead(iter("")))


def test_a_parquet_file_is_not_kept_in_memory(tmp_path):
    path = tmp_path / "n.parquet"
    numbers(200_000).to_parquet(path, index=False, row_group_size=5000)
    before = pyarrow.total_allocated_bytes()
    kept = max(pyarrow.total_allocated_bytes() - before for _ in tables.read_chunks(path, 5000))
    assert kept < path.stat().st_size / 4
