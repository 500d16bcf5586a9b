"""Commands of the suite without a Python process for each: in a child that has no TensorFlow, or in this process.

`ask` is for help texts and refusals: they must come before a heavy package is imported. One child process answers all
of them, one after the other. `run_here` is for commands that compute: TensorFlow is loaded in this process already.
"""

import io
import json
import os
import runpy
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = {"tensorflow", "keras", "sklearn"}


def run_here(module: str, *arguments: object) -> subprocess.CompletedProcess:
    """What `python -m <module> <arguments>` does, in this process: exit status, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    words, status = [module, *map(str, arguments)], 0
    with _argv(words), redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*found in sys.modules")  # a test may have imported the module before
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except BaseException:
            traceback.print_exc(file=err)
            status = 1
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


@contextmanager
def _argv(words: list[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = before


_child: list[subprocess.Popen] = []  # the process that answers `ask`, once it is there; it ends with this one


def ask(module: str, *arguments: object) -> subprocess.CompletedProcess:
    """What `python -m <module> <arguments>` does in the child: exit status, stdout, stderr.

    Fails when the command has imported a heavy package. The child ends then, and the next command starts another one,
    so no other command fails with it.
    """
    words = [module, *map(str, arguments)]
    if not _child:
        command = [sys.executable, "-m", "tests.commands"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        _child.append(subprocess.Popen(command, cwd=ROOT, **pipes))
    (child,) = _child
    # Tests change where runs and data are kept.
    environment = {key: value for key, value in os.environ.items() if key.startswith("KERAS_PORTFOLIO")}
    child.stdin.write(json.dumps({"words": words, "environment": environment}) + "\n")
    child.stdin.flush()
    answer = json.loads(child.stdout.readline())
    if answer["heavy"]:
        _child.pop().kill()
    assert not answer["heavy"], f"{' '.join(words)} has imported {', '.join(answer['heavy'])}"
    return subprocess.CompletedProcess(words, answer["status"], answer["stdout"], answer["stderr"])


def answer_commands() -> None:
    """The child: read a command from each line of stdin, run it, and write its answer as a line of JSON."""
    answers = sys.stdout  # `run_here` puts another one in its place
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.update(asked["environment"])
        assert not HEAVY & set(sys.modules)
        done = run_here(*asked["words"])
        answer = {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
        print(json.dumps(answer | {"heavy": sorted(HEAVY & set(sys.modules))}), file=answers, flush=True)


if __name__ == "__main__":
    answer_commands()
