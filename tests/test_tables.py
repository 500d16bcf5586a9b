"""Reading tables: cells stay what they are, files of every kind, both readers beside each other, workbooks, bounds, and damage."""

import csv
import datetime
import gzip
import io
import re
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.inputs import arrow, delimited, encodings, tables

WORDS = {"id": ["0742", "TRUE", "NA", "None"], "text": ["null", "nan", "n/a", "1e3"], "n": ["007.50", "-0", "", " 5"]}
PLAIN = "id,text,n\n0742,null,007.50\nTRUE,nan,-0\nNA,n/a,\nNone,1e3, 5\n"


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture(params=["arrow", "csv"])
def reader(request, monkeypatch):
    """Each of the two readers of text files: Arrow, and the one that a fork has without it."""
    if request.param == "csv":
        monkeypatch.setattr(tables, "ARROW", "common.inputs.nowhere")


def cells(path, **options) -> dict[str, list[str]]:
    return tables.read_table(path, **options).to_dict("list")


def refused(path, message):
    with pytest.raises(UserError, match=message) as raised:
        tables.read_table(path)
    assert "\n" not in str(raised.value)


SAME = {  # other files that hold the table WORDS
    "plain.csv": PLAIN,
    "UPPER.TSV": PLAIN.replace(",", "\t"),
    "tabs.txt": PLAIN.replace(",", "\t"),
    "semicolons.csv": PLAIN.replace(",", ";"),
    "bars.csv": PLAIN.replace(",", "|"),
    "hint.csv": "sep=;\n" + PLAIN.replace(",", ";"),
    "mark.csv": "\ufeff" + PLAIN,
    "utf16.csv": PLAIN.encode("utf-16"),
    "windows.csv": PLAIN.replace("\n", "\r\n"),
    "packed.csv.gz": gzip.compress(PLAIN.encode()),
    "quoted.csv": re.sub(r"[^,\n]+", r'"\g<0>"', PLAIN),
    "commas at the end.csv": PLAIN.replace("\n", ",\n"),
    "commas below the header.csv": PLAIN.replace("\n", ",\n").replace("n,\n", "n\n", 1),
    "blanks in the header.csv": PLAIN.replace("id,text,n", " id , text, n", 1),
    "blank lines at the end.csv": PLAIN + "\n  \n\n",
    "no end.csv": PLAIN.rstrip("\n"),
    "utf16 without a mark.csv": PLAIN.encode("utf-16-le"),
    "utf16 big end first.csv": PLAIN.encode("utf-16-be"),
    "two marks.csv": "\ufeff\ufeff" + PLAIN,
    "quoted hint.csv": '"sep=;"\n' + PLAIN.replace(",", ";"),
    "lone carriage returns.csv": PLAIN.replace("\n", "\r", 2),
    "carriage returns alone.csv": PLAIN.replace("\n", "\r"),
    "line feeds last.csv": PLAIN.replace("\n", "\r\n", 2),
}


SAID = {"semicolons.csv": "semicolons", "bars.csv": "bars", "tabs.txt": "tabs", "utf16.csv": "UTF-16"}


@pytest.mark.parametrize("name", ["plain.csv", "UPPER.TSV", "hint.csv", *SAID])
def test_what_was_found_out_about_a_file_is_said_once(name, reader, tmp_path, capsys):
    path = write(tmp_path / name, SAME[name])
    encodings.NOTES.set([])  # as in a new process
    tables.read_table(path)
    list(tables.read_chunks(path))
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == (name in SAID) and SAID.get(name, "") in "".join(printed)


@pytest.mark.parametrize("name", SAME)
def test_cells_are_what_the_file_says(name, reader, tmp_path):
    assert cells(write(tmp_path / name, SAME[name])) == WORDS


