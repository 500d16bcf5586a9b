"""The commands of every project: train, evaluate, predict. TensorFlow is imported only when it is needed."""

import importlib
import io
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

import tyro

from common import runs
from common.errors import UserError, as_user_error
from common.files import folder_name, sweep
from common.layers.speed import keep_freed_memory
from common.project import Project
from common.runs import Run, Terminated, data_dir, runs_dir

# --epochs, not --model.epochs; --x without --no-x; STR, not {None}|STR
STYLE = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
INTERRUPTED, TERMINATED = 130, 143  # the shell's exit statuses for Ctrl-C and for SIGTERM


@dataclass(frozen=True)
class TrainOptions:
    """Where data and runs are, and whether to go on with a run."""

    data: str = "builtin"  # builtin (needs no network), another name of the list above, or the path of your own file
    data_dir: Path = field(default_factory=data_dir)  # where data sets with a name are looked for and kept
    runs_dir: Path = field(default_factory=runs_dir)  # where run folders are written
    resume: str | None = None  # id of an unfinished run: go on where it stopped, with the run's data and knobs
    tensorboard: bool = False  # write logs for TensorBoard into the run folder


@dataclass(frozen=True)
class EvaluateOptions:
    """Which run to score, and on what."""

    run: str = "best"  # id of a run, best (by validation) or latest
    data: str | None = None  # path of new labelled data; without it the run's own test split is scored again
    runs_dir: Path = field(default_factory=runs_dir)  # where the run folders are


def train_command(package: str, work: Callable[[Run], Any] | None = None) -> None:
    """`python -m projects.<name>.train`: do the `work` (without it, `train_run`), and print what to do next."""
    project = Project(package.rpartition(".")[2])

    # The flags are the fields of two classes. The second one is the project's Config, which is known only here.
    Request = make_dataclass("Request", [("run", TrainOptions), ("model", project.config_class)])
    with user_errors():
        request: Any = _parse(Request, project, "train", data_names(project))
        run = asked_run(project, request.run, request.model)
        new = not (run.path / "log.txt").exists()
        try:
            (work or train_run)(run)
        except Exception as error:
            if isinstance(error, OSError) and not error.filename:
                error.filename = str(run.path)  # the error of a full disk names no file
            if new and not (run.path / "checkpoint").exists() and not run.history:
                shutil.rmtree(run.path)  # nothing was learnt, and the same fault would end it again
            raise
        what, hint = project.card.PREDICT_HINT  # what a user needs next
        print(f"\nsaved in {run.path}\n\n  explore it:     python -m streamlit run apps/{project.name}.py")
        print(f"  {what + ':':<15} {hint}")


def asked_run(project: Project, options: TrainOptions, config: Any) -> Run:
    """The run that `train` was asked for: a new one, or the unfinished one that --resume names."""
    if not options.resume:
        return runs.start(project, config, options.data, options.data_dir, options.runs_dir, options.tensorboard)
    run = runs.find(project, options.resume, options.runs_dir)
    if run.finished:
        raise UserError(f"The run {run.id} is finished; leave out --resume to start a new one.")
    if config != project.config_class():
        raise UserError("--resume goes on with the run's own knobs; leave the other flags out.")
    return Run(run.path, options.tensorboard)


def evaluate_command(package: str) -> None:
    """`python -m projects.<name>.evaluate`: score a finished run again, or on new labelled data."""
    project = Project(package.rpartition(".")[2])
    with user_errors():
        options = _parse(EvaluateOptions, project, "evaluate")
        if options.data is not None and not (Path(options.data).is_file() or Path(options.data).is_dir()):
            raise UserError(f"--data {options.data} does not exist, or is no file or folder.")
        run = runs.find(project, options.run, options.runs_dir)
        if not run.finished:
            raise UserError(f"The run {run.id} is not finished; go on with it by train --resume {run.id}.")
        start_keras()
        from common import report

        result = evaluate_on_one_thread(project, run, options.data)
        folder = run.path if options.data is None else run.path / "evaluations" / folder_name(Path(options.data))
        report.print_scores(report.write(run, result, run.report["timing"], folder))
        print(f"written to {folder / 'report.json'}")


