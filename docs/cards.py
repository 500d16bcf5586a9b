"""Draws the gallery's picture of each project from what its best run answers: `python -m docs.cards`.

docs/<name>.card.png for a light page, docs/<name>.card.dark.png for a dark one. No picture holds a word that would need
to be translated. A project without a finished run, and one without a drawing here, keeps the pictures that it has.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image, ImageDraw, ImageOps

from common import report, runs
from common.cli import start_keras
from common.errors import UserError
from common.project import Project, project_names
from common.report import COLOURS
from common.runs import Run

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 720, 405  # pixels: 16 : 9
GROUNDS = {"": ("#F2F5F8", "#0B131B"), ".dark": ("#1C2630", "#E6EDF3")}  # background and text, as in the theme
GREY = "#8794A3"
BLUE, ORANGE, RED = COLOURS[0], COLOURS[1], COLOURS[5]
SKY = "#56B4E9"


def canvas(ground: str) -> tuple[Any, Axes]:
    """A figure of the card's size with one axis that fills it, 0 … 16 by 0 … 9, in the suite's fonts."""
    figure, axis = report.new_figure(width=WIDTH / 100, height=HEIGHT / 100)
    figure.set_layout_engine("none")
    figure.set_facecolor(ground)
    figure.set_dpi(200)
    axis.set_position((0, 0, 1, 1))
    axis.set_facecolor(ground)
    axis.set(xlim=(0, 16), ylim=(0, 9))
    axis.axis("off")
    return figure, axis


def adding_problem(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """The numbers of a sequence, the two marked ones, and what the network would answer at each place."""
    predictor = run.load()
    raw = max(predictor.examples, key=lambda raw: raw["numbers"][raw["first"] - 1] * raw["numbers"][raw["second"] - 1])
    estimates, _ = predictor.on_the_way(raw)
    x = np.linspace(0.6, 15.4, len(raw["numbers"]))
    marked = [raw["first"] - 1, raw["second"] - 1]
    numbers = np.asarray(raw["numbers"])
    axis.bar(x, 3.7 * numbers, width=0.045, bottom=0.7, color=GREY, alpha=0.45)
    axis.bar(x[marked], 3.7 * numbers[marked], width=0.22, bottom=0.7, color=ORANGE)
    axis.scatter(x[marked], 0.7 + 3.7 * numbers[marked], s=90, color=ORANGE, zorder=3)
    axis.plot(x, 0.7 + 3.7 * np.clip(estimates, 0, 2), color=BLUE if ink == GROUNDS[""][1] else SKY, linewidth=3)


def bankruptcy(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """The share price of a firm that fails, and the risk beneath it as it was known on each day."""
    predictor = run.load()
    raw = max(predictor.examples, key=lambda raw: np.ptp(np.log(raw["price"])))
    ends, logits = predictor.over_time(raw, 120)
    risks = np.array([predictor.decode(row)["risk"] for row in logits])
    begin, days = int(ends[0]), len(raw["price"])
    price = np.log(raw["price"])
    x = 0.4 + 15.2 * np.arange(days) / (days - 1)
    axis.plot(
        x, 4.1 + 4.3 * (price - price.min()) / np.ptp(price), color=BLUE if ink == GROUNDS[""][1] else SKY, linewidth=3
    )
    places, heights = x[ends - 1], 0.5 + 3.2 * risks
    axis.fill_between(places, 0.5, heights, color=RED, alpha=0.35, linewidth=0)
    axis.plot(places, heights, color=RED, linewidth=3)
    axis.plot([x[begin - 1], x[-1]], [0.5 + 3.2 * predictor.meta["threshold"]] * 2, color=ink, linestyle=(0, (5, 4)))
    axis.plot([x[0], x[-1]], [0.5, 0.5], color=GREY, linewidth=1)


def char_rnn(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """The characters that the network thinks likely next, at each step of a text; the one that comes is joined."""
    predictor, text = run.load(), "the expression"
    symbols = predictor.decode_symbols(predictor.encode(text))
    probabilities = predictor.inside(text)["probabilities"]
    places = []
    for step in range(1, min(12, len(symbols))):
        row, known = probabilities[step], predictor.vocabulary.symbols
        order = np.argsort(-row)[:6]
        target = known.index(symbols[step])
        order = order if target in order else np.append(order[:5], target)
        x = 0.9 + 1.3 * (step - 1)
        for rank, symbol in enumerate(order):
            y, hit = 7.9 - 1.35 * rank, symbol == target
            size = 150 + 900 * np.sqrt(row[symbol])
            axis.scatter(
                x, y, s=size, color=ORANGE if hit else BLUE, alpha=1 if hit else 0.25 + 0.6 * row[symbol], zorder=2
            )
            character = known[symbol].replace(" ", "␣").replace("\n", "↵")
            axis.text(
                x,
                y,
                character,
                ha="center",
                va="center_baseline",
                fontsize=17,
                color="#111111" if hit else ink,
                zorder=3,
            )
            if hit:
                places.append((x, y))
    axis.plot(*zip(*places, strict=True), color=ORANGE, linewidth=2.5, zorder=1)


def comic_text(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """A comic with its lettering in red, and the same comic lettered again. The balloons hold signs of no language."""
    predictor, picture = run.load(), comic(ground, ink)
    found = predictor.predict({"picture": picture})
    marked = picture.copy()
    marked[found["mask"] > 0] = (230, 30, 60)
    blocks = [{"box": block["box"], "translation": _new_words(block["box"])} for block in found["blocks"]]
    lettered = predictor.predict({"picture": picture, "blocks": blocks})["page"]
    for left, shown in ((0.3, marked), (8.15, lettered)):
        axis.imshow(shown, extent=(left, left + 7.55, 0.35, 8.65), aspect="auto")
    axis.set(xlim=(0, 16), ylim=(0, 9))


# A comic of 480 × 528 pixels. Of each panel: its box, a photograph, the box of the balloon, what it says and shall say.
COMIC = (
    ((0, 0, 480, 258), "rocket", (24, 24, 262, 118), "3,2,1!", "III, II, I!"),
    ((0, 270, 234, 528), "chelsea", (112, 280, 224, 352), "?!", "♪ ♪"),
    ((246, 270, 480, 528), "flower", (300, 284, 438, 364), "9:00", "IX"),
)


def comic(ground: str, ink: str) -> np.ndarray:
    """The page of COMIC (h, w, 3) uint8 in few colours; gutters and balloons have the colour of the ground."""
    from common.inputs.images import packaged_photograph, read_picture
    from projects.comic_text.lettering import faces, font

    page = Image.new("RGB", (480, 528), ground)
    pen = ImageDraw.Draw(page)
    for panel, name, balloon, words, _ in COMIC:
        photograph = Image.fromarray(read_picture(packaged_photograph(name)))
        size = (panel[2] - panel[0], panel[3] - panel[1])
        art = ImageOps.fit(photograph, size, Image.Resampling.LANCZOS)
        page.paste(art.quantize(24).convert("RGB"), panel[:2])
        pen.rectangle(panel, outline=ink, width=3)
        x, y = (balloon[0] + balloon[2]) / 2, (balloon[1] + balloon[3]) / 2
        pen.polygon([(x - 16, y), (x + 16, y), (x + 24, balloon[3] + 26)], ground, ink, 3)
        pen.ellipse(balloon, ground, ink, 3)
        pen.polygon([(x - 13, y), (x + 13, y), (x + 22, balloon[3] + 20)], ground)
        pen.text((x, y), words, ink, font(faces("train")[0].latin, 34), anchor="mm")
    return np.asarray(page)


def _new_words(box: list[int]) -> str | None:
    """What the balloon around a found block shall say; None for lettering that is in no balloon."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    inside = (new for *_, (left, top, right, bottom), _, new in COMIC if left < x < right and top < y < bottom)
    return next(inside, None)