def test_korean_windows_text_and_two_forms_of_hangul(tmp_path):
    frame = tables.read_table(write(tmp_path / "a.csv", "금액,지역\n1,서울\n2,부산\n".encode("cp949")))
    assert frame["지역"].tolist() == ["서울", "부산"]
    decomposed = "\u1100\u1161"  # 가 in two characters, as macOS writes it
    frame = tables.read_table(write(tmp_path / "b.csv", f"a,{decomposed}\n{decomposed},1\n가,2\n"))
    assert list(frame) == ["a", "가"] and tables.as_categories(frame, "a", "b.csv").tolist() == ["가", "가"]


OTHERS = {
    "empty file": (b"", "is empty"),
    "no data": (b"a,b\n", "a header but no rows"),
    "latin-1 far down": (
        b"a,Class\n" + b"1,0\n" * 90_000 + "é,1\n".encode("latin-1"),
        "line 90002: the byte 0xe9 is not UTF-8",
    ),
    "latin-1": ("size,Class\n1,1\né,2\n".encode("latin-1"), "line 3: the byte 0xe9 is not UTF-8"),
    "latin-1 in the header": ("größe,Class\nü,1\nÄÖ,2\n".encode("latin-1"), "line 1: the byte 0xf6 is not UTF-8"),
    "not CP949": ("금액,지역\n1,서울\n".encode("cp949") * 9 + b"2,\xff\n", "line 19: the byte 0xff is not cp949"),
    "not UTF-16": ("a,b\n1,2\n".encode("utf-16") + b"\x00\xdc,\x00", "line 3: the byte 0x00 is not utf-16"),
    "repeated column": (b"a,a,Class\n1,2,0\n", "'a' more than once"),
    "too many cells": (b"a,Class\n1,0\n1,2,3,4\n", "line 3: 4 cells, the last of them '4', but the header has 2"),
    "too few cells": (b"a,Class\n1,0\n\n1\n", "line 4: 1 cell"),
    "too few cells between": (b"a,b,Class\n1,0,1\n1,2\n1,2,3\n", "line 3: 2 cells"),
    "NUL byte": (b"a,Class\n1,0\n1\x00,0\n", "line 3: there is a NUL byte.* UTF-8"),
    "binary": (b"\x00\x01\x02\xff\xfe", "UTF-8"),
    "open quotation": (b'a,b\n1,2\n"x,3\n4,5\n', "line 3: unexpected end.* doubled"),
    "quotation inside": (b'a,b\n1,"x" y\n4,5\n', "line 2: .* doubled"),
    "shift-jis": ("金額,Class\n1,0\n".encode("shift-jis"), "not UTF-8"),
    "JSON": (b'[{"a": 1}]', "is JSON"),
    "JSON lines": (b'{"a": 1}\n{"a": 2}\n', "is JSON"),
    "web page": (b"<!DOCTYPE html><table>", "is a web page"),
    "title": (b"Report\na,b\n1,2\n", "line 2: 2 cells"),
    "Excel": (b"PK\x03\x04" + bytes(40), "Excel workbook .*save the table as CSV"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(40), "old Excel workbook"),
    "damaged gzip": (gzip.compress(b"a,b\n1,2\n" * 9999)[:50], "cannot be read"),
    "damaged gzip inside": (gzip.compress(np.random.default_rng(0).bytes(999).hex().encode())[:99] + b"\x07" * 99, "."),
    "long line": (b"a,b\n1,2\n" + b"x" * 3_000_000 + b",2\n", "line 3: the line has more than 1,048,576 characters"),
    "long header": (b"x" * 3_000_000, "line 1: the line has more"),
    "long quotation": (b'a,b\n1,"' + b"x\n" * 2_000_000 + b'"\n', "line 2: field larger"),
    "blank lines": (b"a,b\n" + b"\n" * 20_000 + b"1,2\n", "line 10002: more than 10,000 blank lines"),
    "many columns": (b"," * 40_000 + b"b\n", "40,001 columns; 1 to 10,000"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_file_that_is_not_read_says_why(case, reader, tmp_path):
    content, message = OTHERS[case]
    refused(write(tmp_path / "bad.csv", content), message)


def test_a_missing_file_and_a_folder_are_no_tables(tmp_path):
    refused(tmp_path / "nowhere.csv", "cannot be read: .*No such file")
    refused(tmp_path, "cannot be read: .*directory")


def test_rows_are_those_of_the_file(reader, tmp_path):
    """A blank line is a row of empty cells. The hint of Excel moves all rows down."""
    frame = tables.read_table(write(tmp_path / "a.csv", "a,b\n1,x\n\n3,y\n"))
    assert frame["b"].tolist() == ["x", "", "y"]
    with pytest.raises(UserError, match=r"row 3: b is empty"):
        tables.as_categories(frame, "b", "a.csv")
    frame = tables.read_table(write(tmp_path / "b.csv", "sep=;\na;b\n1;x\nz;y\n"))
    with pytest.raises(UserError, match=r"row 4: a is 'z'"):
        tables.check_numbers(frame, ["a"], "b.csv")
    frame = tables.read_table(write(tmp_path / "c.csv", "\n \na,b\n1,x\nz,y\n"))
    with pytest.raises(UserError, match=r"row 5: a is 'z'"):
        tables.check_numbers(frame, ["a"], "c.csv")
    frame = tables.read_table(write(tmp_path / "one.csv", "text\nx\n\ny\n\n"))
    assert frame["text"].tolist() == ["x", "", "y"]


def test_a_quotation_mark_in_a_file_with_tabs_is_a_character(tmp_path):
    rows = [f"text {row}\tpos" for row in range(400)]
    for row in (3, 50, 120, 333):
        rows[row] = '"' + rows[row]
    rows[200] += ' "so" they said'
    path = write(tmp_path / "a.tsv", "text\tlabel\n" + "\n".join(rows) + "\n")
    frame = tables.read_table(path)
    assert len(frame) == 400 and frame["text"][3] == '"text 3' and set(frame["label"][:200]) == {"pos"}


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=6)
TABLE = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1))


