"""The finished run that a fork may carry along, so that its page has something to show at once."""

import json
import re
from pathlib import Path

from common.errors import UserError
from common.files import check_regular, files_in, read_json, utf8_text, write_json, write_text
from common.runs import Run

MAX_RUN_MB = 50  # GitHub warns of larger files, and a page should open at once
LEFT_OUT = ("checkpoint", "tensorboard", "evaluations", "log.txt", "stop")


def check_run(run: Run) -> None:
    """Raise UserError for a run that is not finished or too large to be carried along."""
    if not run.finished:
        raise UserError(f"The run {run.id} is not finished; only a finished run is carried along.")
    sizes = {path.name: path.stat().st_size for path in files_of(run)}
    if sum(sizes.values()) > MAX_RUN_MB * 1e6:
        largest = max(sizes, key=sizes.__getitem__)
        raise UserError(
            f"The run {run.id} has {sum(sizes.values()) / 1e6:.0f} MB (most in {largest}); a repository should carry "
            f"at most {MAX_RUN_MB}: train a smaller model for it."
        )


def files_of(run: Run) -> list[Path]:
    """The files of a run that go along. Raises UserError when one of them is a symbolic link."""
    check_regular(run.path)
    files = sorted(path for path in run.path.rglob("*") if path.is_file())
    tops = {path: path.relative_to(run.path).parts[0] for path in files}
    return [path for path, top in tops.items() if top not in LEFT_OUT and not top.startswith(".")]


def write_run(run: Run, folder: Path, title: str | None = None) -> None:
    """Copy the run into `folder`, the root of a fork, with its looks at the test split; its model card to the front.

    title: what the fork and its model card are called. Paths of this machine are replaced in all texts.
    """
    target = folder / "runs" / run.project.name / run.id
    request = run.request
    replaced = {request["data_dir"]: "data", str(run.path.parent.resolve()): f"runs/{run.project.name}"}
    if Path(request["data"]).is_absolute():
        replaced[str(Path(request["data"]).parent)] = "data"
    for path in files_of(run):
        copy = target / path.relative_to(run.path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".json", ".md", ".csv", ".txt"):
            write_text(copy, _without_paths(utf8_text(path), replaced))
        else:
            copy.write_bytes(path.read_bytes())
    write_json(target / "run.json", {**read_json(target / "run.json"), "data_dir": "data"})
    if title:
        card = utf8_text(target / "MODEL_CARD.md")
        write_text(target / "MODEL_CARD.md", re.sub(r"^# .*(?=: )", lambda _: f"# {title}", card, count=1))
    (folder / "MODEL_CARD.md").write_bytes((target / "MODEL_CARD.md").read_bytes())
    for looks in files_in(run.path.parent, "looks.csv"):
        (target.parent / "looks.csv").write_bytes(looks.read_bytes())


def _without_paths(text: str, replaced: dict[str, str]) -> str:
    """The text with the paths of `replaced` exchanged, also where JSON doubles the backslashes of Windows."""
    for path, instead in replaced.items():
        for written in {path, json.dumps(path)[1:-1]}:
            whole = rf"(?<![\w/.:-]){re.escape(written)}(?![\w-])"  # not the end of an address, for example
            text = re.sub(whole, lambda _, instead=instead: instead, text)  # type: ignore[misc]
    return text
