"""What a detector has to beat: the most frequent places, and the strongest cheap classical detector."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from common.data import Splits
from projects.mask_detection.encoding import fitted, iou, picture_of, suppressed

PLACES = 12  # boxes of the naive rule
LARGER = 1.5  # the cascade's input is so much larger, because it finds no face under 24 pixels
PICTURES = 500  # training pictures that the classical detector learns from
CROP = 32  # side of a crop that is classified

Detector = Callable[[Sequence[Any]], list[dict[str, Any]]]  # pictures or files -> see `Predictor.found`


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Detector]:
    """The naive rule and the cascade with a logistic regression. The latter's C is chosen on validation, of two."""
    return {"frequent_places": frequent_places(splits), "lbp_cascade": lbp_cascade(splits)}


def frequent_places(splits: Splits) -> Detector:
    """The most frequent class at the PLACES centres of the training boxes (k-means), the fullest first."""
    from sklearn.cluster import KMeans

    sizes = [max(picture_of(source).shape[:2]) for source in splits.train.inputs[:PICTURES]]
    targets = splits.train.targets[:PICTURES]
    boxes = np.concatenate([one["boxes"] / size for one, size in zip(targets, sizes, strict=True)])
    means = KMeans(min(PLACES, len(boxes)), n_init=1, random_state=0).fit(boxes)
    share = np.bincount(means.labels_) / len(boxes)
    order = np.argsort(-share, kind="stable")
    label = np.bincount(np.concatenate([one["labels"] for one in targets])).argmax()

    def detect(sources: Sequence[Any]) -> list[dict[str, Any]]:
        shapes = [picture_of(source).shape[:2] for source in sources]
        centres, labels = means.cluster_centers_[order], np.full(len(order), label)
        return [{"boxes": centres * max(s), "scores": share[order], "labels": labels, "shape": s} for s in shapes]

    return detect


def lbp_cascade(splits: Splits) -> Detector:
    """scikit-image's LBP cascade proposes faces (Zhang et al. 2007), a logistic regression says what each one is.

    It reads the HOG features and the colours of a crop, and knows the classes and "no face". For the latter it learns
    from the false alarms of the cascade and from places drawn at random.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes, side = len(splits.meta["classes"]), int(LARGER * splits.meta["size"])

    def examples(split: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
        random, x, y = np.random.default_rng(0), [], []
        for number, (source, target) in enumerate(zip(split.inputs[:count], split.targets[:count], strict=True)):
            picture, factor = fitted(picture_of(source), side)
            boxes, labels = target["boxes"] * factor, target["labels"]
            corners = random.uniform(0, 0.8 * side, (3, 2))
            others = np.concatenate([corners, corners + random.uniform(0.05 * side, 0.2 * side, (3, 1))], axis=1)
            if number % 4 == 0:  # the cascade takes long
                others = np.concatenate([others, windows(picture)[:20]])
            others = others[(iou(others, boxes) < 0.3).all(axis=1)]
            x += [features(picture, box) for box in np.concatenate([boxes, others])]
            y += [*labels, *[classes] * len(others)]
        return np.array(x), np.array(y)

    x, y = examples(splits.train, PICTURES)
    x_validation, y_validation = examples(splits.validation, PICTURES)
    models = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=50, tol=1e-2)).fit(x, y) for c in (1e-4, 1e-2)
    ]
    model = max(models, key=lambda one: one.score(x_validation, y_validation))

    def detect(sources: Sequence[Any]) -> list[dict[str, Any]]:
        found = []
        for source in sources:
            whole = picture_of(source)
            picture, factor = fitted(whole, side)
            boxes, scores = windows(picture), np.zeros((0, classes))
            if len(boxes):
                probabilities = model.predict_proba(np.array([features(picture, box) for box in boxes]))
                scores = np.zeros((len(boxes), classes))
                for column, label in enumerate(model.classes_):
                    if label < classes:
                        scores[:, label] = probabilities[:, column]
            kept, rows, labels = suppressed(boxes, scores)
            rows, labels = rows[kept], labels[kept]
            found.append({"boxes": boxes[rows] / factor, "scores": scores[rows, labels], "labels": labels})
            found[-1]["shape"] = whole.shape[:2]
        return found

    return detect


def windows(picture: np.ndarray) -> np.ndarray:
    """(n, 4) where the cascade sees a face in a picture (side, side, 3)."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    cascade = Cascade(lbp_frontal_face_cascade_filename())
    found = cascade.detect_multi_scale(picture, 1.25, 1.3, (24, 24), (len(picture) // 2,) * 2, min_neighbor_number=1)
    boxes = [(one["c"], one["r"], one["c"] + one["width"], one["r"] + one["height"]) for one in found]
    return np.array(boxes, float).reshape(-1, 4)


def features(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """What the logistic regression reads of a box: histograms of oriented gradients, and 6 × 6 colours."""
    from PIL import Image
    from skimage.feature import hog

    crop = Image.fromarray(picture).resize(
        (CROP, CROP), Image.Resampling.BILINEAR, tuple(map(float, np.clip(box, 0, len(picture))))
    )
    gradients = hog(np.asarray(crop.convert("L")), 8, (8, 8), (2, 2))
    return np.concatenate([gradients, np.asarray(crop.resize((6, 6), Image.Resampling.BOX), float).ravel() / 255])
