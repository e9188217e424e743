"""The colours of both themes can be read: WCAG 2.2, 1.4.3 (text) and 1.4.11 (controls and charts)."""

import re
from pathlib import Path

import pytest

STYLESHEET = Path(__file__).parents[2] / "src" / "llmops" / "web" / "static" / "app.css"
COLOURS = {
    colour: (light, dark)
    for colour, light, dark in re.findall(
        r"--([a-z-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\);", STYLESHEET.read_text(encoding="utf-8")
    )
}
TEXT = [(text, ground) for text in ("text", "muted", "accent") for ground in ("ground", "surface", "sunken", "input")]
TEXT += [(tone, f"{tone}-soft") for tone in ("accent", "success", "warning", "error")]
TEXT += [("text", f"{tone}-soft") for tone in ("accent", "success", "warning", "error")]
TEXT += [("on-accent", "button"), ("on-accent", "button-strong"), ("on-accent", "accent"), ("error", "surface")]
SHAPES = [("line-control", "surface"), ("line-control", "input"), ("accent", "surface"), ("accent", "ground")]
SHAPES += [("second", "surface"), ("success", "surface"), ("warning", "surface"), ("error", "surface")]


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1. Source: WCAG 2.2, definition of relative luminance."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 to 21. Source: WCAG 2.2, definition of contrast ratio."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_has_enough_contrast(theme: int, text: str, ground: str) -> None:
    assert contrast(COLOURS[text][theme], COLOURS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
def test_shape_has_enough_contrast(theme: int, shape: str, ground: str) -> None:
    assert contrast(COLOURS[shape][theme], COLOURS[ground][theme]) >= 3
