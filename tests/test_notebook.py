"""Notebooks: valid, without a made-up address or a path of this machine, and executed from the first cell to the last."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from common.errors import UserError
from common.project import Project
from common.tools import notebook
from tests.conftest import PROJECTS, ROOT, one_now_others_slow

nbformat = pytest.importorskip("nbformat", reason='python -m pip install -e ".[test]"')
every_project = pytest.mark.parametrize("name", PROJECTS)


def code_of(content: dict) -> str:
    return "\n".join(cell["source"] for cell in content["cells"] if cell["cell_type"] == "code")


@every_project
def test_a_notebook_is_valid_and_speaks_both_languages(name, tmp_path):
    notebook.write(Project(name), tmp_path / "walk.ipynb")
    content = nbformat.read(tmp_path / "walk.ipynb", as_version=4)
    nbformat.validate(content)
    assert not [cell for cell in content.cells if cell.cell_type == "code" and cell.outputs]
    for cell in content.cells:
        if cell.cell_type == "markdown":
            assert any("가" <= letter <= "힣" for letter in cell.source) and any(letter.isascii() and letter.isalpha() for letter in cell.source)  # fmt: skip
        else:
            compile(cell.source, "cell", "exec")
    assert str(ROOT) not in json.dumps(content)
    with pytest.raises(UserError, match="exists already"):
        notebook.write(Project(name), tmp_path / "walk.ipynb")
    with pytest.raises(UserError, match=r"\.ipynb"):
        notebook.write(Project(name), tmp_path / "walk.txt")
    with pytest.raises(UserError, match="cannot be written"):
        notebook.write(Project(name), tmp_path / "walk.ipynb" / "walk.ipynb")


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("https://example.org/someone/work.git", "https://example.org/someone/work.git"),
        ("https://someone:secret@example.org:8443/work.git", "https://example.org:8443/work.git"),
        ("git@example.org:someone/work.git", ""),
        ("/somewhere/on/this/machine", ""),
        (None, ""),
    ],
)
def test_only_an_https_address_of_this_repository_is_written(origin, address, tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    if origin:
        subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", origin], check=True)
    monkeypatch.setattr(notebook, "ROOT", tmp_path)
    assert notebook.repository() == address
    source = code_of(notebook.notebook(Project(PROJECTS[0]), address))
    assert source.startswith(f'REPOSITORY = "{address}"') and ("← put" in source) == (not address)


# What a kernel does before it runs the next notebook: no name, no module and no path of the one before is left.
AS_NEW = """%reset -f
def as_new():
    import os, sys
    os.environ.update({environment!r})
    os.chdir({folder!r})
    sys.path[:] = [path for path in sys.path if path != {root!r}]
    for name in [name for name in sys.modules if name.split(".")[0] in ("apps", "common", "projects")]:
        del sys.modules[name]
as_new()
del as_new"""


@pytest.fixture(scope="session")
def kernel():
    """Jupyter's own kernel, one for the notebooks of many projects: starting Keras takes as long as a toy training."""
    pytest.importorskip("ipykernel")
    nbclient = pytest.importorskip("nbclient")
    manager = pytest.importorskip("jupyter_client").AsyncKernelManager(kernel_name="python3")
    yield manager
    if manager.has_kernel:
        nbclient.util.run_sync(manager.shutdown_kernel)(now=True)


@one_now_others_slow
def test_a_notebook_runs_from_the_first_cell_to_the_last(name, tmp_path, kernel):
    """In Jupyter's own kernel, on the toy setting, from a folder that is not the root."""
    nbclient = pytest.importorskip("nbclient")
    content = nbformat.from_dict(notebook.notebook(Project(name), ""))
    environment = {key: value for key, value in os.environ.items() if key.startswith("KERAS_PORTFOLIO")}
    as_new = AS_NEW.format(environment=environment, folder=str(ROOT / "projects"), root=str(ROOT))
    content.cells.insert(0, nbformat.v4.new_code_cell(as_new))
    for cell in content.cells:
        cell.source = cell.source.replace("config = project.config_class()", "config = project.toy")
    assert "project.toy" in code_of(content)
    nbclient.NotebookClient(content, km=kernel, timeout=400).execute(cleanup_kc=False)
    nbformat.write(content, tmp_path / "executed.ipynb")
    outputs = [output for cell in content.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    drawn = [output for output in outputs if "image/png" in output.get("data", {})]
    assert drawn, "no figure was shown"
    assert content.cells[-1].outputs, "the answer was not shown"
    (run,) = (tmp_path / "runs" / name).glob("*/report.json")
    # In a notebook rich displays what it prints elsewhere.
    printed = "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    assert run.parent.name in printed and "independent units" in printed


def test_without_address_or_upload_the_first_cell_says_what_to_do(tmp_path):
    source = notebook.notebook(Project(PROJECTS[0]), "")["cells"][2]["source"]
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "project.zip" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("how", ["upload", "clone"])
def test_the_first_cell_gets_the_code(how, tmp_path):
    """From an uploaded zip, or by cloning; what it would install is printed instead."""
    copy = tmp_path / "made" / "repository"
    for folder in ("common", f"projects/{PROJECTS[0]}"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "projects" / "__init__.py", copy / "projects")
    (tmp_path / "colab").mkdir()
    address = ""
    if how == "upload":
        shutil.make_archive(str(tmp_path / "colab" / "project"), "zip", tmp_path / "made")
    else:
        address = copy.as_uri()
        git = ["git", "-C", str(copy), "-c", "user.name=someone", "-c", "user.email=someone@example.org"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
            subprocess.run([*git, *words], check=True)
    source = notebook.notebook(Project(PROJECTS[0]), address)["cells"][2]["source"]
    source = source.replace("import subprocess\n", INSTALLS_NOTHING, 1).replace("cli.start_keras()", "")
    source += "\nimport common\nprint(common.__file__, os.getcwd())"
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path / "colab", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    installed, where = done.stdout.splitlines()
    assert "pip install" in installed and all(str(tmp_path / "colab" / "project") in part for part in where.split())


INSTALLS_NOTHING = """import subprocess
really = subprocess.run
subprocess.run = lambda words, **k: print(" ".join(words)) if "pip" in words else really(words, **k)
"""


@dataclasses.dataclass
class Where:
    place: str = "here"


def test_show(capsys):
    pytest.importorskip("IPython")
    picture = np.zeros((4, 5, 3), np.uint8)
    for value in (pd.DataFrame({"a": [1]}), {"picture": picture, "score": 0.5}, ["one", "two"], Where(), np.zeros((2, 4, 5, 3), np.uint8)):  # fmt: skip
        notebook.show(value)
    notebook.show(np.arange(3.0))
    printed = capsys.readouterr().out
    assert "picture:" in printed and "two" in printed and "here" in printed and "float64 (3,)" in printed
