"""Takes the pictures of the READMEs and the gallery from the pages themselves: `python -m docs.pictures`.

docs/<name>.card.png: what the room "Try it" of each project shows first, in one size for all, for the gallery
docs/gallery.png, docs/gallery.ko.png: the gallery with these cards
"""

import argparse
import io
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

from common import runs
from common.project import project_names
from tests.browser import browser, served, settle

FOLDER = Path(__file__).parent
SIZE = (720, 405)  # of a card's picture: 16 : 9
# What a page draws, by how much it tells: the largest of the first kind that is there.
KINDS = ("stImage", "stVegaLiteChart", "stPlotlyChart", "stCode", "stDataFrame")


def card(page) -> Image.Image:
    """The largest pictures in the open room, cut to SIZE; else the largest chart or text with what is around it."""
    for kind in KINDS:
        parts = [part.bounding_box() for part in page.get_by_test_id(kind).all() if part.is_visible()]
        if parts:
            break
    else:
        kind, parts = "page", [page.get_by_test_id("stMainBlockContainer").bounding_box()]
    box = max(parts, key=lambda box: box["width"] * box["height"])
    width, height = SIZE
    if kind == "stImage":  # photographs fill the card: the last two of a row (before, after), or one alone
        row = sorted((part for part in parts if abs(part["y"] - box["y"]) < 5), key=lambda part: part["x"])[-2:]
        side = min(part["width"] for part in row)
        box.update(x=row[0]["x"], width=row[-1]["x"] + row[-1]["width"] - row[0]["x"], height=min(side, box["height"]))
    else:
        room = page.get_by_test_id("stMain").bounding_box()
        box.update(x=room["x"] + 60, y=max(0, box["y"] - 130), width=room["width"] - 120)
        box["height"] = box["width"] * height / width
    box["y"] = max(0, min(box["y"], page.viewport_size["height"] - box["height"]))  # beyond it there is no picture
    shot = ImageOps.fit(Image.open(io.BytesIO(page.screenshot(clip=box))).convert("RGB"), SIZE)
    # White becomes the theme's second background, so that a chart has an edge on a white card.
    return shot if kind == "stImage" else ImageChops.multiply(shot, Image.new("RGB", SIZE, "#F2F5F8"))


def save(picture: Image.Image, name: str, method: Image.Quantize) -> None:
    """A PNG of 256 colours: by MEDIANCUT a photograph keeps its shades, by MAXCOVERAGE a page its few bright spots."""
    path = FOLDER / name
    picture.quantize(256, method).save(path, optimize=True)
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

        for name in project_names():
            save(card(opened(name, 1800)), f"{name}.card.png", Image.Quantize.MEDIANCUT)
        for suffix, language in (("", "en"), (".ko", "ko")):
            shot = opened(f"?language={language}", 900).screenshot()
            picture = Image.open(io.BytesIO(shot)).convert("RGB").resize((1280, 900), Image.Resampling.LANCZOS)
            save(picture, f"gallery{suffix}.png", Image.Quantize.MAXCOVERAGE)


if __name__ == "__main__":
    main()
