"""A campaign of kills, damaged files and odd inputs over every project: `python -m tests.campaign --seconds 600`.

It prints the table of counts that README.md shows under "What it survives". Each row is a kind of trouble, tried on
every project in turn until its part of the time is over:

    kill -9        a training is killed at a random moment and resumed; its figures must be those of one that was not
    damaged files  a byte, a value or the length of a file of a finished run is changed; it is read as lists and pages do
    damaged data   the same for files that people bring: tables, pictures, texts
    odd inputs     what a Predictor is asked, made from the shape of its examples (tests/odd.py)

A traceback, another figure or an answer that is no finite number is a failure, and is printed.
"""

import argparse
import functools
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli, runs
from common.errors import UserError
from common.inputs.images import FORMATS, picture_bytes, read_picture
from common.inputs.tables import read_table
from common.inputs.text import read_text
from common.project import Project, project_names
from common.runs import Run
from tests.odd import ask, not_finite, replaced

ROOT = Path(__file__).parents[1]
KILLS = 8  # kills of one training; then it is resumed to its end
FIRST_SECONDS = 20.0  # what a training is thought to take, until one has
whole_seconds: dict[str, float] = {}  # project -> the shortest time of a process that was not killed
DAMAGED = ("run.json", "config.json", "report.json", "meta.json", "history.csv", "*.keras", "*.csv")


@dataclass
class Count:
    """How often a kind of trouble was tried on a project, and what failed."""

    tried: int = 0
    failures: list[str] = field(default_factory=list)


def toy_run(project: Project, folder: Path) -> Run:
    """A finished toy run."""
    run = runs.start(project, project.toy, "builtin", folder / "data", folder / "runs")
    cli.train_run(run)
    return run


def figures(run: Run) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """What must not depend on kills: the history without its seconds, and the report's figures."""
    report = run.report
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in run.history]
    return history, {key: report[key] for key in ("validation", "directions", "failures", "parameters")} | {
        "model": report["test"]["model"],
        "baselines": report["test"]["baselines"],
    }


def kill(whole: Run, folder: Path, dice: random.Random) -> tuple[int, list[str]]:
    """Kill the same training as `whole` up to KILLS times at random moments: (how many kills, what differs at the end).

    A moment lies within the time that the fastest training has taken so far, from the start of its process.
    """
    project = whole.project
    run = runs.start(project, project.toy, "builtin", folder / "data", folder / "runs")
    command = [sys.executable, "-m", f"projects.{project.name}.train", "--resume", run.id]
    command += ["--runs-dir", str(folder / "runs")]
    kills = 0
    while True:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            seconds = whole_seconds.get(project.name, FIRST_SECONDS)
            output, _ = process.communicate(timeout=dice.uniform(0, seconds) if kills < KILLS else None)
        except subprocess.TimeoutExpired:
            epochs = len(run.history)
            process.kill()  # SIGKILL
            process.communicate()
            kills += 1
            if len(run.history) < epochs:
                return kills, ["an epoch that was over is lost"]
            if run.finished:  # it was killed while it ended
                break
            continue
        if process.returncode:
            return kills, [output[-2000:]]
        whole_seconds[project.name] = min(time.monotonic() - began, whole_seconds.get(project.name, FIRST_SECONDS))
        break
    if [path.name for path in run.path.rglob(".*")]:
        return kills, ["a temporary file stayed behind"]
    if figures(run) != figures(whole):
        return kills, [f"other figures: {figures(run)} instead of {figures(whole)}"]
    return kills, []


def damage(path: Path, dice: random.Random) -> None:
    """Change a file as disks and people do."""
    content = bytearray(path.read_bytes())
    kind = dice.randrange(5)
    if kind == 0 and content:
        content = content[: dice.randrange(len(content))]
    elif kind == 1 and content:
        for _ in range(dice.choice([1, 1, 8, 100])):
            content[dice.randrange(len(content))] = dice.randrange(256)
    elif kind == 2:
        content = bytearray()
    elif path.suffix == ".json":
        content = bytearray(json.dumps(replaced(json.loads(content), dice)).encode())
    else:
        place = dice.randrange(len(content) + 1)
        content[place:place] = dice.choice([b"\xff\xfe", b"\0" * 50, b",,,\n", b"NaN", b"\xed\xa0\x80"])
    path.write_bytes(content)


