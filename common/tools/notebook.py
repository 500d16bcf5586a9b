"""A notebook that walks through one project, for Colab or for Jupyter, and what its cells show things with.

The cells call the project's code and copy none of it: data, model, training, figures, an own input. Notebook format 4.5
is JSON; nothing needs to be installed to write it.
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
    """Write the notebook of a project; UserError where the name is wrong or the file is there already."""
    if output.suffix != ".ipynb":
        raise UserError(f"--output {output} must end in .ipynb.")
    if output.exists():
        raise UserError(f"{output} exists already; remove it or give another --output.")
    try:
        write_json(output, notebook(project, repository()))
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror or error}.") from None


def repository() -> str:
    """The https address of this checkout's `origin`, without a user or password in it; empty where there is none."""
    try:
        asked = subprocess.run(
            ["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
        )
    except FileNotFoundError:  # no git: the notebook then asks for the address
        return ""
    parts = urlsplit(asked.stdout.strip())
    if asked.returncode or parts.scheme != "https" or not parts.hostname or not (ROOT / ".git").exists():
        return ""
    return f"https://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def notebook(project: Project, address: str) -> dict[str, Any]:
    """The notebook as notebook format 4.5. address: where Colab clones the code from; empty: the reader fills it in."""
    name, card = project.name, project.card
    metric, way = card.METRIC
    hint, command = card.PREDICT_HINT
    cells = [
        text(
            f"# {card.TITLE['en']} · {card.TITLE['ko']}",
            f"{card.PROBLEM['en']}\n\nEvery cell calls the code of `projects/{name}`; read it there.",
            f"{card.PROBLEM['ko']}\n\n모든 셀은 `projects/{name}`의 코드를 부릅니다. 코드는 그 폴더에서 읽어 보세요.",
        ),
        text(
            "## The code · 코드 가져오기",
            "On your own machine, start Jupyter in the repository and this cell only goes to its root. In Colab it gets the "
            "code: by cloning `REPOSITORY`, or from a `project.zip` of the repository uploaded at the left.",
            "내 컴퓨터에서는 저장소 안에서 Jupyter를 시작하면 됩니다. Colab에서는 `REPOSITORY`를 복제하거나, 왼쪽에 올린 "
            "`project.zip`(저장소를 압축한 파일)을 풀어 코드를 가져옵니다.",
        ),
        code(GET_CODE.format(address=address, name=name, why="" if address else FILL_IN)),
        text(
            "## The data · 데이터",
            "The built-in data needs no download. Only the training and the validation split are looked at here; the test "
            "split stays sealed until the evaluation. `project.config_class()` is the default, which takes minutes; "
            "`project.toy` is the smallest setting, which learns little, in seconds.",
            "내장 데이터는 내려받을 필요가 없습니다. 여기서는 학습과 검증 데이터만 보고, 테스트 데이터는 평가할 때까지 열지 않습니다. "
            "`project.config_class()`는 몇 분 걸리는 기본 설정이고, `project.toy`는 몇 초 만에 끝나지만 거의 배우지 못하는 가장 작은 설정입니다.",
        ),
        code(
            "config = project.config_class()\n"
            'splits = project.load_data(config, "builtin", runs.data_dir())\n'
            "print(splits.source.source)\n"
            "print(splits.sizes)\n"
            "show(splits.train.inputs if len(splits.train) else splits.validation.inputs)"
        ),
        text(
            "## The model · 모델",
            "Plain Keras, and the knobs: one line each, with default and meaning.",
            "평범한 Keras 코드와 설정값입니다. 설정값마다 기본값과 뜻이 한 줄씩 있습니다.",
        ),
        code(
            'display(Code(filename=project.folder / "model.py", language="python"))\n'
            "knobs = common.config.knobs(project.config_class)\n"
            'pd.DataFrame([{"knob": knob.name, "default": knob.default, "meaning": knob.help} for knob in knobs])'
        ),
        text(
            "## Training · 학습",
            f"It fits on train, chooses by validation `{metric}` ({'higher' if way == 'max' else 'lower'} is better), and "
            "then opens the test split once, with the baselines beside the model and 95 % intervals. The square button ends "
            "it early; a run that is not finished goes on with `cli.train_run(run)`.",
            f"학습 데이터로 배우고, 검증 `{metric}`({'높을' if way == 'max' else '낮을'}수록 좋음)로 고른 다음, 테스트 데이터를 한 번 열어 "
            "기준 모델과 함께 95 % 구간으로 평가합니다. 네모 버튼으로 일찍 끝낼 수 있고, 끝나지 않은 실행은 `cli.train_run(run)`으로 이어 갑니다.",
        ),
        code(
            'run = runs.start(project, config, "builtin", runs.data_dir(), runs.runs_dir())\n'
            "content = cli.train_run(run)"
        ),
        text(
            "## Figures · 그림과 점수",
            "The score table, the figures and the worst errors that the run has kept in its folder.",
            "실행 폴더에 남은 점수표, 그림, 가장 크게 틀린 예입니다.",
        ),
        code(
            "header, *rows = report.rows(content)\n"
            "display(pd.DataFrame(rows, columns=header))\n"
            'for figure in sorted((run.path / "figures").glob("*.png")):\n'
            "    display(Image(filename=figure))\n"
            'pd.DataFrame(content["failures"])'
        ),
        text(
            "## Inside · 모델 속",
            "The networks of the run, as Keras describes them. A project that learns from its very input keeps none.",
            "이 실행의 신경망을 Keras가 보여 주는 대로 봅니다. 입력 하나에서 바로 배우는 프로젝트는 신경망을 남기지 않습니다.",
        ),
        code("predictor = run.load()\nfor network in predictor.networks.values():\n    network.summary()"),
        text(
            "## Your own input · 내 입력",
            "Raw input in, an answer that a person can read out. Change `raw`, and run the cell again. "
            f"For a whole file ({hint}): `{command}`.",
            "가공하지 않은 입력을 넣으면 사람이 읽을 수 있는 답이 나옵니다. `raw`를 바꾸고 셀을 다시 실행해 보세요. "
            f"파일 전체에는 `{command}`를 씁니다.",
        ),
        code(
            "raw = copy.deepcopy(predictor.examples[0])  # change it, or put your own in its place\n"
            "show(raw)\n"
            "answer = predictor.predict(raw)\n"
            "show(answer)"
        ),
    ]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "colab": {"name": f"{name}.ipynb"},
        },
        "cells": [{"id": f"cell-{i}", **cell} for i, cell in enumerate(cells)],
    }


