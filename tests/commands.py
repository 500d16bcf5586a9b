"""Commands without a Python process for each: in a child that has no TensorFlow, or in this process.

`ask` is for help texts and refusals: they must come before a heavy package is imported. One child process answers all
of them, one after the other. `run_here` is for commands that compute: TensorFlow is loaded in this process already.
"""

import io
import multiprocessing
import os
import runpy
import subprocess
import sys
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

HEAVY = {"tensorflow", "keras", "sklearn"}


def run_here(module: str, *arguments: object) -> subprocess.CompletedProcess:
    """What `python -m <module> <arguments>` does, in this process: exit status, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    words, status = [module, *map(str, arguments)], 0
    with mock.patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*found in sys.modules")  # a test may have imported the module before
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except BaseException:
            traceback.print_exc(file=err)
            status = 1
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


_child: list[ProcessPoolExecutor] = []  # the process that answers `ask`, once it is there


def ask(module: str, *arguments: object) -> subprocess.CompletedProcess:
    """What `python -m <module> <arguments>` does in the child: exit status, stdout, stderr.

    Fails when the command has imported a heavy package. The child ends then, and the next command starts another one,
    so no other command fails with it.
    """
    if not _child:
        _child.append(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
    # Tests change where runs and data are kept.
    environment = {key: value for key, value in os.environ.items() if key.startswith("KERAS_PORTFOLIO")}
    done, heavy = _child[0].submit(_answer, environment, module, *arguments).result()
    if heavy:
        _child.pop().shutdown()
    assert not heavy, f"{' '.join(done.args)} has imported {', '.join(heavy)}"
    return done


def _answer(environment: dict[str, str], module: str, *arguments: object) -> tuple[subprocess.CompletedProcess, list]:
    """In the child: run the command. Returns what it did, and the heavy packages that it has imported."""
    os.environ.update(environment)
    assert not HEAVY & set(sys.modules)
    return run_here(module, *arguments), sorted(HEAVY & set(sys.modules))
