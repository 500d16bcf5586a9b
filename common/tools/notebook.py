"""A notebook about one project, for Colab or Jupyter: data, model, training, figures, your own input.

Its cells call the project's code and copy none of it. A notebook (format 4.5) is a JSON file, so no package is needed
to write it. `show` is what its cells display raw inputs and answers with.
"""

import dataclasses
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from common.errors import UserError
from common.files import write_json
from common.project import Project

ROOT = Path(__file__).parents[2]


def write(project: Project, output: Path) -> None:
    """Write the notebook of a project. Raises UserError if `output` does not end in .ipynb, exists, or cannot be made."""
    if output.suffix != ".ipynb":
        raise UserError(f"--output {output} must end in .ipynb.")
    if output.exists():
        raise UserError(f"{output} exists already; remove it or give another --output.")
    try:
        write_json(output, notebook(project, repository()))
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror or error}.") from None


def repository() -> str:
    """The https address of this repository's `origin`, without user and password; empty if there is none."""
    try:
        answer = subprocess.run(
            ["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
        )
    except FileNotFoundError:  # git is not installed; the notebook asks for the address
        return ""
    parts = urlsplit(answer.stdout.strip())
    if answer.returncode or parts.scheme != "https" or not parts.hostname or not (ROOT / ".git").exists():
        return ""
    return f"https://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def notebook(project: Project, address: str) -> dict[str, Any]:
    """The notebook in notebook format 4.5. address: what Colab clones the code from; empty: the reader fills it in."""
    cells = [*_first_cells(project, address), *_training_cells(project), *_result_cells(project)]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "colab": {"name": f"{project.name}.ipynb"},
        },
        "cells": [{"id": f"cell-{i}", **cell} for i, cell in enumerate(cells)],
    }


def text(title: str, english: str, korean: str) -> dict[str, Any]:
    """A cell of text in both languages."""
    return {"cell_type": "markdown", "metadata": {}, "source": f"{title}\n\n{english}\n\n{korean}"}


def code(source: str) -> dict[str, Any]:
    """A cell of code that has not been run."""
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def _first_cells(project: Project, address: str) -> list[dict[str, Any]]:
    """What the project is, where the code comes from, the data, the model."""
    name, card = project.name, project.card
    return [
        text(
            f"# {card.TITLE['en']} · {card.TITLE['ko']}",
            f"{card.PROBLEM['en']}\n\nEvery cell calls the code in `projects/{name}`. You can read it there.",
            f"{card.PROBLEM['ko']}\n\n모든 셀은 `projects/{name}`에 있는 코드를 호출합니다. 코드는 그 폴더에서 읽을 수 있습니다.",
        ),
        text(
            "## The code · 코드 가져오기",
            "On your own machine, start Jupyter in the repository; this cell then only changes to its root folder. In "
            "Colab, this cell clones `REPOSITORY`. If you upload the repository as `project.zip` (at the left), it "
            "unpacks that instead.",
            "내 컴퓨터에서는 저장소 폴더에서 Jupyter를 시작합니다. 이때 이 셀은 저장소의 최상위 폴더로 이동하기만 합니다. "
            "Colab에서는 이 셀이 `REPOSITORY`를 복제합니다. 왼쪽에 저장소를 `project.zip`으로 올려 두면 그 파일의 압축을 풉니다.",
        ),
        code(GET_CODE.format(address=address, name=name, hint="" if address else FILL_IN)),
        text(
            "## The data · 데이터",
            "The built-in data needs no download. This cell shows the training data, or the validation data if the "
            "project has no training data. The test data stays closed until the evaluation. `project.config_class()` is "
            "the default setting and takes minutes. `project.toy` is the smallest setting: it takes seconds and learns "
            "little.",
            "내장 데이터는 내려받을 필요가 없습니다. 이 셀은 학습 데이터를 보여 줍니다. 학습 데이터가 없는 프로젝트에서는 검증 데이터를 "
            "보여 줍니다. 테스트 데이터는 평가할 때까지 열지 않습니다. `project.config_class()`는 기본 설정이며 몇 분이 걸립니다. "
            "`project.toy`는 가장 작은 설정이며 몇 초 만에 끝나지만 거의 학습하지 못합니다.",
        ),
        code(SHOW_DATA),
        text(
            "## The model · 모델",
            "The model in plain Keras, then the knobs, one per line, with default and meaning.",
            "먼저 Keras로 작성한 모델 코드를, 그다음 설정값을 보여 줍니다. 설정값마다 기본값과 뜻이 한 줄씩 있습니다.",
        ),
        code(SHOW_MODEL),
    ]


def _training_cells(project: Project) -> list[dict[str, Any]]:
    metric, direction = project.metric("builtin")
    better = {"max": ("higher", "높을"), "min": ("lower", "낮을")}[direction]
    return [
        text(
            "## Training · 학습",
            f"The network is trained on the training data, and the best epoch is chosen by validation `{metric}` "
            f"({better[0]} is better). Then the test data is opened once: the model and the baselines are scored with 95 % "
            "intervals. The square button stops the training early. An unfinished run is continued by "
            "`cli.train_run(run)`.",
            f"신경망을 학습 데이터로 학습하고, 검증 `{metric}`({better[1]}수록 좋음)로 가장 좋은 에포크를 고릅니다. 그다음 테스트 데이터를 "
            "한 번 열어 모델과 기준 모델을 95 % 신뢰구간과 함께 평가합니다. 네모 버튼을 누르면 학습을 일찍 끝낼 수 있습니다. "
            "끝나지 않은 실행은 `cli.train_run(run)`으로 이어서 학습합니다.",
        ),
        code(TRAIN),
    ]


