"""Draws docs/comic_text.page.jpg, a real page before and after: `python -m docs.comic_page --data-dir FOLDER`.

The page is page 3 of episode 11 of Pepper & Carrot, in English. The best run finds the lettering, removes it, and sets
the Korean words of docs/comic_text.page.csv, the table that `predict` has written, with translations filled in.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from common import runs
from common.cli import start_keras
from common.inputs.images import read_picture
from common.project import Project

FOLDER = Path(__file__).parent
PAGE = "pepper_carrot/page_en/E11P03.jpg"
SHARE = 0.75  # of its size
CREDIT = (
    "Pepper & Carrot, episode 11, page 3, by David Revoy, www.peppercarrot.com, CC BY 4.0. English translation: Alex "
    "Gryson. Korean translation: Jihoon Kim. Changed: on the right the English lettering is removed and the Korean "
    "words are set by comic_text; reduced to three quarters."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--run", default="best")
    parser.add_argument("--runs-dir", type=Path, default=runs.runs_dir())
    asked = parser.parse_args()
    start_keras()

    from projects.comic_text.predict import read_edited

    predictor = runs.find(Project("comic_text"), asked.run, asked.runs_dir).load()
    picture = read_picture(asked.data_dir / PAGE)
    (blocks,) = read_edited(FOLDER / "comic_text.page.csv").values()
    new = predictor.predict({"picture": picture, "blocks": blocks})["page"]
    both = Image.fromarray(np.concatenate([picture, np.full((len(picture), 16, 3), 255, np.uint8), new], axis=1))
    both = both.resize((round(SHARE * both.width), round(SHARE * both.height)), Image.Resampling.LANCZOS)
    exif = Image.Exif()
    exif[0x8298] = CREDIT  # Copyright
    file = FOLDER / "comic_text.page.jpg"
    both.save(file, quality=82, optimize=True, exif=exif)
    print(f"{file.name}: {file.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
