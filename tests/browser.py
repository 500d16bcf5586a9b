"""A page in a real browser: serve it with Streamlit, open it in a headless Chromium. For tests, pictures and benchmarks."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def executable() -> str | None:
    """An installed Chromium, else the one that `python -m playwright install chromium` brought, else None."""
    if installed := next(filter(None, map(shutil.which, NAMES)), None):
        return installed
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@contextmanager
def served(script: str | Path, runs_dir: Path, root: Path = ROOT) -> Iterator[str]:
    """The address of a page such as `apps/main.py`. Streamlit serves it, with these runs, while the block runs."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless", "true"]
    process = subprocess.Popen(
        [*command, "--server.port", str(port), "--server.address", "localhost"],
        cwd=root,
        env=os.environ | {"KERAS_PORTFOLIO_RUNS": str(runs_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://localhost:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"Streamlit ended with status {process.returncode}.") from None
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium, as Playwright's Browser."""
    from playwright.sync_api import sync_playwright

    path = executable()
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work in a container. It opens pages of this machine only, so it needs none.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield chromium
        finally:
            chromium.close()


def settle(page: Any) -> None:
    """Wait until the page's script has ended, its parts are there and its pictures are loaded."""
    page.wait_for_selector('[data-testid="stMain"] h1', timeout=120_000)  # before its first run it is also "notRunning"
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=120_000)
    # A field stands as a skeleton until the browser has loaded the code of its kind.
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')", timeout=120_000)
    page.wait_for_function("[...document.images].every(image => image.complete)")