@given(TABLE, st.booleans(), st.integers(1, 5))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(reader, tmp_path, rows, quoted, piece):
    """By either reader, in pieces of any size."""
    header = [f"c{number}" for number in range(len(rows[0]))]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows([header, *rows])
    path = write(tmp_path / "a.csv", text.getvalue())
    read = pd.concat(list(tables.read_chunks(path, piece)))
    assert read.to_numpy().tolist() == rows and list(read.index) == list(range(len(rows)))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_table_or_a_sentence(reader, tmp_path, content):
    for head in (b"", b"a,b\n"):
        try:
            tables.read_table(write(tmp_path / "a.csv", head + content))
        except UserError as error:
            assert str(error)


def numbers(rows: int = 5000) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({"a": random.normal(size=rows), "b": random.integers(0, 9, rows), "c": random.random(rows)})


@pytest.mark.parametrize("cell", ["7", " 5 ", "1e3", "", " ", "x", "nan", "inf", "1e999", "NULL", '"2"', "0x1", "٣"])
def test_numbers_that_are_read_as_such_are_what_their_texts_are(cell, tmp_path, monkeypatch):
    """One cell in the middle of a file of several blocks: the same numbers, or the same sentence."""
    monkeypatch.setattr(arrow, "BLOCK", 1 << 16)
    frame = pd.concat([numbers()] * 8, ignore_index=True).astype(str)
    frame.loc[30_000, "b"] = cell
    path = tmp_path / "n.csv"
    path.write_text("a,b,c\n" + "\n".join(",".join(row) for row in frame.to_numpy()) + "\n")
    results = []
    for typed in ((), ("a", "b")):
        pieces = list(tables.read_chunks(path, 7000, typed))
        assert [pd.api.types.is_numeric_dtype(pieces[0][name]) for name in "abc"] == [bool(typed), bool(typed), False]
        try:
            results.append([tables.check_numbers(piece, ["a", "b"], path) for piece in pieces])
            assert sum(map(len, pieces)) == len(frame)
        except UserError as error:
            results.append(str(error))
    if isinstance(results[0], str):
        assert results[0] == results[1]
    else:
        pd.testing.assert_frame_equal(pd.concat(results[0]), pd.concat(results[1]))


