"""How long a visitor of the laboratory waits after changing a number, in a real browser; medians.

    python -m benchmarks.laboratory [--repeats 5]

For each lesson: from the change of its first number or text until its script has run to the end. Beside it: the same on
a bare Streamlit page with one number, which it writes into the address as the laboratory does. The limit is 0.3 s.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.browser import ROOT, browser, served, settle

BARE = """
import streamlit as st
st.title("Bare")
st.query_params["number"] = str(st.number_input("Number", value=1))
"""


def seconds_of_a_change(page) -> float:
    """Seconds until the page stands again. The address tells that its script has seen the change.

    A number becomes larger by 1 and at the next call smaller again, a text gets a space and loses it.
    """
    before = page.url
    field = page.locator('[data-testid="stTextInput"] input, [data-testid="stNumberInput"] input').first
    text = field.input_value()
    if field.get_attribute("type") == "number":
        first = field.get_attribute("data-first") or text
        field.evaluate("(field, text) => field.setAttribute('data-first', text)", first)
        changed = first if text != first else str(float(text) + 1).removesuffix(".0")
    else:
        changed = text.strip() if text.endswith(" ") else f"{text} "
    begin = time.perf_counter()
    field.fill(changed)
    field.press("Enter")
    page.wait_for_url(lambda url: url != before)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    def median(address: str) -> float:
        page = chromium.new_page()
        page.goto(address)
        settle(page)
        times = [seconds_of_a_change(page) for _ in range(options.repeats + 1)]
        page.close()
        return float(np.median(times[1:]))  # without the first, which is not warm

    with browser() as chromium, tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        with served(bare, Path(folder)) as address:
            plain = median(address)
        print("| a changed number in | seconds | on a bare page |\n|---|---:|---:|")
        with served("apps/laboratory.py", Path(folder)) as address:
            for file in sorted((ROOT / "apps" / "lessons").glob("l[0-9][0-9]_*.py")):
                name = file.stem.partition("_")[2]
                # Without this choice, lesson 3 has no field to type into.
                choice = "&tensors.kind=own" if name == "tensors" else ""
                print(f"| {name} | {median(f'{address}/?lesson={name}{choice}'):.2f} | {plain:.2f} |", flush=True)


if __name__ == "__main__":
    main()
