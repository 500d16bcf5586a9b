"""The results of a finished run: report.json, MODEL_CARD.md, figures, and the score table in the terminal."""

import functools
import hashlib
import importlib.util
import itertools
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common.data import Source
from common.evaluation import CONFIDENCE_BINS, calibration_error, paired
from common.files import replacing, write_json, write_text
from common.runs import Run

NOISE = 1e-9  # a smaller figure is the rounding of floats, and is shown as 0
# Okabe & Ito's colours: colour-blind readers can tell them apart. They are visible on white and on dark grey.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


@dataclass
class Report:
    """The results of a project's `evaluate`.

    validation: {metric: value}. test: {"unit", "looks", "units", "model", "baselines", "comparison"}, mostly from
    `evaluation.score_table`, whose "resampled" goes into resampled.csv. "reference_only": baselines that are shown, and
    not to be beaten. directions: {metric: "max" | "min"}, in the order in which tables show them.
    failures: the worst errors, one dict of plain values each. figures: {file name without .png: matplotlib figure}.
    tables: {file name without .csv: DataFrame} that the page draws from. notes: sentences for the model card.
    """

    source: Source
    sizes: dict[str, int]
    validation: dict[str, float]
    test: dict[str, Any]
    directions: dict[str, str]
    parameters: int
    inference_per_second: float
    failures: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def throughput(score: Any, rows: int, seconds: float = 0.5) -> float:
    """Rows per second of `score()`, which scores `rows` rows. The first call is a warm-up and not counted."""
    score()
    calls, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        score()
        calls += 1
    return rows * calls / spent


def timing(run: Run) -> dict[str, float]:
    """Seconds spent in training and per epoch, over all resumptions, from history.csv."""
    seconds = [row["seconds"] for row in run.history]
    return {"train_seconds": sum(seconds), "seconds_per_epoch": float(np.mean(seconds)) if seconds else 0.0}


def as_dict(run: Run, report: Report, timing: dict[str, float]) -> dict[str, Any]:
    """The content of report.json."""
    import keras

    source = {name: getattr(report.source, name) for name in ("name", "source", "sha256", "weighted")}
    return plain(
        {
            "project": run.project.name,
            "run": run.id,
            "model": getattr(run.config, "model", run.project.name),
            "config": vars(run.config),
            "data": {**source, "sizes": report.sizes},
            "validation": report.validation,
            "test": {key: value for key, value in report.test.items() if key != "resampled"},
            "directions": report.directions,
            "failures": report.failures,
            "timing": {**timing, "inference_per_second": report.inference_per_second},
            "parameters": report.parameters,
            "environment": {
                "keras": keras.version(),
                "backend": keras.backend.backend(),
                "python": platform.python_version(),
                "devices": keras.distribution.list_devices(),
            },
        }
    )


def write(run: Run, report: Report, timing: dict[str, float], folder: Path | None = None) -> dict[str, Any]:
    """Write figures, tables and MODEL_CARD.md, and report.json last. Returns the content of report.json.

    folder: None for the run's own, which is then finished. An evaluation on other data has a folder of its own.
    """
    folder = folder or run.path
    if history := run.history:
        report.figures = {"history": history_figure(history, run.metric[0]), **report.figures}
    for name, figure in report.figures.items():
        save_figure(figure, folder / "figures" / f"{name}.png")
    tables = dict(report.tables)
    if "resampled" in report.test:
        import pandas as pd  # imported here, because the gallery reads reports and does not need it

        tables["resampled"] = pd.DataFrame(report.test["resampled"])
    for name, table in tables.items():
        with replacing(folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)
    content = as_dict(run, report, timing)
    write_text(folder / "MODEL_CARD.md", model_card(run, content, report.notes))
    write_json(folder / "report.json", content)
    return content


