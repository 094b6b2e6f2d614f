"""What is packed, tagged and found."""

import gzip

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
