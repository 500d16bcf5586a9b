"""A campaign of kills, damaged files and odd inputs over every project: `python -m tests.campaign --seconds 600`.

It prints the table of counts that README.md shows under "What it survives". Each row is a kind of trouble, tried on
every project in turn until its part of the time is over:

    kill -9        a training is killed at a random moment and resumed; its figures must be those of one that was not
    damaged files  a byte, a value or the length of a file of a finished run is changed; it is read as lists and pages do
    odd inputs     what a Predictor is asked, made from the shape of its examples (tests/odd.py)

A traceback, another figure or an answer that is no finite number is a failure, and is printed.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from common import cli, runs
from common.errors import UserError
from common.project import Project, project_names
from common.runs import Run
from tests.odd import like, not_finite, replaced

ROOT = Path(__file__).parents[1]
ANSWER_SECONDS = 0.2  # for the answers to one odd input; at least one is read
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


def kill_once(whole: Run, folder: Path, dice: random.Random) -> str:
    """Start the same training as `whole`, kill it at random moments until it is finished; what differs, or nothing."""
    project = whole.project
    run = runs.start(project, project.toy, "builtin", folder / "data", folder / "runs")
    command = [sys.executable, "-m", f"projects.{project.name}.train", "--resume", run.id]
    command += ["--runs-dir", str(folder / "runs")]
    for attempt in range(4):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if attempt < 3:
            deadline = time.monotonic() + dice.uniform(3.0, 16.0)
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        if attempt < 3 and process.poll() is None:
            before = len(run.history)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
            if len(run.history) < before:
                return "an epoch that was over is lost"
            continue
        output, _ = process.communicate()
        if process.returncode:
            return output[-2000:]
        break
    if [path.name for path in run.path.rglob(".*")]:
        return "a temporary file stayed behind"
    return "" if figures(run) == figures(whole) else f"other figures: {figures(run)} instead of {figures(whole)}"


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


def ask(predictor: Any, seed: int, count: int) -> tuple[int, list[str]]:
    """Ask a Predictor `count` odd inputs made from its first example: (how many were asked, what failed).

    `stream` gives the answers that `predict` gives, the first one early. They are read for ANSWER_SECONDS.
    """
    failures: list[str] = []
    asked = 0

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(raw=like(predictor.examples[0]))
    def run(raw: Any) -> None:
        nonlocal asked
        asked += 1
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            for answer in predictor.stream(raw):
                if place := not_finite(answer):
                    failures.append(f"{place} is not finite for {raw!r:.200}")
                if time.monotonic() > deadline:
                    break
        except UserError as error:
            if not str(error).strip():
                failures.append(f"an empty sentence for {raw!r:.200}")
        except Exception:
            failures.append(f"{raw!r:.200}\n{traceback.format_exc()[-1500:]}")

    run._hypothesis_internal_use_seed = seed  # what @seed sets
    run()
    return asked, failures


def campaign(seconds: float, names: list[str], seed: int = 0) -> dict[str, dict[str, Count]]:
    """{kind: {project: Count}} of everything that was tried in about so many seconds."""
    dice = random.Random(seed)
    table: dict[str, dict[str, Count]] = {kind: {name: Count() for name in names} for kind in KINDS}
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            whole = toy_run(Project(name), Path(place) / name)
            for kind, (share, attempt) in KINDS.items():
                deadline = time.monotonic() + seconds * share / len(names)
                count = table[kind][name]
                while time.monotonic() < deadline or not count.tried:
                    tried, failures = attempt(whole, Path(place) / name / kind.replace(" ", "-"), dice)
                    count.tried += tried
                    count.failures += failures
                    print(f"{kind}, {name}: {count.tried} tried, {len(count.failures)} failed", flush=True)
    return table


def _once(attempt: Callable[[Run, Path, random.Random], str]) -> Callable:
    def tried(whole: Run, folder: Path, dice: random.Random) -> tuple[int, list[str]]:
        failure = attempt(whole, folder, dice)
        return 1, [failure] if failure else []

    return tried


KINDS: dict[str, tuple[float, Callable]] = {
    "kill -9": (0.6, _once(kill_once)),
    "damaged files": (0.2, _once(damage_once)),
    "odd inputs": (0.2, lambda whole, folder, dice: ask(whole.load(), dice.randrange(2**32), 100)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="about how long (default: 600)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("names", nargs="*", metavar="PROJECT", help="left out: every project")
    options = parser.parse_args()
    names = options.names or project_names()
    cli.start_keras()
    table = campaign(options.seconds, names, options.seed)
    print("\n| | " + " | ".join(names) + " | failed |\n|---|" + "---:|" * (len(names) + 1))
    for kind, counts in table.items():
        failed = sum(len(count.failures) for count in counts.values())
        print(f"| {kind} | " + " | ".join(str(counts[name].tried) for name in names) + f" | {failed} |")
    for kind, counts in table.items():
        for name, count in counts.items():
            for failure in count.failures:
                print(f"\n{kind}, {name}: {failure}")
    sys.exit(any(count.failures for counts in table.values() for count in counts.values()))


if __name__ == "__main__":
    main()