def text(title: str, english: str, korean: str) -> dict[str, Any]:
    """A cell of prose in both languages."""
    return {"cell_type": "markdown", "metadata": {}, "source": f"{title}\n\n{english}\n\n{korean}"}


def code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}


FILL_IN = "  # ← put the https address of your repository here"

GET_CODE = """REPOSITORY = "{address}"{why}

import os
import shutil
import subprocess
import sys
from pathlib import Path

here = [folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "projects" / "{name}").is_dir()]
if not here:
    if Path("project.zip").exists():
        shutil.unpack_archive("project.zip", "project")
    elif REPOSITORY:
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, "project"], check=True)
    else:
        raise SystemExit("Fill in REPOSITORY above, or upload the repository as project.zip.")
    here = [found.parents[1] for found in Path("project").resolve().glob("**/projects/{name}")]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "-e", str(here[0])], check=True)
os.chdir(here[0])
sys.path.insert(0, str(here[0]))

import copy

import pandas as pd
from IPython.display import Code, Image, display

import common.config
from common import cli, report, runs
from common.tools.notebook import show
from common.project import Project

cli.start_keras()
project = Project("{name}")
"""


# What the cells show raw inputs and answers with


def show(value: Any, most: int = 3) -> None:
    """Display a raw input or an answer as a person would want to see it: tables, pictures, texts; a few of many."""
    import pandas as pd
    from IPython.display import display

    if isinstance(value, pd.DataFrame):
        display(value.head(most))
    elif isinstance(value, np.ndarray):
        _show_array(value, most)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        show(vars(value), most)
    elif isinstance(value, dict):
        plain = {key: part for key, part in value.items() if not _is_large(part)}
        if plain:
            display(pd.DataFrame({"value": pd.Series(plain, dtype=object)}))
        for key, part in value.items():
            if _is_large(part):
                print(f"{key}:")
                show(part, most)
    elif isinstance(value, (list, tuple)):
        for part in value[:most]:
            show(part, most)
    else:
        print(value)


def _is_large(value: Any) -> bool:
    return isinstance(value, (np.ndarray, dict, list, tuple))


def _show_array(value: np.ndarray, most: int) -> None:
    """uint8 (height, width[, 3]) as a picture, a batch as a few of them; anything else by its shape and first values."""
    from IPython.display import display
    from PIL import Image

    if value.dtype == np.uint8 and (value.ndim == 2 or (value.ndim == 3 and value.shape[-1] == 3)):
        display(Image.fromarray(value))
    elif value.dtype == np.uint8 and value.ndim == 4:
        for picture in value[:most]:
            _show_array(picture, most)
    else:
        print(f"{value.dtype} {value.shape}: {np.array2string(value.ravel()[:8], precision=3)} …")