def measured_on(content: dict[str, Any]) -> str:
    """One sentence: the rows and independent units of the test split, and how often it has been looked at."""
    test = content["test"]
    units = f"{test['units']:,} independent units ({test['unit']})"
    intervals = f"95 % bootstrap intervals over {units}" if test["comparison"] else f"{units}, too few for intervals"
    looks = f"looked at {test['looks']} time{'s' if test['looks'] > 1 else ''}"
    return f"Test: {content['data']['sizes']['test']:,} rows, {intervals}; this test split has been {looks}."


def best_baseline(test: dict[str, Any], metric: str, direction: str) -> str | None:
    """The baseline with the best figure, of those that are not for reference only; None where there is none.

    test: as in report.json. direction: "max" or "min".
    """
    beside = test.get("reference_only", [])
    values = {name: figures.get(metric, {}).get("value") for name, figures in test["baselines"].items()}
    values = {name: value for name, value in values.items() if value is not None and name not in beside}
    return (max if direction == "max" else min)(values, key=values.__getitem__, default=None)


def rows(content: dict[str, Any]) -> list[list[str]]:
    """The score table as text: a header, the model, then each baseline with the verdict on the first metric."""
    test, metrics = content["test"], list(content["directions"])
    table = [["", *(metric.replace("_", " ") for metric in metrics), "the network is"]]
    for name, figures in {content["model"]: test["model"], **test["baselines"]}.items():
        compared = test["comparison"].get(name, {}).get(metrics[0], {})
        table.append([name.replace("_", " "), *(cell(figures.get(m)) for m in metrics), compared.get("verdict", "")])
    return table


def cell(figure: dict[str, Any] | None) -> str:
    """`0.868 [0.801, 0.921]`, or the value alone when there is no interval."""
    if figure is None:
        return ""
    if figure.get("low") is None:
        return number(figure["value"])
    return f"{number(figure['value'])} [{number(figure['low'])}, {number(figure['high'])}]"


def number(value: float | None) -> str:
    """About four digits, never -0: three decimals below 10, two below 100, one below 1000; two digits of tiny ones."""
    if value is None or math.isnan(value):
        return "–"
    if NOISE < abs(value) < 5e-4:
        return f"{value:.1e}"
    return f"{value:z,.{3 if abs(value) < 10 else 2 if abs(value) < 100 else 1 if abs(value) < 1000 else 0}f}"


def pair(model: Run, other: Run) -> dict[str, Any]:
    """{"difference", "low", "high", "verdict"} of METRIC on the resamples that two runs share.

    The verdict is "too few units" where the reports have no intervals.
    """
    import pandas as pd  # imported here, because the gallery reads reports and does not need it

    metric, direction = model.metric
    first, second = model.report["test"], other.report["test"]
    values = [test["model"][metric]["value"] for test in (first, second)]
    difference = None if None in values else values[0] - values[1]
    files = [run.path / "resampled.csv" for run in (model, other)]
    if "draws" not in first or first["draws"] != second.get("draws") or not all(file.exists() for file in files):
        verdict = "too few units" if first["model"][metric].get("low") is None else "not paired"
        return {"difference": difference, "low": None, "high": None, "verdict": verdict}
    samples, other_samples = (pd.read_csv(file)[metric].to_numpy(float) for file in files)
    return {"difference": difference, **plain(paired(samples, other_samples, direction))}


def print_scores(content: dict[str, Any]) -> None:
    """Print the score table, and what it was measured on."""
    from rich.console import Console
    from rich.table import Table

    header, *body = rows(content)
    directions = content["directions"]
    better = [
        f"better {sign} " + ", ".join(metric.replace("_", " ") for metric in directions if directions[metric] == mode)
        for sign, mode in (("↑", "max"), ("↓", "min"))
        if mode in directions.values()
    ]
    table = Table(caption="   ".join(better))
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right")
    for i, line in enumerate(body):
        table.add_row(*line, style="bold" if i == 0 else None)
    console = Console()
    # A pipe has no width. 160 columns are enough to keep each figure on one line.
    console = console if console.is_terminal else Console(width=160)
    console.print(measured_on(content))
    console.print(table)


