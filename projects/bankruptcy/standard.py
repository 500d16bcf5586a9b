"""The field's standard sets: accounts of US companies, and ratios of Polish ones."""

from pathlib import Path

from common.data import Source, Splits, hold_out_tenth, split_rows
from common.errors import UserError
from common.files import file_sha256
from projects.bankruptcy.config import Config
from projects.bankruptcy.data import as_series, with_meta
from projects.bankruptcy.formats import read

US_HOME = "https://github.com/sowide/bankruptcy_dataset"
US_ROLES = {"firm": "company_name", "time": "year", "label": "status_label"}
US_CLASSES = ["alive", "failed"]
# The 18 figures of Pellegrino et al. (2024), in millions of dollars
US_FIGURES = [
    *("current_assets", "total_assets", "cost_of_goods_sold", "total_long_term_debt", "depreciation_and_amortization"),
    *("ebit", "ebitda", "gross_profit", "inventory", "total_current_liabilities", "net_income", "retained_earnings"),
    *(
        "total_receivables",
        "total_revenue",
        "market_value",
        "total_liabilities",
        "net_sales",
        "total_operating_expenses",
    ),
]
POLISH_HOME = "https://archive.ics.uci.edu/dataset/365/polish+companies+bankruptcy+data"
POLISH_ROLES = {"firm": "firm", "time": "time", "label": "class"}


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of a standard set, as `data.load_data` gives them for other data."""
    return companies(config, data_dir) if data == "bankruptcy_us" else polish(config, data, data_dir)


def companies(config: Config, data_dir: Path) -> Splits:
    """US companies: as many years as `config.length`, from 3 to 5.

    The authors' validation part is the test here, so that their test part stays unseen; `evaluate --data FILE` scores
    it. A tenth of their training part is validation. No firm is in two parts.
    """
    years = min(max(config.length, 3), 5)
    paths = [found(f"window{years}_{part}.csv", "bankruptcy_us", data_dir, US_HOME) for part in ("train", "validation")]
    files = [read(path, US_ROLES, US_FIGURES) for path in paths]
    both = set(files[0].names) & set(files[1].names)
    kept = [row for row, name in enumerate(files[0].names) if name not in both]
    for part in ("names", "series", "labels"):
        setattr(files[0], part, [getattr(files[0], part)[row] for row in kept])
    rest, test = (as_series(file, US_CLASSES)[0] for file in files)
    train, validation = hold_out_tenth(rest.targets, config.seed)
    source = Source(
        name="bankruptcy_us",
        source=f"US companies, {years} years of 18 accounting figures: of the authors' training part "
        f"{rest.targets.mean():.1%} failed, of their validation part, which is the test here, "
        f"{test.targets.mean():.1%}; "
        f"{len(both):,} firms in both parts left out of training.",
        sha256=file_sha256(paths[0]),
        unit="firm",
    )
    parts = [rest.part(train), rest.part(validation), test]
    return with_meta(config, parts, US_FIGURES, US_CLASSES, source, roles=US_ROLES)


def polish(config: Config, data: str, data_dir: Path) -> Splits:
    """Polish companies: 64 ratios of one year. Repeated rows count once, so none is in two parts."""
    year = data.removeprefix("polish_")
    path = found(f"polish_bankruptcy_{year}year.arff", "bankruptcy", data_dir, POLISH_HOME)
    table = read(path, POLISH_ROLES)
    series, said = as_series(table, ["0", "1"])
    source = Source(
        name=data,
        source=f"Polish companies, year {year} of 5, 64 ratios: {len(series):,} firms, {series.targets.mean():.1%} "
        f"failed; {said[0]}.",
        sha256=file_sha256(path),
        unit="firm",
    )
    parts = [series.part(rows) for rows in split_rows(series.targets, seed=config.seed)]
    return with_meta(config, parts, table.variables, ["0", "1"], source, roles=POLISH_ROLES)


def found(file: str, folder: str, data_dir: Path, home: str) -> Path:
    """A file of a set in `data_dir` or its folder. Raises UserError where there is none."""
    for place in (data_dir / folder, data_dir):
        for name in (file, file.replace("polish_bankruptcy_", "")):
            if (place / name).is_file():
                return place / name
    raise UserError(f"{file} is not in {data_dir / folder}. Get it from {home} and put it there.")
