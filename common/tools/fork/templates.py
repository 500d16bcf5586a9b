"""The parts of a fork's documents that are the same for every project."""

NO_PACKAGES = """[tool.setuptools]
# `pip install -e .` installs the dependencies and no package. Python finds the code from this folder. So two
# repositories of this kind can share an environment, and neither runs the code of the other.
packages = []

"""

ADDOPTS = 'addopts = "-q --strict-markers -n 2"  # two processes; -n 0: one'

STREAMLIT_APP = '''"""The page as a host starts it: `streamlit run streamlit_app.py`, with the code beside this file."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parent / "apps" / "{name}.py"))
'''

WORKFLOW = """name: test
on: [push, pull_request]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.13"]
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: ${{ matrix.python }}
          cache: pip
          cache-dependency-path: pyproject.toml
      - run: python -m pip install -e ".[test]"
      - run: python -m pytest -m "not slow"
      - run: python -m ruff check . && python -m ruff format --check . && python -m mypy
"""

README = """# {title}

{first}

To install it, train, open the page and run the tests, with Python 3.11 to 3.13:

```
python -m venv .venv && source .venv/bin/activate      # Windows: python -m venv .venv, then .venv\\Scripts\\activate
python -m pip install -e . && python -m projects.{name}.train
python -m streamlit run apps/{name}.py{local}
python -m pip install -e ".[test]" && python -m pytest -m "not slow"
```

## {rest}

"""

DEPLOY_WITH_RUN = """## Deploy the page

This repository holds the run `{run}` ([model card](MODEL_CARD.md)) and `requirements.txt`. So the page has something to
show at once. On [Streamlit Community Cloud](https://share.streamlit.io):

1. Push to GitHub: `git remote add origin ADDRESS && git push -u origin main`.
2. Choose *Create app*, the repository and the branch `main`. The main file is `streamlit_app.py`. Under *Advanced
   settings* choose a Python from 3.11 to 3.13.
3. After a push, choose *Reboot app* in its menu. To show another run, train it here and commit it.

`.streamlit/config.toml` names no address, because visitors reach the page from outside the host. On your own machine
`--server.address localhost` keeps the page to yourself. `.gitignore` ignores all other runs.

"""

DEPLOY = """## Deploy the page

A page needs a run to show, and this repository does not hold one yet. Train one, commit it, and list the packages:

```
git add -f runs/{name}/RUN
echo "-e ." > requirements.txt && git add requirements.txt && git commit -m "A run to show"
```

Remove the line `address` in `.streamlit/config.toml`, because visitors reach the page from outside the host. Then push
to GitHub. On [Streamlit Community Cloud](https://share.streamlit.io) choose *Create app*, the repository, and the main
file `streamlit_app.py`.

"""

YOUR_OWN = """## Make it your own

- **Data**: `python -m projects.{name}.train --help` says what `--data` takes.
  [data/README.md](data/README.md) says where each data set comes from.
- **Knobs**: each is one commented line in [config.py](projects/{name}/config.py).
- **Model**: [model.py](projects/{name}/model.py), in plain Keras. [ARCHITECTURE.md](ARCHITECTURE.md) is one page on how
  the parts fit together.
- **Words**: title, problem and limits are in [the card](projects/{name}/__init__.py). The figures in this README belong
  to the run that it describes. Replace them by those of your run, with the command that printed them.
- **Licence**: keep the notice in [LICENSE](LICENSE) and add a line with your name.

"""

ORIGIN = """## Where it comes from

Forked from the project `{name}` of keras-portfolio (MIT). There `python -m projects fork --help` says what `--with`
adds to a fork, such as `training`, the page's tab Train.
"""

ARCHITECTURE = """# Architecture

```
apps/            {pages}
  │              the page: python -m streamlit run apps/{name}.py
  │              It reads the run folder.
  ▼
projects/{name}/
  │              {order}
  │              a training: python -m projects.{name}.train
  │              It writes the run folder, runs/{name}/<id>/.
  ▼
{shared}
  │
  ▼
keras (on TensorFlow), scikit-learn, pandas
```

A folder imports only from the folders below it. In the project's line a file imports only files to its left. Streamlit
is imported in `apps/` alone. The page and a training share nothing but the run folder.

## The files

| file | what it holds |
| --- | --- |
{rows}

## Five names

Commands, page and tests use the project by five names. `common/project.py` finds them.

| name | file | what |
| --- | --- | --- |
| `METRIC` | `__init__.py` | `(name, "max" or "min")`: what validation chooses by; or a pair for each data set |
| `Config` | `config.py` | a frozen dataclass: every knob with default, help text and bounds; `TOY`, the smallest |
| `train(config, run, callbacks=())` | `train.py` | loads, builds, fits, chooses by validation, saves into the run |
| `evaluate(run, data=None)` | `evaluate.py` | scores model and baselines alike; it alone opens the test split |
| `Predictor(networks, meta)` | `predict.py` | `encode`, `decode`, `predict(raw)`, `stream(raw)`, `examples` |

## The run folder

| file | written | holds |
| --- | --- | --- |
| `run.json`, `config.json` | at the start | what was asked: data and data folder; every knob |
| `history.csv`, `log.txt` | after every epoch | the curve; the lines of the terminal |
| `checkpoint/` | after every epoch | where a killed training continues; removed when the run is finished |
| `<network>.keras`, `meta.json` | after training | plain Keras models; what encoding needs, as JSON |
| `figures/*.png`, `*.csv`, `MODEL_CARD.md` | after evaluation | pictures, and the tables that the page draws from |
| `report.json` | last, by one rename | every figure; a run is finished when this file exists |

`runs/{name}/looks.csv` counts how often the test split has been opened, over all runs.
"""
