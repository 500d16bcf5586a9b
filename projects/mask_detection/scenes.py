"""Built-in scenes: small faces pasted on photographs, some with a drawn mask. Boxes and instance masks are exact.

The faces are the first hundred patches of scikit-image's `lfw_subset`, 25 × 25 and grey (Labeled Faces in the Wild).
A face is an ellipse of its patch, tinted like skin, turned, scaled and dimmed. Around it are hair and shoulders, which
do not belong to it. What covers a face later is taken from its mask, and its box is that of what can be seen.
"""

import functools
from typing import Any

import numpy as np

from common.inputs.images import packaged_photograph, read_picture

CLASSES = ["with_mask", "without_mask", "mask_weared_incorrect"]  # the names of Kaggle's set
ODDS = (0.4, 0.4, 0.2)  # how often each class is drawn
FACES = {"train": (0, 60), "validation": (60, 75), "test": (75, 100)}  # numbers of the patches
# The part of each photograph's width that a split has, so that no two splits share a pixel.
PLACES = {"train": (0.0, 0.6), "validation": (0.6, 0.75), "test": (0.75, 1.0)}
PHOTOS = ("chelsea", "china", "coffee", "flower", "motorcycle", "rocket")  # those without people
SIZES = (0.1, 0.5)  # height of a face, as a fraction of the picture's side; small ones are more frequent
MOST = 8  # faces in a scene
HIDDEN = 0.5  # a face that is covered by more than this fraction is not drawn
TURN = 20  # degrees, at most
SCALE = 2  # a patch is enlarged by this before it is turned and scaled down
SKIN = np.array([(255, 219, 172), (241, 194, 125), (224, 172, 105), (198, 134, 66), (141, 85, 36), (96, 57, 24)])
HAIR = np.array([(20, 16, 14), (60, 38, 20), (105, 70, 40), (170, 130, 70), (150, 150, 150)])
CLOTH = np.array([(245, 245, 245), (150, 200, 225), (90, 140, 190), (25, 25, 30), (240, 170, 190), (120, 170, 120)])
# Corners of a mask in a patch of side 1, for each class. Worn wrongly it is under the nose, or under the mouth.
WORN = {
    "with_mask": [((0.14, 0.52), (0.5, 0.43), (0.86, 0.52), (0.82, 0.84), (0.5, 1.0), (0.18, 0.84))],
    "without_mask": [],
    "mask_weared_incorrect": [
        ((0.15, 0.66), (0.5, 0.67), (0.85, 0.66), (0.8, 0.9), (0.5, 1.02), (0.2, 0.9)),
        ((0.2, 0.82), (0.5, 0.86), (0.8, 0.82), (0.74, 0.98), (0.5, 1.05), (0.26, 0.98)),
    ],
}


@functools.cache
def photographs() -> dict[str, np.ndarray]:
    return {name: read_picture(packaged_photograph(name)) for name in PHOTOS}


@functools.cache
def patches() -> np.ndarray:
    """(100, 25, 25) float, 0 … 1."""
    from skimage.data import lfw_subset

    return lfw_subset()[:100]


