"""report.json of a run that nobody trained, for tests of what lists and chooses runs."""

from typing import Any

from common.files import write_json
from common.project import Project
from common.runs import Run


def content(project: Project, value: float | None, **changes: Any) -> dict[str, Any]:
    """A complete report with this validation and test METRIC; `changes` replace whole keys."""
    metric, direction = project.metric("builtin")
    figure = {"value": value, "low": None, "high": None}
    return {
        "project": project.name,
        "run": "a",
        "model": "x",
        "config": {},
        "data": {
            "name": "builtin",
            "source": "made for a test",
            "sha256": "0",
            "sizes": {"train": 60, "validation": 15, "test": 25},
            "weighted": False,
        },
        "validation": {metric: value},
        "test": {
            "unit": "row",
            "looks": 1,
            "units": 25,
            "model": {metric: figure},
            "baselines": {"mean": {metric: figure}},
            "comparison": {"mean": {metric: {"difference": 0.0, "low": 0.0, "high": 0.0, "verdict": "worse"}}},
        },
        "directions": {metric: direction},
        "failures": [],
        "timing": {"total_seconds": 1.0, "train_seconds": 1.0, "seconds_per_epoch": 1.0, "inference_per_second": 1.0},
        "parameters": 1,
        "environment": {"keras": "3", "backend": "tensorflow", "python": "3", "devices": []},
    } | changes


def finish(run: Run, value: float | None, **changes: Any) -> Run:
    """Write such a report, and a meta.json, into a run folder: the run is finished."""
    write_json(run.path / "meta.json", {"examples": []})
    write_json(run.path / "report.json", content(run.project, value, **changes))
    return run
