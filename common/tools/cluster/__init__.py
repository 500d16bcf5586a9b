"""The same commands on many machines, on Ray: https://docs.ray.io. docs/cluster.md says how, and what it costs.

Ray starts the processes, gives them work, and gives the work of a process that dies to another one. What passes between
the processes are files on storage that all machines see: run folders, checkpoints, Optuna's journal, scored parts.

`nodes`: the connection, and what a worker gets. `search`: a trial a task. `score`: a part of a folder a task. `train`:
one training over several processes, on JAX.
"""

import argparse
import functools
import sys
from typing import Any

from common.project import Project

HELP = {
    "train": "On Ray: --cluster ADDRESS (or local) --workers N: N processes share each batch; see docs/cluster.md",
    "predict": "On Ray: --cluster ADDRESS (or local), with folders as --input and --output; see docs/cluster.md",
}


def take_over(options_class: Any, project: Project, command: str) -> str:
    """With --cluster on the command line: do the command's work on the cluster, and exit.

    What the help of the command says about it is returned.
    """
    words = sys.argv[1:]
    if command not in HELP or (command == "predict" and "output" not in options_class.__dataclass_fields__):
        return ""
    if any(word.partition("=")[0] == "--cluster" for word in words):
        if command == "predict":
            from common.tools.cluster.score import score_folder

            score_folder(project, options_class, words)
        else:
            _train(project, words)
        raise SystemExit(0)
    return f"\n\n{HELP[command]}"


def _train(project: Project, words: list[str]) -> None:
    """The command `train`, whose work is done on the cluster."""
    from common import cli
    from common.tools.cluster.train import train_run

    parser = argparse.ArgumentParser(prog=f"python -m projects.{project.name}.train", allow_abbrev=False)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--workers", type=int, default=2)
    asked, sys.argv[1:] = parser.parse_known_args(words)
    work = functools.partial(train_run, address=asked.cluster, workers=asked.workers)
    cli.train_command(f"projects.{project.name}", work)
