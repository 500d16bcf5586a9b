"""The command `predict` on a folder of files, a part of it a Ray task.

A part is a file, or some pictures of a folder for a command that reads folders. Each is scored by the very command of
the project, in a worker that keeps the networks, and is written by one rename. A part that exists is not scored again.
The folder may also be in a bucket, such as s3://bucket/folder: pyarrow reads it, and a worker copies the files of its
part to its own disk.
"""

import argparse
import dataclasses
import functools
import io
import re
import runpy
import sys
import tempfile
import warnings
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from pyarrow import fs

from common import runs
from common.errors import UserError
from common.files import read_json, sweep, write_json
from common.inputs.images import SUFFIXES, find_pictures
from common.project import Project
from common.tools.cluster.nodes import connected, places, worker_needs

PICTURES = 256  # pictures of a folder in one part
PLAN = {"asked": {str: object}, "run": (str, None), "parts": {str: [str]}}


def score_folder(project: Project, options_class: type, words: list[str]) -> None:
    """`python -m projects.<name>.predict --cluster ADDRESS --input FOLDER --output FOLDER …`, the words after predict.

    The output may end in `/*.SUFFIX`, the kind of file that each part becomes; without it, .parquet for Parquet and
    .csv for all others. The folder of the parts keeps what was asked in plan.json: the same command goes on with the
    same run, and takes files that have come since. Raises UserError when another command has written there, or a part
    could not be scored.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(options_class)}
    parser = argparse.ArgumentParser(prog=f"python -m projects.{project.name}.predict", allow_abbrev=False)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--run", default=defaults["run"])
    parser.add_argument("--runs-dir", type=Path, default=runs.runs_dir())
    asked, others = parser.parse_known_args(words)
    source = asked.input if "://" in asked.input else Path(asked.input).resolve()
    if not (source.is_dir() if isinstance(source, Path) else _is_folder(source)):
        raise UserError(f"--input {asked.input} is no folder; with --cluster, it is a folder of files to score.")
    folder, runs_dir = asked.output.absolute(), asked.runs_dir.resolve()
    suffix = ""
    if folder.name.startswith("*."):
        folder, suffix = folder.parent, folder.suffix
    if folder.is_file():
        raise UserError(f"--output {folder} is a file; with --cluster, it is a folder.")
    plan = _plan(project, source, folder, suffix, {"run": asked.run, "runs_dir": str(runs_dir), "others": others})
    if plan["run"]:
        others += ["--run", plan["run"]]
    words = ["--runs-dir", str(runs_dir), *others]
    read = [path for path in (source, runs_dir) if isinstance(path, Path)]
    with connected(asked.cluster, folder, *read) as ray:
        failed = _score_parts(ray, project, source, folder, plan["parts"], words)
    if failed:
        name, said = next(iter(failed.items()))
        raise UserError(f"{len(failed)} of {len(plan['parts'])} parts could not be scored; {name}: {said}")
    print(f"{len(plan['parts']):,} parts in {folder}")


def _is_folder(uri: str) -> bool:
    """Whether there is a folder at a URI that pyarrow knows. Raises UserError where it cannot be read from here."""
    if urlsplit(uri).username:
        raise UserError("--input holds a key, which plan.json would show: give it in the environment.")
    try:
        storage, folder = fs.FileSystem.from_uri(uri)
        return storage.get_file_info(folder).type == fs.FileType.Directory
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds, too
        raise UserError(f"--input {uri} cannot be read: {f'{error}'.splitlines()[0].rstrip('.')}.") from None


def _files(source: Path | str) -> tuple[list[str], list[str]]:
    """(the pictures, the other files) below a folder or a URI, relative to it. In a bucket the suffix decides."""
    if isinstance(source, Path):
        pictures, others = (
            [path.relative_to(source).as_posix() for path in paths] for paths in find_pictures(source, deep=True)
        )
        return pictures, others
    storage, folder = fs.FileSystem.from_uri(source)
    found = storage.get_file_info(fs.FileSelector(folder, recursive=True))
    names = sorted(info.path.removeprefix(folder).lstrip("/") for info in found if info.is_file)
    names = [name for name in names if not re.match(r"(.*/)?(\.|__)", name)]
    pictures = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
    return pictures, [name for name in names if name not in {*pictures}]


def _plan(project: Project, source: Path | str, folder: Path, suffix: str, asked: dict[str, Any]) -> dict[str, Any]:
    """plan.json of the folder of the parts, made or with the files that have come since: {"asked", "run", "parts"}.

    parts: {name of the part: the files of `source` in it}.
    """
    asked = {"project": project.name, "input": str(source), "suffix": suffix, **asked}
    path = folder / "plan.json"
    if path.exists():
        plan = read_json(path, PLAN)
        if plan["asked"] != asked:
            raise UserError(f"{folder} holds the parts of another command; choose another --output.")
    else:
        which = asked["run"] and runs.find(project, asked["run"], Path(asked["runs_dir"])).id
        plan = {"asked": asked, "run": which, "parts": {}}
    known = {file for files in plan["parts"].values() for file in files}
    for name, files in _parts(source, suffix, known, len(plan["parts"])):
        if name in plan["parts"] or name == path.name:
            raise UserError(f"Two files of {source} would have the part {name}: rename one.")
        plan["parts"][name] = files
    if not plan["parts"]:
        raise UserError(f"{source} holds no file.")
    write_json(path, plan)
    return plan


def _parts(source: Path | str, suffix: str, known: set[str], number: int) -> list[tuple[str, list[str]]]:
    """(name, files) of each new part. Pictures are answered many at once, unless each becomes a picture.

    known: the files that are in a part already. number: that of the first new part of pictures.
    """
    pictures, others = _files(source)
    if pictures and suffix not in SUFFIXES:
        for name in others:
            print(f"left out: {source}/{name} is no picture", file=sys.stderr)
        names = [name for name in pictures if name not in known]
        groups = [names[begin : begin + PICTURES] for begin in range(0, len(names), PICTURES)]
        return [(f"pictures-{place:05d}{suffix or '.csv'}", group) for place, group in enumerate(groups, number)]
    kinds = {name: suffix or (".parquet" if name.endswith(".parquet") else ".csv") for name in pictures or others}
    return [(str(Path(name).with_suffix(kind)), [name]) for name, kind in kinds.items() if name not in known]


def _score_parts(
    ray: Any, project: Project, source: Path | str, folder: Path, parts: dict[str, list[str]], words: list[str]
) -> dict[str, str]:
    """Score the parts that do not exist; {name of a part that could not be scored: why}.

    A task whose worker dies is begun again by Ray, in another process.
    """
    sweep(folder)
    score = ray.remote(**worker_needs(ray), max_retries=-1)(score_part)
    todo = [name for name in parts if not (folder / name).exists()]
    done, failed = len(parts) - len(todo), {}
    waiting: dict[Any, str] = {}
    if done:
        print(f"{done:,} of {len(parts):,} parts exist already")
    todo.reverse()
    while todo or waiting:
        while todo and len(waiting) < 2 * places(ray):  # a worker finds its next part without waiting
            name = todo.pop()
            waiting[score.remote(project.name, source, parts[name], folder / name, words)] = name
        for task in ray.wait([*waiting], timeout=1)[0]:
            name, (status, said) = waiting.pop(task), ray.get(task)
            done += 1
            for line in said[:-1]:
                if line.startswith("left out: "):
                    print(line, file=sys.stderr)
            last = said[-1] if said else "nothing was said"
            print(f"{done:,}/{len(parts):,}  {name}: {last}", flush=True)
            if status:
                failed[name] = last.removeprefix("error: ")
    sweep(folder)  # what workers that died had begun
    return failed


def score_part(
    name: str, source: Path | str, files: list[str], target: Path, words: list[str]
) -> tuple[int, list[str]]:
    """In a worker: the project's command predict on these files, into `target`; (exit status, the lines it printed)."""
    if not hasattr(runs.Run.load, "cache_info"):
        runs.Run.load = functools.cache(runs.Run.load)  # type: ignore[method-assign]  # a worker keeps its networks
    said, status, place = io.StringIO(), 0, source
    many = len(files) > 1 or target.name.startswith("pictures-")
    module = f"projects.{name}.predict"
    with ExitStack() as stack:
        if many or isinstance(source, str):
            place = stack.enter_context(tempfile.TemporaryDirectory())
            try:
                _bring(source, files, Path(place))
            except OSError as error:
                return 1, [f"error: {source}: {f'{error}'.splitlines()[0]}"]
        stack.enter_context(redirect_stdout(said))
        stack.enter_context(redirect_stderr(said))
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", ".*found in sys.modules")  # the networks' Predictor is of that module
        read = place if many else Path(place) / files[0]
        command = [module, "--input", str(read), "--output", str(target), *words]
        stack.enter_context(mock.patch.object(sys, "argv", command))
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    lines = [line.replace(str(place), str(source)) for line in re.split(r"[\r\n]+", said.getvalue()) if line.strip()]
    return status, lines


def _bring(source: Path | str, files: list[str], place: Path) -> None:
    """Put the files into a folder of this machine: as links from storage that it sees, as copies from a bucket."""
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, Path):
            (place / file).symlink_to(source / file)
        else:
            storage, folder = fs.FileSystem.from_uri(source)
            fs.copy_files(f"{folder}/{file}", str(place / file), storage, fs.LocalFileSystem())