@pytest.mark.parametrize("odd", ["", '"1"', "\n", "1,2,3,4\n"])
@pytest.mark.parametrize("name", ["n.csv", "n.tsv"])
def test_the_fast_reader_and_the_careful_one_agree(name, odd, tmp_path):
    """The file is longer than Arrow's block. After something odd in the middle the careful one reads on."""
    frame = pd.concat([numbers()] * 8, ignore_index=True)
    text = frame.to_csv(index=False, sep="\t" if name.endswith("tsv") else ",")
    at = text.index("\n", len(text) * 2 // 3) + 1
    path = write(tmp_path / name, text[:at] + odd + text[at:])
    layout = delimited.layout(path)
    try:
        careful = list(delimited.read_rows(path, layout))
    except UserError as error:
        refused(path, re.escape(str(error)))
        return
    pieces = list(tables.read_chunks(path, 700))
    assert {len(piece) for piece in pieces[:-1]} == {700}
    pd.testing.assert_frame_equal(pd.concat(pieces), pd.DataFrame(careful, columns=layout.header, dtype=str))


def test_only_odd_files_need_the_careful_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "read_rows", None)
    assert len(tables.read_table(write(tmp_path / "a.csv", numbers().to_csv(index=False)))) == 5000


NUMBERS = {
    "1": 1.0, " -2.5 ": -2.5, "+3": 3.0, "1e3": 1000.0, ".5": 0.5, "5.": 5.0, "0742": 742.0,
    "": np.nan, "nan": np.nan, "1,5": np.nan, "1 000": np.nan, "0x10": np.nan, "1_0": np.nan, "TRUE": np.nan,
    "٣": np.nan, "1e400": np.inf, "1e": np.nan, "--1": np.nan,
}  # fmt: skip


def test_what_a_number_is(tmp_path):
    """Alone and beside others, as in Parquet."""
    together = tables.to_numbers(pd.Series(list(NUMBERS), dtype=str))
    np.testing.assert_array_equal(together, list(NUMBERS.values()))
    for text, value in NUMBERS.items():
        np.testing.assert_array_equal(tables.to_numbers(pd.Series([text], dtype=str)), [value])
    assert tables.to_numbers(pd.Series([1, None], dtype="Int64")).tolist()[0] == 1.0


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_every_digit(value):
    for text in ([repr(value)], [repr(value), " 1"]):
        assert tables.to_numbers(pd.Series(text, dtype=str))[0] == value


@pytest.mark.parametrize(
    ("value", "message"),
    [("x", "is 'x'; expected a number"), ("", "is empty"), ("  ", "is empty"), ("1e31", r"is '1e31'.* up to 1e\+30")],
)
def test_a_value_that_is_no_number_is_named(value, message):
    frame = pd.DataFrame({"a": ["1", "2", value]}, dtype=str)
    with pytest.raises(UserError, match=f"f.csv, row 4: a {message}"):
        tables.check_numbers(frame, ["a"], "f.csv")
    with pytest.raises(UserError, match="row 3: a is inf"):
        tables.check_numbers(pd.DataFrame({"a": [1.0, np.inf]}), ["a"], "f.parquet")


def test_a_column_in_capitals_is_taken_where_no_other_is_meant(tmp_path):
    frame = pd.DataFrame([["a", "b", "c", 1]], columns=["Text", "TEXT", "Label", 7])
    found = tables.with_columns(frame, ["text", "Label"], "f.csv")
    assert list(found) == ["text", "TEXT", "Label", 7] and "Text" in frame
    assert list(tables.with_columns(found, ["text", "TEXT"], "f.csv")) == list(found)
    with pytest.raises(UserError, match=r"f\.csv has no column 'texts'; it has: text, TEXT, Label, 7\."):
        tables.with_columns(found, ["text", "texts"], "f.csv")

    assert list(tables.with_columns(frame, [], "f.csv", ["text", "source"])) == ["text", "TEXT", "Label", 7]

    def halved(rows):
        return tables.with_columns(rows, ["amount"], source)[["amount"]].astype(float) / 2

    source, target = write(tmp_path / "in.csv", "AMOUNT,name\n12,a\n"), tmp_path / "out.parquet"
    tables.score_table_file(source, target, halved, numbers=["amount"])
    assert pd.read_parquet(target).to_dict("records") == [{"AMOUNT": "12", "name": "a", "amount": 6.0}]


