"""A child process that answers many questions, for what needs a process of its own: it loads TensorFlow once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOP = """
import contextlib, io, json, sys, traceback
for line in sys.stdin:
    out, error = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(out):
            answer(json.loads(line))
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps([out.getvalue(), error]), flush=True)
"""


@contextmanager
def asked_one_by_one(script: str, folder: Path, **environment: str) -> Iterator[Callable[[object], str]]:
    """A child process in that folder. The function returns what `answer(question)` of the script prints there.

    An error in the child fails the test that has asked. The child then answers the next question.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    command = [sys.executable, "-c", script + LOOP]
    with subprocess.Popen(command, cwd=folder, env=os.environ | environment, **pipes) as child:

        def ask_it(question: object) -> str:
            child.stdin.write(json.dumps(question) + "\n")
            child.stdin.flush()
            printed, error = json.loads(child.stdout.readline())
            assert not error, error
            return printed

        yield ask_it
        child.stdin.close()
