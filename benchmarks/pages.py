"""How long a visitor waits, in a real browser, beside a bare Streamlit page of one title; medians.

    python -m benchmarks.pages [--repeats 3] [--runs-dir runs]

- first paint: a server that nobody has visited yet, a browser with an empty cache, until the title stands there
- the same with 200 more runs of each project that has one
- the first paint of the laboratory
- second visit: from the gallery back to a page that has been open before, until its script has run to the end
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import runs
from common.files import write_json
from common.project import Project, project_names
from tests.browser import browser, served, settle

BARE = "import streamlit as st\nst.set_page_config(layout='wide')\nst.title('Bare')\nst.button('again')\n"


def first_paint(chromium, script: Path | str, runs_dir: Path) -> float:
    """Seconds from the request to the title."""
    with served(script, runs_dir) as address:
        page = chromium.new_context().new_page()
        begin = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.locator("h1").first.wait_for()
        seconds = time.perf_counter() - begin
        page.context.close()
        return seconds


def many(runs_dir: Path, folder: Path, count: int = 200) -> Path:
    """The runs, and `count` copies of what lists read of the best one of each project."""
    for name in project_names():
        if not (runs_dir / name).is_dir():
            continue
        shutil.copytree(runs_dir / name, folder / name)
        best = runs.find(Project(name), "best", runs_dir)
        for number in range(count):
            copy = folder / name / f"copy-{number}"
            copy.mkdir()
            for file in ("config.json", "report.json"):
                shutil.copy(best.path / file, copy / file)
            # older than the best run, which so stays the one that is shown
            write_json(copy / "run.json", best.request | {"created": "2020-01-01T00:00:00+0000"})
    return folder


def clicked(page, act: Callable[[], None], seen: Callable[[], None]) -> float:
    """Seconds from a click until what it asks for is seen and the script has ended."""
    begin = time.perf_counter()
    act()
    seen()
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    return time.perf_counter() - begin


def second_visits(page, name: str, repeats: int) -> float:
    title, links = Project(name).card.TITLE["en"], page.get_by_test_id("stSidebarNav").get_by_role("link")
    times = []
    for _ in range(repeats + 1):  # the first visit loads TensorFlow and the model
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=title).click()
        page.locator("h1", has_text=title).wait_for()
        settle(page)
        links.first.click()
        page.locator("h1", has_text="Keras portfolio").wait_for()
        settle(page)
        link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=title)
        times.append(clicked(page, link.click, page.locator("h1", has_text=title).wait_for))
        links.first.click()
        settle(page)
    return float(np.median(times[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--runs-dir", type=Path, default=runs.runs_dir())
    options = parser.parse_args()
    runs_dir = options.runs_dir.resolve()
    print("| what | ours | bare page |\n|---|---:|---:|")
    with browser() as chromium, tempfile.TemporaryDirectory() as folder:
        bare, crowd = Path(folder) / "bare.py", many(runs_dir, Path(folder) / "runs")
        bare.write_text(BARE)

        def paint(script: Path | str, where: Path) -> float:
            return float(np.median([first_paint(chromium, script, where) for _ in range(options.repeats)]))

        plain = paint(bare, runs_dir)
        print(f"| first paint of the gallery | {paint('apps/main.py', runs_dir):.2f} s | {plain:.2f} s |", flush=True)
        print(
            f"| first paint of the laboratory | {paint('apps/laboratory.py', runs_dir):.2f} s | {plain:.2f} s |",
            flush=True,
        )
        print(f"| with 200 more runs a project | {paint('apps/main.py', crowd):.2f} s | {plain:.2f} s |", flush=True)
        with served(bare, runs_dir) as address:
            page = chromium.new_page()
            page.goto(address)
            settle(page)
            button = page.get_by_role("button", name="again")
            again = [clicked(page, button.click, page.locator("h1").wait_for) for _ in range(options.repeats + 1)]
            plain = float(np.median(again[1:]))
        for where, note in ((runs_dir, ""), (crowd, ", 200 more runs")):
            with served("apps/main.py", where) as address:
                page = chromium.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(120_000)
                page.goto(address)
                settle(page)
                for name in project_names():
                    ours = second_visits(page, name, options.repeats)
                    print(f"| second visit to {name}{note} | {ours:.2f} s | a click: {plain:.2f} s |", flush=True)


if __name__ == "__main__":
    main()
