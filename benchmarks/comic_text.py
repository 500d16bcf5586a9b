"""How long a finished run takes for a page of 1,500 × 2,100 pixels, what a strip of 20,000 × 300 needs, and Tesseract.

    python -m benchmarks.comic_text --run best [--lines 200]
    python -m benchmarks.comic_text --run best --figure docs/comic_text.page.jpg --data-dir FOLDER

- page: a generated page of the test with all its lines read, removed and lettered again with other words, in seconds
- strip: ten such pages below each other, 300 pixels wide and 20,000 high, and the most memory that the process had
- folder: the most memory of the process after 5 pages of a folder were lettered again, and after 50
- reader: lines of the generated test cut out by their true boxes, a second; and their character error rate
- tesseract: the same for Tesseract (Debian's tesseract-ocr and tesseract-ocr-kor), a process each line, where it is
  installed
- figure: nothing is timed; the real page FIGURE before and after. WORDS is its table of lines as `predict` has written
  it, with the words of the same page in Korean filled in.
"""

import argparse
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import median_seconds
from common import runs
from common.cli import start_keras
from common.inputs.images import read_picture, write_picture
from common.project import Project

PAGE, STRIP = (2100, 1500), (20_000, 300)  # height and width in pixels
GOAL_SECONDS = 10.0
FIGURE = "pepper_carrot/page_en/E11P03.jpg"
WORDS = Path(__file__).parents[1] / "docs" / "comic_text.page.csv"
CREDIT = (
    "Pepper & Carrot, episode 11, page 3, by David Revoy, www.peppercarrot.com, CC BY 4.0. English translation: Alex "
    "Gryson; Korean: Jihoon Kim. Changed: on the right the English lettering is removed and Korean words are set by "
    "comic_text; both are reduced to three quarters of their size."
)
TESSERACT = {"latin": "eng", "hangul": "kor"}


def by_tesseract(crops: list[np.ndarray], language: str) -> list[str]:
    """What Tesseract reads in lines (h, w, 3) uint8, three times enlarged as its manual advises for small letters."""
    from PIL import Image

    texts = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "line.png"
        for crop in crops:
            image = Image.fromarray(crop)
            write_picture(np.asarray(image.resize((3 * image.width, 3 * image.height), Image.Resampling.BICUBIC)), file)
            command = ["tesseract", str(file), "-", "--psm", "7", "-l", language]
            texts.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return texts


def draw_figure(predictor, file: Path, data_dir: Path) -> None:
    """Write FIGURE before and after, side by side, as JPEG with its credit."""
    from PIL import Image

    from projects.comic_text.predict import read_edited

    picture = read_picture(data_dir / FIGURE)
    (blocks,) = read_edited(WORDS).values()
    new = predictor.predict({"picture": picture, "blocks": blocks})["page"]
    both = Image.fromarray(np.concatenate([picture, np.full((len(picture), 16, 3), 255, np.uint8), new], axis=1))
    both = both.resize((both.width * 3 // 4, both.height * 3 // 4), Image.Resampling.LANCZOS)
    exif = Image.Exif()
    exif[0x8298] = CREDIT  # Copyright
    both.save(file, quality=82, optimize=True, exif=exif)
    print(f"{file}: {file.stat().st_size // 1024} kB")


def most_megabytes() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def letter_many(predictor, count: int) -> None:
    """Letter a folder of so many generated pages again."""
    from projects.comic_text import pages
    from projects.comic_text.predict import letter_folder

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pages"
        folder.mkdir()
        for seed in range(count):
            write_picture(pages.render(seed, "test").picture, folder / f"{seed}.png")
        letter_folder(predictor, folder, Path(place) / "new.zip", lambda text: "new words")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="best")
    parser.add_argument("--runs-dir", type=Path, default=runs.runs_dir())
    parser.add_argument("--lines", type=int, default=200, help="of each script, for the readers")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    asked = parser.parse_args()
    start_keras()

    from projects.comic_text import pages
    from projects.comic_text.evaluate import true_crop
    from projects.comic_text.lettering import is_hangul
    from projects.comic_text.metrics import figures, reading_counts
    from projects.comic_text.predict import letter_again

    predictor = runs.find(Project("comic_text"), asked.run, asked.runs_dir).load()
    if asked.figure:
        draw_figure(predictor, asked.figure, asked.data_dir)
        return
    page = pages.render(0, "test", shape=PAGE)
    found = letter_again(predictor, page.picture, lambda text: "new words", "left", None)[1]["blocks"]
    seconds = median_seconds(lambda: letter_again(predictor, page.picture, lambda text: "new words", "left", None))
    goal = "reached" if seconds <= GOAL_SECONDS else "missed"
    print(f"page: {len(page.lines)} lines, {len(found)} blocks; {seconds:.1f} s (goal {GOAL_SECONDS:.0f} s: {goal})")

    for count in (5, 50):
        letter_many(predictor, count)
        print(f"folder: {count} pages lettered; the process had {most_megabytes():,.0f} MB at most")

    before = most_megabytes()
    parts = [pages.render(seed, "test", shape=(STRIP[0] // 10, STRIP[1])).picture for seed in range(10)]
    start = time.perf_counter()
    strip = predictor.predict({"picture": np.concatenate(parts)})
    spent, most = time.perf_counter() - start, most_megabytes()
    count = len(strip["blocks"])
    print(f"strip: {count} blocks in {spent:.1f} s; the process had {before:,.0f} MB, then {most:,.0f} MB at most")

    samples = [pages.render(seed, "test") for seed in range(100, 160)]
    every = [(true_crop(sample.picture, line), line.text) for sample in samples for line in sample.lines]
    for script, language in TESSERACT.items():
        lines = [pair for pair in every if any(map(is_hangul, pair[1])) == (script == "hangul")][: asked.lines]
        crops, truth = [crop for crop, _ in lines], [text for _, text in lines]
        readers = {"reader": lambda crops: [text for text, _ in predictor.read(crops)]}
        if shutil.which("tesseract"):
            readers["tesseract"] = lambda crops, language=language: by_tesseract(crops, language)
        else:
            print("tesseract: not installed (apt install tesseract-ocr tesseract-ocr-kor); left out")
        for name, read in readers.items():
            read(crops[:16])  # compiles
            start = time.perf_counter()
            texts = read(crops)
            rate = len(crops) / (time.perf_counter() - start)
            cer = figures([reading_counts(texts, truth)])(np.ones(1))["cer"]
            print(f"{name}, {script}: {len(crops)} lines, {rate:.1f} a second, character error rate {cer:.3f}")


if __name__ == "__main__":
    main()
