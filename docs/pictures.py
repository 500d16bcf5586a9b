"""Takes the pictures of the READMEs from the gallery itself: `python -m docs.pictures`, after `python -m docs.cards`.

docs/gallery.png, docs/gallery.ko.png: the gallery with the pictures that `docs.cards` has drawn
"""

import argparse
import io
from pathlib import Path

from PIL import Image

from common import runs
from tests.browser import browser, served, settle

FOLDER = Path(__file__).parent


def save(picture: Image.Image, name: str) -> None:
    """A PNG of 256 colours, with the few bright spots of a page."""
    path = FOLDER / name
    picture.quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1024} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs-dir", type=Path, default=runs.runs_dir())
    runs_dir = parser.parse_args().runs_dir.resolve()
    with browser() as chromium, served("apps/main.py", runs_dir) as address:

        def opened(path: str, height: int):
            page = chromium.new_page(viewport={"width": 1280, "height": height}, device_scale_factor=2)
            page.goto(f"{address}/{path}")
            settle(page)
            page.wait_for_timeout(1500)  # charts draw themselves after their script
            return page

        for suffix, language in (("", "en"), (".ko", "ko")):
            shot = opened(f"?language={language}", 900).screenshot()
            picture = Image.open(io.BytesIO(shot)).convert("RGB").resize((1280, 900), Image.Resampling.LANCZOS)
            save(picture, f"gallery{suffix}.png")


if __name__ == "__main__":
    main()