def evaluate_on_one_thread(project: Project, run: Run, data: str | None = None) -> Any:
    """The project's `evaluate` with one BLAS thread: on small tables several wait longer than they compute."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return project.evaluate(run, data)


def train_run(run: Run, callbacks: tuple = ()) -> dict[str, Any]:
    """Train a new or an interrupted run to its end, evaluate it once, and write report.json. Returns its content."""
    with run.training():
        if run.finished:
            raise UserError(f"The run {run.id} has been finished by another process.")
        began = time.perf_counter()
        sweep(run.path)
        run.stop_file.unlink(missing_ok=True)
        run.log(f"run {run.path}")  # a stop file counts from here on, also while Keras is still being imported
        start_keras()
        import keras

        from common import report

        keras.utils.set_random_seed(run.config.seed)
        run.project.train(run.config, run, callbacks)
        run.log("evaluating on the test split, with baselines …")
        with noticing_interrupts():
            result = evaluate_on_one_thread(run.project, run)
        if run.stop_file.exists():
            result.notes.append(f"Training was stopped by hand after {len(run.history)} epochs.")
        timing = {"total_seconds": time.perf_counter() - began, **report.timing(run)}
        content = report.write(run, result, timing)
        shutil.rmtree(run.path / "checkpoint", ignore_errors=True)  # a finished run needs no checkpoint
    report.print_scores(content)
    run.log(f"{timing['total_seconds']:.0f} s for this command, {timing['train_seconds']:.0f} s of training in all")
    return content


def data_names(project: Project) -> str:
    """What `--data` takes, for `--help`: one line for each data set."""
    sets = {**project.data_names, "PATH": project.card.DATA["PATH"]}
    return "--data:\n" + "\n".join(f"  {name:<10} {text}" for name, text in sets.items())


@contextmanager
def user_errors():
    """End a command with one sentence on stderr when the user can mend what is wrong, or has ended the command.

    Exit status: 2 for a `UserError` and for a file that the system refuses, 130 for Ctrl-C, 143 for SIGTERM. A reader
    that closes the pipe (`| head`) ends the command in silence. What the terminal's encoding lacks is printed as "?".
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with _handling({signal.SIGINT: signal.default_int_handler, signal.SIGTERM: _terminate}):
            yield
        sys.stdout.flush()
    except Terminated:
        print("\nterminated: an unfinished run goes on with --resume RUN", file=sys.stderr)
        raise SystemExit(TERMINATED) from None
    except KeyboardInterrupt:
        print("\ninterrupted: nothing was finished; an unfinished run goes on with --resume RUN", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes stdout once more at its end
        raise SystemExit(1) from None
    except (UserError, OSError) as error:
        if (mendable := as_user_error(error)) is None:
            raise
        print(f"error: {mendable}", file=sys.stderr)
        raise SystemExit(2) from None


def _terminate(number: int, frame: Any) -> None:
    raise Terminated


@contextmanager
def noticing_interrupts() -> Iterator[None]:
    """Ctrl-C inside ends the block with KeyboardInterrupt, even where a library catches the exception on its way."""
    interrupts: list[type[BaseException]] = []

    def interrupt(number: int, frame: Any) -> None:
        interrupts.append(KeyboardInterrupt if number == signal.SIGINT else Terminated)
        raise interrupts[-1]

    try:
        with _handling({signal.SIGINT: interrupt, signal.SIGTERM: interrupt}):
            yield
    except Exception:  # an import that was cut short fails in many ways
        if not interrupts:
            raise
    if interrupts:
        raise interrupts[-1]


@contextmanager
def _handling(handlers: dict[int, Any]) -> Iterator[None]:
    """Use these signal handlers inside the block. Only the main thread may set them; in another one nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start_keras() -> None:
    """Import Keras and its backend without their start-up messages. Errors are still shown."""
    if "keras" in sys.modules:
        return
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Without this, scikit-learn's OpenMP threads spin while they wait, and take processor time from the others.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.stderr.isatty():
        print(f"starting {os.environ['KERAS_BACKEND']} …", file=sys.stderr, flush=True)
    keep_freed_memory()
    with quiet_stderr(), noticing_interrupts():
        import keras

        keras.ops.zeros(1)  # the first operation starts the device, which prints the most


@contextmanager
def quiet_stderr():
    """Hold back what TensorFlow's C++ code writes to file descriptor 2. It is shown only if the block fails."""
    import tempfile

    kept = os.dup(2)
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)
        try:
            yield
        except BaseException:
            noise.seek(0)
            os.write(kept, noise.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _parse(main: Callable, project: Project, command: str, epilogue: str = "") -> Any:
    if (Path(__file__).parent / "tools" / "cluster").exists():  # a fork has left it out
        epilogue += importlib.import_module("common.tools.cluster").take_over(main, project, command)
    return tyro.cli(
        main,
        prog=f"python -m projects.{project.name}.{command}",
        description=f"{project.card.TITLE['en']}. {project.card.PROBLEM['en']}\n\n{epilogue}".strip(),
        config=STYLE,
    )


def check_asked(options: Any, one: str) -> None:
    """Raise UserError unless a predict command has either its field `one`, or `input` together with `output`."""
    if (getattr(options, one) is None) == (options.input is None):
        raise UserError(f"Give either --{one} or --input.")
    if (options.input is None) != (options.output is None):
        raise UserError("--input needs --output FILE." if options.input else "--output needs --input FILE.")


def check_folder(options: Any) -> None:
    """Raise UserError where `input` is a folder of pictures and `output` is no .csv file."""
    if options.input.is_dir() and (options.output is None or options.output.suffix != ".csv"):
        raise UserError("A folder needs --output FILE.csv.")


@contextmanager
def predict_command(options_class: type, package: str) -> Iterator[tuple[Any, Run | None]]:
    """`python -m projects.<name>.predict`: (options, the run they name), with Keras started.

    options_class: a dataclass with `run` (it may be None) and `runs_dir`. Where it has `input`, that file must exist.
    Its `__post_init__` may refuse a value with a UserError; that comes before anything is loaded.
    """
    project = Project(package.rpartition(".")[2])
    with user_errors():
        options = _parse(options_class, project, "predict")
        if (source := getattr(options, "input", None)) is not None and not (source.is_file() or source.is_dir()):
            raise UserError(f"--input {source} does not exist, or is no file or folder.")  # a pipe is read only once
        if (target := getattr(options, "output", None)) is not None and target.is_dir():
            raise UserError(f"--output {target} is a folder; expected a file.")
        run = None if options.run is None else runs.find(project, options.run, options.runs_dir)
        start_keras()
        yield options, run