def generated(part: str, count: int, side: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Scenes (count, side, side, 3) uint8, and for each its boxes, labels and masks; see `scene`.

    part: `train`, `validation` or `test`. Scene i is the same for every count.
    """
    made = [scene(part, side, np.random.default_rng((sorted(FACES).index(part), i))) for i in range(count)]
    return np.stack([picture for picture, _ in made]), [target for _, target in made]


def scene(part: str, side: int, random: np.random.Generator) -> tuple[np.ndarray, dict[str, Any]]:
    """One scene (side, side, 3) uint8 and {"boxes": (n, 4) float32, "labels": (n,) class numbers, "masks"}.

    masks: for each face the part of its mask inside the box, (height, width) bool. Faces are drawn from far to near.
    """
    picture, owner = _background(part, side, random), np.zeros((side, side), int)
    low, high = np.log(np.array(SIZES) * side)
    heights = np.sort(np.exp(low + (high - low) * random.random(random.integers(0, MOST + 1)) ** 1.3))
    labels = random.choice(len(CLASSES), len(heights), p=ODDS)
    whole = np.zeros(len(heights) + 1)
    for number, (height, label) in enumerate(zip(heights, labels, strict=True), start=1):
        x, y = random.uniform(0, side, 2)
        for _ in range(10):  # another place, where it would hide too much of what is there
            box = [int(y - height / 2), int(y + 1.4 * height), int(x - 0.8 * height), int(x + 0.8 * height)]
            under = owner[max(0, box[0]) : max(0, box[1]), max(0, box[2]) : max(0, box[3])]
            if under.size and (under > 0).mean() < 0.05:
                break
            x, y = random.uniform(0, side, 2)
        else:
            continue
        whole[number] = _paste(picture, owner, number, part, (x, y, height), CLASSES[label], random)
    seen = np.bincount(owner.ravel(), minlength=len(whole))
    boxes, masks, kept = [], [], []
    for number in range(1, len(whole)):
        if whole[number] and seen[number] > (1 - HIDDEN) * whole[number]:
            box = mask_box(owner == number)
            left, top, right, bottom = box.astype(int)
            boxes.append(box)
            masks.append(owner[top:bottom, left:right] == number)
            kept.append(labels[number - 1])
    light, noise = random.uniform(0.5, 1.15), random.uniform(0, 8)
    picture = np.clip(picture * light + random.normal(0, noise, picture.shape), 0, 255)
    boxes = np.array(boxes, "float32").reshape(-1, 4)
    return picture.astype(np.uint8), {"boxes": boxes, "labels": np.array(kept, int), "masks": masks}


def _background(part: str, side: int, random: np.random.Generator) -> np.ndarray:
    """A piece of a photograph (side, side, 3) float, of this part's place in it."""
    from PIL import Image

    photo = photographs()[PHOTOS[random.integers(len(PHOTOS))]]
    first, last = (int(fraction * photo.shape[1]) for fraction in PLACES[part])
    photo = photo[:, first:last]
    length = int(random.uniform(0.5, 1) * min(photo.shape[:2]))
    top, left = (random.integers(0, size - length + 1) for size in photo.shape[:2])
    piece = Image.fromarray(photo[top : top + length, left : left + length]).resize((side, side))
    piece = np.asarray(piece, float)
    return piece[:, ::-1] if random.random() < 0.5 else piece


def _paste(
    picture: np.ndarray,
    owner: np.ndarray,
    number: int,
    part: str,
    place: tuple[float, float, float],
    label: str,
    random: np.random.Generator,
) -> float:
    """Draw a person at place (x, y, height of the face). Returns the pixels of the face, those outside included.

    owner: for each pixel the number of the face that is seen there, 0 for none; it is changed.
    """
    from PIL import Image

    x, y, height = place
    width = max(3, round(3 * height))  # a canvas is three faces wide
    angle = random.uniform(-TURN, TURN)
    canvas, face, person = (
        np.asarray(one.rotate(angle, Image.Resampling.BILINEAR).resize((width, width), Image.Resampling.BOX), float)
        for one in _person(part, label, random)
    )
    left, top = round(x - width / 2), round(y - width / 2)
    side = len(picture)
    rows, columns = slice(max(0, top), min(side, top + width)), slice(max(0, left), min(side, left + width))
    inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    alpha = (person[inside] / 255)[..., None]
    picture[rows, columns] = picture[rows, columns] * (1 - alpha) + canvas[inside] * alpha
    here = owner[rows, columns]
    here[person[inside] > 127] = 0
    here[face[inside] > 127] = number
    return float((face > 127).sum())


def _person(part: str, label: str, random: np.random.Generator) -> tuple[Any, Any, Any]:
    """A face with hair and shoulders, on a canvas three patches wide and high.

    Returns Pillow pictures: the colours, the face, and the whole person; the last two are 0 or 255.
    """
    from PIL import Image, ImageDraw

    one = 25 * SCALE
    patch = patches()[random.integers(*FACES[part])]
    grey = Image.fromarray((255 * patch).astype(np.uint8)).resize((one, one), Image.Resampling.BICUBIC)
    grey = np.asarray(grey, float)
    grey = grey[:, ::-1] if random.random() < 0.5 else grey
    tint = SKIN[random.integers(len(SKIN))] * random.uniform(0.85, 1.1, 3)
    lit = np.clip((grey / max(grey.mean(), 30))[..., None] * tint * 0.8, 0, 255)
    skin = Image.fromarray(lit.astype(np.uint8))
    draw = ImageDraw.Draw(skin)
    forms = WORN[label]
    if forms:
        cloth = CLOTH[random.integers(len(CLOTH))] * random.uniform(0.75, 1.05)
        wobble = random.uniform(-0.03, 0.03, (len(forms[0]), 2))
        points = (np.array(forms[random.integers(len(forms))]) + wobble) * one
        colour = tuple(np.clip(cloth, 0, 255).astype(int).tolist())
        dark = tuple(int(0.75 * value) for value in colour)
        for end in (points[0], points[2]):  # the straps go to the ears
            ear = (0 if end[0] < one / 2 else one, 0.42 * one)
            draw.line([tuple(end), ear], fill=dark, width=1)
        draw.polygon([tuple(point) for point in points], fill=colour)
        for fold in range(random.integers(0, 4)):
            height = points[0, 1] + (fold + 1) / 5 * (points[4, 1] - points[0, 1])
            draw.line([(points[0, 0], height), (points[2, 0], height)], fill=dark, width=1)
    box = np.array([[0.12, 0.02], [0.88, 1.0]]) * one  # the ellipse of the face in its patch
    face = Image.new("L", (3 * one, 3 * one))
    ImageDraw.Draw(face).ellipse([tuple(corner + one) for corner in box], fill=255)
    person, canvas = face.copy(), Image.new("RGB", face.size)
    outline, paint = ImageDraw.Draw(person), ImageDraw.Draw(canvas)
    hair = tuple(HAIR[random.integers(len(HAIR))].tolist())
    clothes = tuple(random.integers(0, 256, 3).tolist())
    middle = 1.5 * one
    shoulders = [middle - 0.9 * one, 2.1 * one, middle + 0.9 * one, 3.6 * one]
    neck = [middle - 0.22 * one, 1.8 * one, middle + 0.22 * one, 2.25 * one]
    grown = random.uniform(0.02, 0.18) * one
    around = [box[0, 0] + one - grown, one - grown, box[1, 0] + one + grown, 1.75 * one]
    throat = tuple((0.7 * tint).astype(int).clip(0, 255).tolist())
    for form, colour in ((shoulders, clothes), (neck, throat), (around, hair)):
        if random.random() < 0.85:
            outline.ellipse(form, fill=255)
            paint.ellipse(form, fill=colour)
    canvas.paste(skin, (one, one), face.crop((one, one, 2 * one, 2 * one)))
    return canvas, face, person


def mask_box(mask: np.ndarray) -> np.ndarray | None:
    """The smallest box (4,) float32 around the pixels of a mask (height, width); None where it has none."""
    if not mask.any():
        return None
    (top, bottom), (left, right) = (np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    return np.array([left, top, right + 1, bottom + 1], "float32")
