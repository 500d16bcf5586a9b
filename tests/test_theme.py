"""Texts can be read on every ground of the theme: a contrast of at least 4.5 : 1 (WCAG 2.2, success criterion 1.4.3)."""

import re
import tomllib

import pytest

from apps.shared import SHADE
from common import report
from tests.conftest import ROOT

THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
STYLE = (ROOT / "apps" / "style.css").read_text(encoding="utf-8")
TABLEAU20 = (  # Vega's
    "#4c78a8 #9ecae9 #f58518 #ffbf79 #54a24b #88d27a #b79a20 #f2cf5b #439894 #83bcb6 #e45756 #ff9d98 #79706e #bab0ac "
    "#d67195 #fcbfd2 #b279a2 #d6a5c9 #9e765f #d8b5a5"
)
CAPTION = 0.6  # the part of the text colour in Streamlit's captions and axis labels
LEAST = 4.5


def channels(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def luminance(rgb: list[float]) -> float:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(text: str, ground: str, share: float = 1.0) -> float:
    """WCAG's contrast of a text that is `share` opaque."""
    mixed = [share * a + (1 - share) * b for a, b in zip(channels(text), channels(ground), strict=True)]
    light, dark = sorted((luminance(mixed), luminance(channels(ground))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_wcags():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21) and contrast("#FFFFFF", "#56B4E9") == pytest.approx(
        2.3, abs=0.05
    )


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_texts_and_captions_can_be_read_on_both_grounds(mode):
    theme = THEME[mode]
    for ground in (theme["backgroundColor"], theme["secondaryBackgroundColor"]):
        assert contrast(theme["textColor"], ground) >= LEAST
        assert contrast(theme["textColor"], ground, CAPTION) >= LEAST, "captions"
        assert contrast(theme["primaryColor"], ground) >= LEAST, "links, and the name of the open tab"
        tint = zip(channels(theme["primaryColor"]), channels(ground), strict=True)
        chosen = "#" + "".join(f"{round(0.1 * a + 0.9 * b):02X}" for a, b in tint)
        assert contrast(theme["primaryColor"], chosen) >= LEAST, "the chosen one of several buttons"


def test_what_the_style_colours_can_be_read():
    """Axes, legends and code, which Streamlit draws in one grey and five colours of its own."""
    lines = [line for line in STYLE.splitlines() if "light-dark" in line and "Button" not in line]
    pairs = [re.search(r"light-dark\((#\w+), (#\w+)\)", line).groups() for line in lines]  # type: ignore[union-attr]
    assert len(pairs) == 6
    for mode, colours in zip(("light", "dark"), zip(*pairs, strict=True), strict=True):
        for ground in (THEME[mode]["backgroundColor"], THEME[mode]["secondaryBackgroundColor"]):
            assert all(contrast(colour, ground) >= LEAST for colour in colours), (mode, ground)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_text_on_a_colour_of_a_chart_can_be_read(mode):
    """Words on the colours of their tags, bands of a film, numbers in the cells of a matrix."""
    theme = THEME[mode]
    ground = channels(theme["backgroundColor"])
    for colour in (*report.COLOURS, *TABLEAU20.split()):
        mixed = [SHADE * a + (1 - SHADE) * b for a, b in zip(channels(colour), ground, strict=True)]
        assert contrast(theme["textColor"], "#" + "".join(f"{round(part):02X}" for part in mixed)) >= LEAST, colour


def test_the_text_on_a_button_can_be_read():
    on_light, on_dark = re.search(r"stBaseButton-primary.*light-dark\((#\w+), (#\w+)\)", STYLE).groups()  # type: ignore[union-attr]
    assert contrast(on_light, THEME["light"]["primaryColor"]) >= LEAST
    assert contrast(on_dark, THEME["dark"]["primaryColor"]) >= LEAST


def test_the_text_in_a_diagram_can_be_read():
    import keras

    diagram = pytest.importorskip("apps.charts").diagram

    dot = diagram(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(2)]))
    text = re.search(r'fontcolor="(#\w+)"', dot)[1]  # type: ignore[index]
    grounds = set(re.findall(r'fillcolor="(#\w+)"', dot))
    assert len(grounds) == 2 and all(contrast(text, ground) >= LEAST for ground in grounds)
    assert '"first" [label="Dense\\n3"];' in dot and '-> "first";' in dot