def model_card(run: Run, content: dict[str, Any], notes: Sequence[str]) -> str:
    """The text of MODEL_CARD.md (after Mitchell et al. 2019): model, data, figures and baselines, limits, failures."""
    card, data, environment, timing = run.project.card, *(content[key] for key in ("data", "environment", "timing"))
    weighted = "; rows are weighted by how many real cases they stand for." if data["weighted"] else "."
    parts = {
        f"# {card.TITLE['en']}: {content['model']}": [card.PROBLEM["en"]],
        "## Model": [
            f"- {content['parameters']:,} parameters, Keras {environment['keras']} on {environment['backend']}, "
            f"run `{content['run']}`",
            f"- trained in {timing['train_seconds']:.0f} s ({timing['seconds_per_epoch']:.2f} s an epoch); predicts "
            f"{number(timing['inference_per_second'])} rows a second on the machine that trained it",
            "- knobs: " + ", ".join(f"`{key} = {value}`" for key, value in content["config"].items()),
        ],
        "## Data": [
            data["source"],
            "",
            "Train {train:,}, validation {validation:,}, test {test:,} rows".format(**data["sizes"]) + weighted,
        ],
        "## Test figures": [measured_on(content), "", *markdown_table(rows(content))],
        "## Limits": [f"- {line}" for line in [*card.LIMITS, *notes]],
    }
    if failures := content["failures"]:
        table = [[*failures[0]], *([_short(row[key]) for key in failures[0]] for row in failures)]
        parts["## Worst errors"] = markdown_table(table)
    return "".join("\n".join([heading, "", *lines, "", ""]) for heading, lines in parts.items())[:-1]


