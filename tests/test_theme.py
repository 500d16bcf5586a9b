"""Texts can be read on every ground of the theme: a contrast of at least 4.5 : 1 (WCAG 2.2, success criterion 1.4.3)."""

import re
import tomllib

import pytest

from tests.conftest import ROOT

THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
STYLE = (ROOT / "apps" / "style.css").read_text(encoding="utf-8")
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
