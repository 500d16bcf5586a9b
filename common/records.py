"""What the files of a run folder must hold. They may be damaged, or come from somebody else."""

import time
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%z"
CLOCK_TOLERANCE = 86_400  # seconds that the clock of another machine may be ahead

FIGURE = {"value": (float, None), "low?": (float, None), "high?": (float, None), "values?": [(float, None)]}
COMPARED = {"difference": (float, None), "low": (float, None), "high": (float, None), "verdict": str}
SIZES = {"train": int, "validation": int, "test": int}
REQUEST = {"data": str, "data_dir": str, "created": str, "sha256?": str, "knobs?": [str]}
META = {"examples": [object]}  # what every project stores; its own META says more, and `Run.load` asks it
REPORT = {
    "project": str,
    "run": str,
    "model": str,
    "config": {str: object},
    "data": {"name": str, "source": str, "sha256": str, "sizes": SIZES, "weighted": bool},
    "validation": {str: (float, None)},
    "test": {
        "unit": str,
        "looks": int,
        "units": int,
        "model": {str: FIGURE},
        "baselines": {str: {str: FIGURE}},
        "comparison": {str: {str: COMPARED}},
        "draws?": str,
        "reference_only?": [str],
    },
    "directions": {str: str},
    "failures": [{str: object}],
    "timing": dict.fromkeys(("total_seconds", "train_seconds", "seconds_per_epoch", "inference_per_second"), float),
    "parameters": int,
    "environment": {"keras": str, "backend": str, "python": str, "devices": [str]},
}


def read_request(path: Path) -> dict[str, Any]:
    """The content of run.json. A time in the future is refused: such a run would be the latest one for ever."""
    request = read_json(path, REQUEST)
    try:
        created = time.mktime(time.strptime(request["created"], TIME_FORMAT))
    except (ValueError, OverflowError):
        raise UserError(f"{path} is damaged: created is {request['created'][:40]!r}; expected a time.") from None
    if created > time.time() + CLOCK_TOLERANCE:
        raise UserError(f"{path} is damaged: created is {request['created']}, which lies in the future.")
    return request


def read_report(path: Path, metric: str) -> dict[str, Any]:
    """The content of report.json. metric: the project's METRIC, which must have been measured."""
    report = read_json(path, REPORT)
    for part, figures in (("validation", report["validation"]), ("test.model", report["test"]["model"])):
        if metric not in figures:
            raise UserError(f"{path} is damaged: {part} has no {metric}.")
    if wrong := sorted(set(report["directions"].values()) - {"max", "min"}):
        raise UserError(f"{path} is damaged: directions has {wrong[0][:40]!r}; expected max or min.")
    return report