def test_a_category_is_the_same_from_either_kind_of_file():
    values = pd.DataFrame({"a": [742.0, 1.0], "b": ["742", " 1 "], "c": [742, 1]})
    assert all(tables.as_categories(values, name, "f").tolist() == ["742", "1"] for name in values)


def test_reading_ends_once_there_is_enough(tmp_path):
    path = write(tmp_path / "n.csv", numbers().to_csv(index=False))
    assert len(tables.read_table(path)) == 5000
    assert len(tables.read_table(path, max_rows=5000)) == 5000


def test_reading_ahead_changes_nothing_and_passes_a_mistake_on():
    def pieces():
        yield from "abc"
        raise UserError("row 4")

    result = []
    with pytest.raises(UserError, match="row 4"):
        result.extend(tables.ahead(pieces()))
    assert result == [*"abc"]
    assert list(tables.ahead(iter("ab"))) == ["a", "b"] and not list(tables.ahead(iter("")))


# Excel


def excel(path, rows, *others):
    """A workbook with these rows in its first sheet; others: the titles of more sheets."""
    book = pytest.importorskip("openpyxl", reason="needs the extra [excel]").Workbook()
    for row in rows:
        book.active.append(row)
    for title in others:
        book.create_sheet(title)
    book.save(path)
    return path