def fraud_detection(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """Test transactions over time by their score: frauds in red, and the threshold."""
    rows = pd.read_csv(run.path / "scores.csv")
    threshold = run.load().meta["threshold"]
    normal, fraud = (rows[rows["target"] == kind] for kind in (0, 1))
    normal = normal.sample(min(4000, len(normal)), random_state=0)
    low, high = np.quantile(rows["score"], [0.001, 0.9995])
    start, end = rows["time"].min(), rows["time"].max()

    def place(part: pd.DataFrame) -> tuple[Any, Any]:
        return 0.5 + 15 * (part["time"] - start) / (end - start), 0.6 + 7.8 * (part["score"].clip(low, high) - low) / (
            high - low
        )

    axis.scatter(*place(normal), s=7, color=BLUE if ink == GROUNDS[""][1] else SKY, alpha=0.45, linewidths=0)
    axis.scatter(*place(fraud), s=34, color=RED, alpha=0.85, linewidths=0)
    axis.axhline(0.6 + 7.8 * (threshold - low) / (high - low), color=ink, linestyle=(0, (5, 4)), linewidth=1.6)


def image_captioning(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """A scene, and beside it where the network looked before each of six words."""
    from projects.image_captioning import scenes

    groups = (scenes.Group(1, "large", "red", "7", "left"), scenes.Group(2, "large", "blue", "square", "right"))
    picture = scenes.drawn(groups, np.random.default_rng(22), "test")
    answer = run.load().predict({"picture": picture})
    axis.imshow(picture, extent=(0.5, 8.5, 0.5, 8.5), aspect="auto", interpolation="nearest")
    words = [i for i, word in enumerate(answer["words"]) if word not in ("a", "to", "the", "of", "<eos>")][:6]
    for place, word in enumerate(words):
        left, top = 9.1 + 3.35 * (place % 2), 8.5 - 2.75 * (place // 2)
        extent = (left, left + 3.05, top - 2.45, top)
        weights = np.reshape(answer["attention"][word], (8, 8))
        axis.imshow(picture, extent=extent, aspect="auto", interpolation="nearest")
        dark = 0.8 * (1 - np.sqrt(weights / weights.max()))
        axis.imshow(np.zeros((8, 8)), extent=extent, aspect="auto", cmap="gray", alpha=dark, interpolation="bicubic")
    axis.set(xlim=(0, 16), ylim=(0, 9))


def image_classification(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """Pictures above, and below them what the network looked at."""
    from common.layers import explain

    predictor = run.load()
    chosen = predictor.examples[2:6] if len(predictor.examples) > 5 else predictor.examples[:4]
    for number, raw in enumerate(chosen):
        answer = predictor.predict(raw)
        x = predictor.encode(raw)[0]
        picture = np.repeat(x, 3 // x.shape[-1], axis=-1).astype(np.uint8)
        method = explain.methods_for(predictor.networks["model"])[0]
        heat = explain.overlaid(picture, predictor.heat_map(raw, answer["label"], method))
        left = 0.35 + 3.9 * number
        axis.imshow(picture, extent=(left, left + 3.6, 4.65, 8.65), aspect="auto", interpolation="nearest")
        axis.imshow(heat, extent=(left, left + 3.6, 0.35, 4.35), aspect="auto", interpolation="nearest")
    axis.set(xlim=(0, 16), ylim=(0, 9))


def mask_detection(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """Two pictures with the boxes that the network has drawn. The faces are made coarse: nobody can be recognised."""
    from projects.mask_detection.predict import drawn

    predictor = run.load()
    for number, raw in enumerate(predictor.examples[:2]):
        answer, picture = predictor.predict(raw), raw["picture"]
        coarse = Image.fromarray(picture).resize([max(1, side // 8) for side in picture.shape[1::-1]])
        coarse = np.asarray(coarse.resize(picture.shape[1::-1], Image.Resampling.NEAREST))
        times = max(1, 480 // max(picture.shape[:2]))
        coarse = coarse.repeat(times, axis=0).repeat(times, axis=1)
        objects = [{**one, "box": [side * times for side in one["box"]]} for one in answer["objects"]]
        left = 0.35 + 7.8 * number
        shown = drawn(coarse, {"objects": objects}, predictor.classes)
        axis.imshow(shown, extent=(left, left + 7.5, 0.75, 8.25), aspect="auto")
    axis.set(xlim=(0, 16), ylim=(0, 9))


def sequence_tagging(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """A small program: each name on the colour of its tag."""
    text = (
        "import math\n\nclass Circle(Shape):\n    sides = 0\n\n    def area(self, scale=1):\n"
        "        total = math.pi * self.r ** 2\n        return round(total * scale)"
    )
    rows = [row for row in run.load().predict({"text": text})["tokens"] if row["tag"] != "_"]
    tags = list(dict.fromkeys(row["tag"] for row in rows))
    lines = text.splitlines()
    width, height = 14.8 / max(map(len, lines)), 8.2 / len(lines)
    for row in rows:
        line = text[: row["start"]].count("\n")
        x = 0.6 + width * (row["start"] - text.rfind("\n", 0, row["start"]) - 1)
        colour = matplotlib.colormaps["tab20"](tags.index(row["tag"]))
        y = 8.6 - height * (line + 1) + 0.12 * height
        axis.add_patch(_box(x - 0.04, y, width * len(row["token"]) + 0.08, 0.76 * height, colour, 0.55))
    for line, content in enumerate(lines):
        for place, character in enumerate(content):
            x, y = 0.6 + width * (place + 0.5), 8.6 - height * (line + 0.5)
            axis.text(x, y, character, ha="center", va="center_baseline", fontsize=21, color=ink)


def text_classification(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """Texts, the pieces that spoke for the answer, and how sure the network is."""
    predictor = run.load()
    texts = ["좋은 아침입니다", "Guten Morgen", "Bonjour à tous", "Καλημέρα σας", "Доброе утро", "Günaydın"]
    for number, text in enumerate(texts):
        answer, y = predictor.predict(text), 8.1 - 1.38 * number
        strongest = max((abs(piece["effect"]) for piece in answer["carried_by"]), default=1.0) or 1.0
        colours = [(ground, 0.0)] * len(text)
        for piece in answer["carried_by"]:
            shade = min(1.0, abs(piece["effect"]) / strongest)
            for at in range(piece["start"], piece["end"]):
                colours[at] = (ORANGE if piece["effect"] > 0 else BLUE, 0.25 + 0.6 * shade)
        for at, character in enumerate(text):
            x = 0.8 + 0.56 * at
            axis.add_patch(_box(x - 0.28, y - 0.5, 0.56, 1.0, *colours[at]))
            axis.text(x, y, character, ha="center", va="center_baseline", fontsize=20, color=ink)
        axis.add_patch(_box(10.2, y - 0.28, 5.0, 0.56, GREY, 0.3))
        axis.add_patch(
            _box(10.2, y - 0.28, 5.0 * answer["probability"], 0.56, BLUE if ink == GROUNDS[""][1] else SKY, 1.0)
        )


def translation(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """A date in words, its translation, and where the network looked while it wrote."""
    answer = run.load().predict({"text": "2025년 3월 4일 화요일"})
    weights = np.asarray(answer["attention"])
    source, target = answer["source"][: weights.shape[1]], answer["target"][: weights.shape[0]]
    source, target = source[:-1], target[:-1]  # without <eos>
    weights = weights[: len(target), : len(source)]
    shade = LinearSegmentedColormap.from_list("shade", [ground, BLUE if ink == GROUNDS[""][1] else SKY])
    left, top = 2.1, 7.7
    axis.imshow(np.sqrt(weights), extent=(left, 15.6, 0.4, top), aspect="auto", cmap=shade, vmin=0, vmax=1)
    for j, piece in enumerate(source):
        x = left + (15.6 - left) * (j + 0.5) / len(source)
        axis.text(
            x, 8.3, piece.replace("▁", " ").replace("␣", " "), ha="center", va="center_baseline", fontsize=19, color=ink
        )
    for i, piece in enumerate(target):
        y = top - (top - 0.4) * (i + 0.5) / len(target)
        axis.text(1.3, y, piece, ha="center", va="center_baseline", fontsize=19, color=ORANGE, weight="bold")
    axis.set(xlim=(0, 16), ylim=(0, 9))


def video_labelling(run: Run, axis: Axes, ground: str, ink: str) -> None:
    """Frames of a film, and below them its true labels and the answer as coloured bands."""
    from projects.video_labelling.encoding import segments

    predictor = run.load()
    example = predictor.meta["examples"][0]
    film = predictor.examples[0]["film"]
    answer = predictor.predict(predictor.examples[0])
    numbers = [predictor.meta["labels"].index(label) for label in answer["labels"]]
    for place, frame in enumerate(np.linspace(0, len(film) - 1, 8).astype(int)):
        left, top = 0.5 + 3.8 * (place % 4), 8.6 - 3.2 * (place // 4)
        axis.imshow(film[frame], extent=(left, left + 3.6, top - 3.0, top), aspect="auto", interpolation="bilinear")
    for labels, height in ((example["labels"], 1.25), (numbers, 0.45)):
        for label, begin, end in segments(labels):
            width = 15.0 / len(film)
            axis.barh(
                height, (end - begin) * width, 0.6, 0.5 + begin * width, color=COLOURS[label % 6], edgecolor=ground
            )
    axis.set(xlim=(0, 16), ylim=(0, 9))


def _box(x: float, y: float, width: float, height: float, colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, color=colour, alpha=alpha, linewidth=0)


DRAWINGS: dict[str, Callable[[Run, Axes, str, str], None]] = {
    drawing.__name__: drawing
    for drawing in (
        adding_problem,
        bankruptcy,
        char_rnn,
        comic_text,
        fraud_detection,
        image_captioning,
        image_classification,
        mask_detection,
        sequence_tagging,
        text_classification,
        translation,
        video_labelling,
    )
}


def coloured(run: Run) -> Image.Image:
    """The left half of two photographs grey, as the network got them, the right half as it coloured them."""
    from projects.colorization.lab import grey

    predictor, tiles = run.load(), []
    answers = [(raw, predictor.predict(raw)) for raw in predictor.examples]
    for raw, answer in sorted(answers, key=lambda pair: -pair[1]["colourfulness"])[:2]:
        before, after = grey(raw["picture"]), answer["picture"]
        height, width = before.shape[:2]
        both = np.where((np.arange(width) < width / 2)[None, :, None], before, after)
        side = min(height, width)
        tiles.append(both[(height - side) // 2 :][:side, (width - side) // 2 :][:, :side])
    return beside(tiles)


def enlarged(run: Run) -> Image.Image:
    """A part of a photograph enlarged by pixels, and beside it by the network."""
    predictor = run.load()
    raw = predictor.examples[0]
    after = predictor.predict(raw)["picture"]
    scale = after.shape[0] // raw["picture"].shape[0]
    before = raw["picture"].repeat(scale, axis=0).repeat(scale, axis=1)
    side = min(after.shape[:2]) // 2
    top, left = (after.shape[0] - side) // 2, (after.shape[1] - side) // 2
    return beside([picture[top : top + side, left : left + side] for picture in (before, after)])


def beside(tiles: list[np.ndarray]) -> Image.Image:
    """Two square pictures side by side, as large as a card."""
    picture = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), "#8794A3")
    for number, tile in enumerate(tiles):
        square = Image.fromarray(tile).resize((2 * HEIGHT, 2 * HEIGHT), Image.Resampling.LANCZOS)
        left = HEIGHT - WIDTH // 2
        picture.paste(square.crop((left, 0, left + WIDTH - 3, 2 * HEIGHT)), (number * (WIDTH + 3), 0))
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


PHOTOGRAPHS = {"colorization": coloured, "super_resolution": enlarged}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs-dir", type=Path, default=runs.runs_dir())
    parser.add_argument("names", nargs="*", default=project_names())
    asked = parser.parse_args()
    start_keras()
    for name in asked.names:
        try:
            run = runs.find(Project(name), "best", asked.runs_dir)
        except UserError as error:
            print(error)
            continue
        if name in PHOTOGRAPHS:
            save(PHOTOGRAPHS[name](run), f"{name}.card.png")
        for suffix, (ground, ink) in GROUNDS.items() if name in DRAWINGS else ():
            figure, axis = canvas(ground)
            DRAWINGS[name](run, axis, ground, ink)
            figure.savefig(FOLDER / "card.tmp.png", dpi=200, facecolor=ground)
            with Image.open(FOLDER / "card.tmp.png") as drawn:
                save(drawn.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), f"{name}.card{suffix}.png")
            (FOLDER / "card.tmp.png").unlink()


def save(picture: Image.Image, name: str) -> None:
    """A PNG of 256 colours."""
    path = FOLDER / name
    picture.quantize(256, Image.Quantize.MEDIANCUT).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
