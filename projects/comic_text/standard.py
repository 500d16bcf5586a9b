"""The field's own pages: Pepper & Carrot by David Revoy, with exact masks of the lettering, split by episode."""

from pathlib import Path

from common.data import Source, Splits
from common.errors import UserError
from projects.comic_text.config import Config
from projects.comic_text.data import Page, fingerprint, make_splits, read_folder

HOME = "https://www.peppercarrot.com"
CREDIT = "Pepper & Carrot by David Revoy and its translators, www.peppercarrot.com, CC BY 4.0; lettering changed"
# Episodes, of which those in Korean are in each split.
TEST, VALIDATION = ("E06", "E11", "E14", "E17"), ("E08", "E16")


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `pepper_carrot`: page_en, page_ko, text_en … as `data.read_folder` says, by episode."""
    folder = data_dir / "pepper_carrot"
    if not folder.is_dir():
        raise UserError(
            f"{folder} is not there. Put the folders art, page_en, page_ko, text_en, text_ko, balloon_en, balloon_ko "
            f"and meta.json of Pepper & Carrot there; see {HOME}."
        )
    pages = read_folder(folder)
    parts: list[list[Page]] = [[], [], []]
    for page in pages:
        parts[2 if page.group in TEST else 1 if page.group in VALIDATION else 0].append(page)
    if not all(parts):
        raise UserError(f"{folder} has no pages of the episodes {', '.join(VALIDATION + TEST)}. Is it complete?")
    source = Source(
        "pepper_carrot",
        f"Pages of Pepper & Carrot by David Revoy (CC BY 4.0), split by episode: {', '.join(VALIDATION)} are the "
        f"validation, {', '.join(TEST)} the test. The reader learns from generated lines.",
        fingerprint(pages),
        "page",
    )
    return make_splits(config, parts, source, CREDIT)