def changed(source, target, part, old, new):
    """The same archive with other bytes in one of its parts."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as other:
        for name in whole.namelist():
            other.writestr(name, whole.read(name).replace(old, new) if name == part else whole.read(name))
    return target


SHEET = "xl/worksheets/sheet1.xml"
SPREADSHEET = [["id", "text", "n"], ["0742", "null", "007.50"], ["TRUE", "nan", "-0"], ["NA", "n/a"], ["None", "1e3", " 5"]]  # fmt: skip


def test_a_workbook_is_read_as_a_csv_file_is(reader, tmp_path, capsys):
    encodings.NOTES.set([])  # as in a new process
    path = excel(tmp_path / "Book.XLSX", SPREADSHEET, "More")
    assert cells(path) == WORDS and tables.read_header(path) == ["id", "text", "n"]
    assert "Of the 2 sheets" in capsys.readouterr().err
    assert "xlsx" in tables.KINDS and tables.is_table(path)
    # Blank rows above the header and in between; a cell with quotation marks and several lines; names with blanks.
    day = datetime.datetime(2026, 1, 31, 12)
    rows = [[], [" a ", "b;c", None, "d"], [1, 'x "y"\nz'], [], [2.5, True, None, day], [1e-7, "=1+1", None, "한국어"]]
    frame = tables.read_table(excel(tmp_path / "odd.xlsx", rows))
    assert list(frame) == ["a", "b;c", "Unnamed: 2", "d"]
    assert frame["a"].tolist() == ["1", "", "2.5", "1e-07"]
    assert frame["b;c"].tolist() == ['x "y"\nz', "", "TRUE", ""], "nobody has computed the formula yet"
    assert frame["d"].tolist() == ["", "", "2026-01-31 12:00:00", "한국어"]
    with pytest.raises(UserError, match=r"odd\.xlsx, row 4: a is empty"):
        tables.check_numbers(frame, ["a"], "odd.xlsx")
    refused(excel(tmp_path / "wide.xlsx", [["a"], [1, 2]]), r"wide\.xlsx, line 2: 2 cells.* the header has 1")
    done = tables.score_table_file(
        path, tmp_path / "out.csv", lambda rows: pd.DataFrame({"answer": [1] * len(rows)}), 9
    )
    assert done == 4 and cells(tmp_path / "out.csv") == WORDS | {"answer": ["1"] * 4}


def test_a_name_makes_no_workbook(tmp_path):
    (tmp_path / "book.csv").write_bytes(excel(tmp_path / "book.xlsx", SPREADSHEET).read_bytes())
    refused(tmp_path / "book.csv", "book.csv is an Excel workbook or Word document.*save the table as CSV")
    assert cells(write(tmp_path / "plain.xlsx", PLAIN)) == WORDS
    refused(write(tmp_path / "old.xlsx", b"\xd0\xcf\x11\xe0" + bytes(40)), "is an old Excel workbook")


def test_without_its_package_or_its_file_a_workbook_is_refused(tmp_path, monkeypatch):
    path = excel(tmp_path / "book.xlsx", SPREADSHEET)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openpyxl", None)
        refused(path, r"book\.xlsx is an Excel workbook: install openpyxl .*, or save the table as CSV")
    monkeypatch.setattr(delimited, "WORKBOOK", "common.inputs.nowhere")
    refused(path, r"An Excel workbook needs common/inputs/nowhere\.py")


def test_a_workbook_is_bounded_before_it_is_expanded(tmp_path):
    """Zeros, styles, cells in one row, cells far apart, and blank rows."""
    path, target = excel(tmp_path / "book.xlsx", SPREADSHEET), tmp_path / "bad.xlsx"
    began = time.process_time()
    for part, old, new, message in (
        (SHEET, b"<sheetData>", b"<sheetData>" + bytes(300_000_000), "too large for a workbook: 16 MB"),
        (SHEET, b"</row>", b"</row>" + b'<c r="A1"/>' * 2_000_000, "too large"),
        ("xl/styles.xml", b"</cellXfs>", b"<xf/>" * 200_000 + b"</cellXfs>", "too large"),
        (
            SHEET,
            b"</sheetData>",
            b'<row><c r="A1"><v>1</v></c><c r="XFD1"><v>1</v></c></row>' * 9000 + b"</sheetData>",
            ".",
        ),
        (SHEET, b"</sheetData>", b'<row r="999999999"><c r="A999999999"><v>1</v></c></row></sheetData>', "blank lines"),
    ):
        refused(changed(path, target, part, old, new), message)
    assert time.process_time() - began < 25, "five of them"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([SHEET, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml", ""]), st.floats(0, 1), st.binary(max_size=9))  # fmt: skip
def test_any_bytes_of_a_workbook_may_be_wrong(tmp_path, part, place, new):
    path = tmp_path / "book.xlsx"
    path = path if path.exists() else excel(path, SPREADSHEET)
    with zipfile.ZipFile(path) as whole:
        content = whole.read(part) if part else path.read_bytes()
    at = int(place * len(content))
    broken = content[:at] + new + content[at + len(new) :]
    target = (
        changed(path, tmp_path / "bad.xlsx", part, content, broken) if part else write(tmp_path / "bad.xlsx", broken)
    )
    try:
        tables.read_table(target)
    except UserError as error:
        assert "\n" not in str(error) and str(error).endswith(".")


# Parquet


def test_without_arrow_a_parquet_file_is_refused(tmp_path, monkeypatch):
    numbers(10).to_parquet(tmp_path / "n.parquet", index=False)
    numbers(10).to_csv(tmp_path / "n.csv", index=False)
    monkeypatch.setattr(tables, "ARROW", "common.inputs.nowhere")
    message = r"A Parquet file needs common/inputs/nowhere\.py, which this copy leaves out"
    for read in (tables.read_table, tables.read_header):
        with pytest.raises(UserError, match=message):
            read(tmp_path / "n.parquet")
    with pytest.raises(UserError, match=message):
        tables.score_table_file(tmp_path / "n.csv", tmp_path / "out.parquet", answers)


def test_a_parquet_file_is_not_kept_in_memory(tmp_path):
    path = tmp_path / "n.parquet"
    numbers(200_000).to_parquet(path, index=False, row_group_size=5000)
    before = pyarrow.total_allocated_bytes()
    kept = max(pyarrow.total_allocated_bytes() - before for _ in tables.read_chunks(path, 5000))
    assert kept < path.stat().st_size / 4


def test_a_parquet_file_is_known_by_its_content(tmp_path):
    numbers(10).to_parquet(tmp_path / "x.PARQUET", index=False)
    for name in ("x.PARQUET", "x.pq", "x.csv"):
        (tmp_path / name).write_bytes((tmp_path / "x.PARQUET").read_bytes())
        assert tables.read_table(tmp_path / name)["b"].dtype == "int64"
    refused(write(tmp_path / "bad.parquet", b"PAR?"), "not a Parquet file")


@pytest.mark.parametrize(
    "values",
    [[["x"], ["y", "z"]], [{"a": 1}, {"a": 2}], [b"x", b"y"]],
    ids=["lists", "records", "bytes"],
)
def test_a_column_that_is_no_plain_value_is_named(values, tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2], "tags": values}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "the column tags holds")


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_parquet_file_is_a_sentence(seed, tmp_path):
    """A hundred files for each seed with some bytes changed, cut or doubled."""
    random = np.random.default_rng(seed)
    frame = numbers(300).assign(text=[f"text {row % 40} 가" for row in range(300)], when=pd.Timestamp("2024-01-01"))
    whole = io.BytesIO()
    frame.to_parquet(whole, index=False, row_group_size=100, compression=["snappy", "gzip", "zstd", None, "lz4"][seed])
    for _ in range(100):
        damaged = bytearray(whole.getvalue())
        end = len(damaged) - 8 if random.random() < 0.5 else len(damaged)
        for _ in range(random.integers(1, 20)):
            damaged[random.integers(4, end)] = random.integers(256)
        damaged = damaged[: len(damaged) // 2] if random.random() < 0.1 else damaged
        try:
            tables.read_table(write(tmp_path / "a.parquet", bytes(damaged)))
        except UserError as error:
            assert "a.parquet" in str(error)


def test_an_encrypted_parquet_file_is_a_sentence(tmp_path):
    refused(write(tmp_path / "a.parquet", b"PARE" + bytes(50) + b"\x20\0\0\0PARE"), "a.parquet")


# A table with answers


def answers(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"answer": np.arange(len(frame)) / 2, "n": np.arange(len(frame)) > 1})


def scored(source, target, **options) -> pd.DataFrame:
    tables.score_table_file(source, target, answers, **options)
    return tables.read_table(target)


def test_cells_go_to_the_output_as_they_are(tmp_path, capsys):
    source = write(tmp_path / "in.csv", PLAIN)
    result = scored(source, tmp_path / "out.csv")
    assert list(result) == ["id", "text", "n", "answer", "n_2"] and "n_2" in capsys.readouterr().err
    assert result[list(WORDS)].to_dict("list") == WORDS
    result = scored(tmp_path / "out.csv", tmp_path / "again.csv")
    assert list(result) == ["id", "text", "n", "answer", "n_2", "answer_2", "n_3"]
    result = scored(source, tmp_path / "out.parquet", chunk_rows=2)
    assert result[list(WORDS)].to_dict("list") == WORDS and result["answer"].dtype == float


def test_numbers_of_a_text_file_are_numbers_in_parquet(tmp_path):
    source = write(tmp_path / "in.csv", "code,amount,note\n0742,1.50,\n007,-2,\n1,3,late\n")
    result = scored(source, tmp_path / "out.parquet", chunk_rows=2, numbers=["amount"])
    assert result["amount"].tolist() == [1.5, -2.0, 3.0] and result["code"].tolist() == ["0742", "007", "1"]
    assert result["note"].tolist() == ["", "", "late"], "it is empty in the first piece"


def test_a_parquet_file_keeps_its_kinds(tmp_path):
    source = tmp_path / "in.parquet"
    columns = {
        "count": pyarrow.array([2**60 + 1, None], pyarrow.int64()),
        "when": pyarrow.array([0, 1], pyarrow.timestamp("ms")),
        "kind": pyarrow.array(["a", None]).dictionary_encode(),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), source)
    scored(source, tmp_path / "out.parquet")
    kept = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert kept["count"].to_pylist() == [2**60 + 1, None] and kept["when"].type == pyarrow.timestamp("ms")
    assert kept["kind"].to_pylist() == ["a", None]
    assert cells(tmp_path / "out.parquet")["n"] == [False, False]
    assert scored(source, tmp_path / "out.csv")["count"].tolist() == [str(2**60 + 1), ""]


FORMULAS = {"=1+1": "'=1+1", "+a": "'+a", "-a": "'-a", "@x": "'@x", "-12.5": "-12.5", "+3": "+3", "a=b": "a=b", "": ""}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_formulas_are_quoted_where_that_is_asked(kind, tmp_path):
    source = tmp_path / "in.csv"
    pd.DataFrame({"=cell": list(FORMULAS), "k": 1}).to_csv(source, index=False)
    assert scored(source, tmp_path / f"a.{kind}")["=cell"].tolist() == list(FORMULAS)
    quoted = scored(source, tmp_path / f"b.{kind}", quote_formulas=True)
    assert quoted["'=cell"].tolist() == list(FORMULAS.values())


# What a page takes


def upload(tmp_path, name, content) -> str:
    """The sentence with which a page refuses a file."""
    path = tmp_path / name
    content(path) if callable(content) else write(path, content)
    with pytest.raises(UserError) as raised:
        tables.score_table_file(path, tmp_path / "out.csv", answers, max_rows=500)
    return str(raised.value)


def parquet(rows: int, **columns):
    """A small file: each column has one value, which is written once."""

    def make(path):
        table = {
            name: pyarrow.DictionaryArray.from_arrays(np.zeros(rows, "int32"), [value])
            for name, value in columns.items()
        }
        pyarrow.parquet.write_table(pyarrow.table(table), path)

    return make


def test_an_upload_of_text_is_bounded(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "UPLOAD_CELLS", 2000)
    assert "500 rows" in upload(tmp_path, "a.csv", "a,b\n" + "1,2\n" * 501)
    assert "2,000 cells" in upload(tmp_path, "b.csv", ",".join("abcde") + "\n" + "1,1,1,1,1\n" * 401)
    assert "gzip" in upload(tmp_path, "c.csv", gzip.compress(b"a,b\n1,2\n"))
    monkeypatch.setattr(tables, "UPLOAD_BYTES", 2000)
    assert "MB in memory" in upload(tmp_path, "d.csv", "a,b\n" + f"{'x' * 100},2\n" * 40)
    assert not (tmp_path / "out.csv").exists()


def test_an_upload_of_parquet_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "UPLOAD_CELLS", 2000)
    assert "500 rows" in upload(tmp_path, "a.parquet", parquet(501, a="x"))
    assert "2,000 cells" in upload(tmp_path, "b.parquet", parquet(401, **dict.fromkeys("abcde", "x")))
    assert not (tmp_path / "out.csv").exists()


def test_texts_of_a_parquet_file_are_measured_before_they_are_expanded(tmp_path, monkeypatch):
    """A text of a million characters, 400 times: 400 MB from a file of some kilobytes."""
    monkeypatch.setattr(tables, "UPLOAD_BYTES", 20_000_000)
    monkeypatch.setattr(arrow, "PIECE_BYTES", 5_000_000)
    before = pyarrow.default_memory_pool().max_memory()
    message = upload(tmp_path, "a.parquet", parquet(400, a="x" * 1_000_000))
    assert "19 MB" in message and (tmp_path / "a.parquet").stat().st_size < 1_000_000
    after = (
        pyarrow.default_memory_pool().max_memory()
    )  # the peak of all tests of this process, so it may have been larger before
    assert after < 100_000_000 or after == before


def test_a_wide_table_comes_in_smaller_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "PIECE_CELLS", 100)
    path = write(tmp_path / "a.csv", ",".join(f"c{i}" for i in range(30)) + "\n" + ",".join("1" * 30) + "\n" * 1)
    assert [len(piece) for piece in tables.read_chunks(path)] == [1]
    path.write_text(path.read_text() + (",".join("1" * 30) + "\n") * 9)
    assert [len(piece) for piece in tables.read_chunks(path)] == [3, 3, 3, 1]