def damage_once(whole: Run, folder: Path, dice: random.Random) -> str:
    """Damage one file of a copy of a finished run, and use the run as lists, pages and commands do."""
    project = whole.project
    copy = Run(folder / "runs" / project.name / whole.id)
    shutil.rmtree(folder / "runs", ignore_errors=True)
    shutil.copytree(whole.path, copy.path)
    file = dice.choice([path for pattern in DAMAGED for path in sorted(copy.path.glob(pattern))])
    damage(file, dice)
    try:
        entries = runs.list_runs(project, folder / "runs")
        if len(entries) != 1:
            return f"{file.name}: the run is not listed"
        try:
            predictor = copy.load()
            answer = predictor.predict(predictor.examples[0])
        except UserError:
            return ""
        return f"{file.name}: {place} is not finite" if (place := not_finite(answer)) else ""
    except Exception:
        return f"{file.name}: {traceback.format_exc()[-1500:]}"


@functools.cache
def data_files() -> dict[str, tuple[bytes, Callable[[Path], Any]]]:
    """{suffix: (the content of a good file, the function that reads it)} for each kind of file that people bring."""
    frame = pd.DataFrame({"a b": range(99), "amount": [i / 7 for i in range(99)], "text": ['é, 한"글'] * 99})
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8)
    files: dict[str, tuple[bytes, Callable[[Path], Any]]] = {
        "csv": (frame.to_csv(index=False).encode(), read_table),
        "tsv": (frame.to_csv(index=False, sep="\t").encode(), read_table),
        "parquet": (frame.to_parquet(), read_table),
        "txt": ("한글 and é\r\n".encode() * 50, lambda path: list(read_text(path))),
    }
    return files | {kind.lower(): (picture_bytes(pixels, kind), read_picture) for kind in FORMATS}


def damage_data(whole: Run, folder: Path, dice: random.Random) -> tuple[int, list[str]]:
    """Damage a file of each kind that people bring, and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for suffix, (content, read) in data_files().items():
        file = folder / f"damaged.{suffix}"
        file.write_bytes(content)
        damage(file, dice)
        try:
            read(file)
        except UserError:
            pass
        except Exception:
            failures.append(f"{file.name}: {traceback.format_exc()[-1500:]}")
    return len(data_files()), failures


def campaign(seconds: float, names: list[str], kinds: list[str], seed: int = 0) -> dict[str, dict[str, Count]]:
    """{kind: {project: Count}} of everything that was tried in about so many seconds."""
    dice = random.Random(seed)
    table: dict[str, dict[str, Count]] = {kind: {name: Count() for name in names} for kind in kinds}
    seconds /= sum(KINDS[kind][0] for kind in kinds) * len(names)
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            whole = toy_run(Project(name), Path(place) / name)
            for kind, count in ((kind, counts[name]) for kind, counts in table.items()):
                share, attempt = KINDS[kind]
                deadline = time.monotonic() + seconds * share
                while time.monotonic() < deadline or not count.tried:
                    tried, failures = attempt(whole, Path(place) / name / kind.replace(" ", "-"), dice)
                    count.tried += tried
                    count.failures += failures
                    for failure in failures:
                        print(f"\n{kind}, {name}: {failure}\n")
                    print(f"{kind}, {name}: {count.tried} tried, {len(count.failures)} failed", flush=True)
    return table


def _once(attempt: Callable[[Run, Path, random.Random], str]) -> Callable:
    def tried(whole: Run, folder: Path, dice: random.Random) -> tuple[int, list[str]]:
        failure = attempt(whole, folder, dice)
        return 1, [failure] if failure else []

    return tried


KINDS: dict[str, tuple[float, Callable]] = {
    "kill -9": (0.6, kill),
    "damaged files": (0.2, _once(damage_once)),
    "damaged data": (0.05, damage_data),
    "odd inputs": (0.15, lambda whole, folder, dice: ask(whole, dice.randrange(2**32), 100)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="about how long (default: 600)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS), help="left out: every kind")
    parser.add_argument("--projects", nargs="*", default=project_names(), help="left out: every project")
    options = parser.parse_args()
    names = options.projects
    cli.start_keras()
    table = campaign(options.seconds, names, options.kinds, options.seed)
    print("\n| | " + " | ".join(names) + " | failed |\n|---|" + "---:|" * (len(names) + 1))
    for kind, counts in table.items():
        failed = sum(len(count.failures) for count in counts.values())
        print(f"| {kind} | " + " | ".join(str(counts[name].tried) for name in names) + f" | {failed} |")
    sys.exit(any(count.failures for counts in table.values() for count in counts.values()))


if __name__ == "__main__":
    main()
