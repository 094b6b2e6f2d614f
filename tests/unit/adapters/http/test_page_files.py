"""What is packed, tagged and found, and whether it can be read."""

import gzip
import re

import pytest

from node.adapters.http.page_files import PageFile, read_plotly
from tests.architecture.sources import TOP

PAGE = TOP / "node" / "adapters" / "http" / "page"


def test_a_file_is_compressed_alike_every_time() -> None:
    # Its tag names its content, so the content must not depend on when the node was started.
    one, other = (PageFile.of("a.js", b"let a = 1;" * 100) for _ in range(2))
    assert one == other
    assert gzip.decompress(one.packed) == one.plain
    assert one.tag != PageFile.of("a.js", b"let a = 2;" * 100).tag


def test_plotly_finds_the_styles_that_it_would_write_into_the_page() -> None:
    # Its bundle looks for two elements before it writes a style inline, which the page's policy
    # forbids. After an update of plotly the names may be others.
    bundle = read_plotly().plain.decode()
    script = (PAGE / "charts.js").read_text("utf-8")
    (name,) = [line.split('"')[1] for line in script.splitlines() if "MAP_STYLES = " in line]
    assert f'getElementById("{name}")' in bundle
    assert '.matches(".no-inline-styles")' in bundle
    assert 'id="plotly.js-style-global" class="no-inline-styles"' in (
        (PAGE / "index.html").read_text("utf-8")
    )


def test_a_page_module_is_read_in_one_sitting() -> None:
    long = [path.name for path in PAGE.iterdir() if len(path.read_text("utf-8").splitlines()) > 400]
    assert long == []


def test_the_hour_after_midnight_is_the_zeroth_in_every_browser() -> None:
    # Older ones tell 24:05 for `hour12: false` where the language has twelve hours.
    script = (PAGE / "format.js").read_text("utf-8")
    assert "hour12" not in script
    assert script.count('hourCycle: "h23"') == script.count(".toLocale") == 2


def test_every_text_stands_out_from_what_is_behind_it() -> None:
    css = (PAGE / "page.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.+?)\}", css, re.DOTALL)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]+);", scheme))
        for text in ("ink", "soft", "water", "alarm"):
            for behind in ("paper", "sheet"):
                assert contrast(colours[text], colours[behind]) >= READABLE, (text, behind)
        assert contrast(colours["alarm"], colours["alarm-wash"]) >= READABLE
        assert contrast(colours["paint"], colours["hull"]) >= READABLE


READABLE = 4.5
"""The least ratio for text of ordinary size: WCAG 2.2, success criterion 1.4.3."""


def contrast(one: str, other: str) -> float:
    """Return the ratio of the two luminances, as WCAG defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [byte / 255 for byte in bytes.fromhex(digits)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_that_of_the_definition() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)