def markdown_table(table: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table. The first row is the header; the first column is text, the others are figures."""
    header, *body = [[str(c).replace("|", "\\|").replace("\n", " ") for c in row] for row in table]
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return ["| " + " | ".join(row) + " |" for row in [header, rule, *body]]


def new_figure(columns: int = 1, rows: int = 1, width: float = 6.0, height: float = 4.0) -> tuple[Any, Any]:
    """A matplotlib figure and its axes in the suite's style: light grid, no frame on the right and top, Hangul."""
    from matplotlib.figure import Figure

    _hangul()
    figure = Figure(figsize=(width * columns, height * rows), dpi=130, layout="constrained")
    axes = figure.subplots(rows, columns)
    for axis in np.ravel(axes):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_prop_cycle(color=COLOURS)
    return figure, axes


@functools.cache
def _hangul() -> None:
    """Let matplotlib draw Hangul with the bundled Korean font, because its own font has none."""
    from matplotlib import font_manager, rcParams

    file = str(Path(__file__).parent / "fonts" / "Hangul.ttf")
    font_manager.fontManager.addfont(file)
    rcParams["font.family"] = [*rcParams["font.family"], font_manager.FontProperties(fname=file).get_name()]


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as a picture, and beside it its numbers, from which a page draws it."""
    with replacing(path) as temporary:
        figure.savefig(temporary)
    if importlib.util.find_spec("common.drawn"):  # a fork may lack it
        importlib.import_module("common.drawn").write(figure, path.with_suffix(".json"))


def history_figure(history: list[dict[str, float]], metric: str) -> Any:
    """Training and validation loss, and the validation METRIC, over the epochs: a row of panels for each network."""
    networks = [list(rows) for _, rows in itertools.groupby(history, lambda row: row.get("network"))]
    figure, axes = new_figure(columns=2, rows=len(networks), width=5.0, height=3.6)
    for number, (rows, (left, right)) in enumerate(zip(networks, axes.reshape(-1, 2), strict=True), start=1):
        epochs = range(1, len(rows) + 1)
        for key, label in (("loss", "train"), ("val_loss", "validation")):
            if key in rows[0]:
                left.plot(epochs, [row[key] for row in rows], label=label, marker=".")
        left.set(xlabel="epoch", ylabel="loss", title=f"Network {number}" if len(networks) > 1 else "")
        left.legend(frameon=False)
        right.plot(epochs, [row[f"val_{metric}"] for row in rows], marker=".", color=COLOURS[1])
        right.set(xlabel="epoch", ylabel=f"validation {metric.replace('_', ' ')}")
    return figure


def caution_table(limit: float, familiarity: dict[str, np.ndarray]) -> Any:
    """How many inputs of each kind come with a caution: a DataFrame with the columns inputs, count, flagged.

    familiarity: {kind of input: (n,)}, the test inputs first. flagged: the fraction of them below the limit.
    """
    import pandas as pd

    rows = [(kind, len(values), float((values < limit).mean())) for kind, values in familiarity.items()]
    return pd.DataFrame(rows, columns=["inputs", "count", "flagged"])


def caution_note(basis: str, table: Any) -> str:
    """The sentence of the model card about a `caution_table`. basis: what the caution is based on."""
    shares = ", ".join(f"{row.flagged:.1%} of {row.count:,} ({row.inputs})" for row in table.itertuples(index=False))
    return f"An answer comes with a caution where {basis}. Inputs with a caution: {shares}."


def reliability_figure(answers: dict[str, tuple[np.ndarray, np.ndarray]]) -> Any:
    """Reliability diagram: how often answers of each probability are right, and how many answers there are.

    answers: {model: what `evaluation.confidence` returns}. The first model has the thickest line.
    """
    from sklearn.calibration import calibration_curve

    figure, (above, below) = new_figure(rows=2, width=5.5, height=2.6)
    above.plot([0, 1], [0, 1], color="0.6", linestyle=":")
    for i, (name, (confidence, right)) in enumerate(answers.items()):
        style = {"color": COLOURS[i % len(COLOURS)], "linewidth": 2 if i == 0 else 1.2, "label": name.replace("_", " ")}
        fraction, mean = calibration_curve(right, confidence, n_bins=CONFIDENCE_BINS)
        above.plot(mean, fraction, marker=".", **style)
        below.stairs(*np.histogram(confidence, CONFIDENCE_BINS, (0, 1)), **style)
    above.set(xlabel="probability of the answer", ylabel="fraction that is right", xlim=(0, 1), ylim=(0, 1))
    below.set(xlabel="probability of the answer", ylabel="answers", xlim=(0, 1), yscale="log")
    above.legend(frameon=False, fontsize=8)
    return figure


def calibration_note(confidence: np.ndarray, right: np.ndarray, temperature: float) -> str:
    """The sentence of the model card about the network's probabilities; see `evaluation.confidence`."""
    error = calibration_error(confidence, right)(np.ones(len(right)))
    return f"Expected calibration error: {error:.4f}. The temperature, chosen on validation, is {temperature:.2f}."


def confusion_figure(targets: np.ndarray, answers: np.ndarray, classes: Sequence[str]) -> Any:
    """The confusion matrix, as fractions of each true class. With at most 12 classes the cells show the counts.

    targets, answers: (n,) class numbers.
    """
    count = len(classes)
    table = np.bincount(targets * count + answers, minlength=count * count).reshape(count, count)
    fractions = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.32 * count, 4.0, 12.0))
    figure, axis = new_figure(width=side + 1, height=side)
    image = axis.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    axis.grid(False)
    axis.set_xticks(range(count), classes, rotation=90 if count > 6 else 0, fontsize=8)
    axis.set_yticks(range(count), classes, fontsize=8)
    axis.set(xlabel="answer", ylabel="truth")
    if count <= 12:
        for i, j in np.ndindex(count, count):
            if table[i, j]:
                colour = "white" if fractions[i, j] > 0.5 else "black"
                axis.text(j, i, f"{table[i, j]:,}", ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(image, ax=axis, shrink=0.8, label="fraction of the true class")
    return figure


def _short(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """NumPy values as Python's own, NaN as null, an array as its shape and a digest, by which two can be compared."""
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": digest}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