def _result_cells(project: Project) -> list[dict[str, Any]]:
    """Figures, the networks' layers, the reader's own input."""
    hint, command = project.card.PREDICT_HINT
    return [
        text(
            "## Figures · 그림과 점수",
            "The score table, the figures and the worst errors of the run.",
            "이 실행의 점수표, 그림, 가장 크게 틀린 예입니다.",
        ),
        code(SHOW_RESULTS),
        text(
            "## Inside · 모델 속",
            "The networks of the run, as Keras summarises them. A project that trains on its input keeps no network.",
            "이 실행의 신경망을 Keras의 요약으로 보여 줍니다. 입력 자체로 학습하는 프로젝트는 신경망을 저장하지 않습니다.",
        ),
        code(SHOW_NETWORKS),
        text(
            "## Your own input · 내 입력",
            "Give a raw input and get an answer that a person can read. Change `raw` and run the cell again. "
            f"For a whole file ({hint}): `{command}`.",
            "가공하지 않은 입력을 넣으면 사람이 읽을 수 있는 답을 얻습니다. `raw`를 바꾸고 셀을 다시 실행해 보세요. "
            f"파일 전체에는 `{command}`를 사용합니다.",
        ),
        code(ANSWER),
    ]


FILL_IN = "  # ← put the https address of your repository here"

GET_CODE = """REPOSITORY = "{address}"{hint}

import os
import shutil
import subprocess
import sys
from pathlib import Path

roots = [folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "projects" / "{name}").is_dir()]
if not roots:
    if Path("project.zip").exists():
        shutil.unpack_archive("project.zip", "project")
    elif REPOSITORY:
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, "project"], check=True)
    else:
        raise SystemExit("Fill in REPOSITORY above, or upload the repository as project.zip.")
    roots = [folder.parents[1] for folder in Path("project").resolve().glob("**/projects/{name}")]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "-e", str(roots[0])], check=True)
os.chdir(roots[0])
sys.path.insert(0, str(roots[0]))

import copy

import pandas as pd
from IPython.display import Code, Image, display

import common.config
from common import cli, report, runs
from common.project import Project
from common.tools.notebook import show

cli.start_keras()
project = Project("{name}")
"""

SHOW_DATA = """config = project.config_class()
load_data = project.load_data("builtin")
splits = load_data(config, "builtin", runs.data_dir())
print(splits.source.source)
print(splits.sizes)
show(splits.train.inputs if len(splits.train) else splits.validation.inputs)"""

SHOW_MODEL = """display(Code(filename=project.folder / "model.py", language="python"))
knobs = common.config.knobs(project.config_class)
pd.DataFrame([{"knob": knob.name, "default": knob.default, "meaning": knob.help} for knob in knobs])"""

TRAIN = """run = runs.start(project, config, "builtin", runs.data_dir(), runs.runs_dir())
content = cli.train_run(run)"""

SHOW_RESULTS = """header, *rows = report.rows(content)
display(pd.DataFrame(rows, columns=header))
for figure in sorted((run.path / "figures").glob("*.png")):
    display(Image(filename=figure))
pd.DataFrame(content["failures"])"""

SHOW_NETWORKS = """predictor = run.load()
for network in predictor.networks.values():
    network.summary()"""

ANSWER = """raw = copy.deepcopy(predictor.examples[0])  # change it, or put your own in its place
show(raw)
answer = predictor.predict(raw)
show(answer)"""


def show(value: Any, limit: int = 3) -> None:
    """Display a raw input or an answer: tables, pictures, texts. limit: how many rows or items of many are shown."""
    import pandas as pd
    from IPython.display import display

    if isinstance(value, pd.DataFrame):
        display(value.head(limit))
    elif isinstance(value, np.ndarray):
        _show_array(value, limit)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        show(vars(value), limit)
    elif isinstance(value, dict):
        plain = {key: part for key, part in value.items() if not _is_large(part)}
        if plain:
            display(pd.DataFrame({"value": pd.Series(plain, dtype=object)}))
        for key, part in value.items():
            if _is_large(part):
                print(f"{key}:")
                show(part, limit)
    elif isinstance(value, (list, tuple)):
        for part in value[:limit]:
            show(part, limit)
    else:
        print(value)


def _is_large(value: Any) -> bool:
    return isinstance(value, (np.ndarray, dict, list, tuple))


def _show_array(value: np.ndarray, limit: int) -> None:
    """Show uint8 (height, width[, 3]) as a picture, a batch of them as a few; other arrays by shape and first values."""
    from IPython.display import display
    from PIL import Image

    if value.dtype == np.uint8 and (value.ndim == 2 or (value.ndim == 3 and value.shape[-1] == 3)):
        display(Image.fromarray(value))
    elif value.dtype == np.uint8 and value.ndim == 4:
        for picture in value[:limit]:
            _show_array(picture, limit)
    else:
        print(f"{value.dtype} {value.shape}: {np.array2string(value.ravel()[:8], precision=3)} …")
