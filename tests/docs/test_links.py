"""Links to the repository are made, and broken links of a site are found."""

import pathlib
import sys

import pytest

DOCS = pathlib.Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))

import links  # noqa: E402

ADDRESS = "https://host/owner/name"
BASE = "https://pages.host/name/"

pytestmark = pytest.mark.numpy_alone


def page(body: str) -> str:
    return f"<html><body>{body}</body></html>"


def faults(tmp_path: pathlib.Path, body: str) -> list[str]:
    """What is wrong with a site of two pages, one of which has the body."""
    (tmp_path / "other").mkdir()
    (tmp_path / "picture.png").write_bytes(b"")
    (tmp_path / "other" / "index.html").write_text(page('<p id="here">'))
    (tmp_path / "index.html").write_text(page(body))
    return list(links.faults_of(tmp_path, BASE))


def test_links_to_files_of_the_repository_get_addresses():
    text = "[a](build.py) [b](../guides) ![c](build.py) [d](none.py) [e](#f)"
    assert links.to_repository(text, DOCS, ADDRESS) == (
        f"[a]({ADDRESS}/blob/main/docs/build.py) "
        f"[b]({ADDRESS}/tree/main/guides) "
        "![c](build.py) [d](none.py) [e](#f)"
    )


def test_pictures_of_a_page_are_those_of_no_other_host():
    text = "![a](a.png) [b](b.png) ![c](https://host/c.png)"
    assert links.pictures_of(text) == ["a.png"]


@pytest.mark.parametrize(
    "body",
    [
        '<a href="other/#here">',
        '<a href="other/index.html?x=1#here">',
        f'<a href="{BASE}other/#here">',
        '<a href="/name/other/">',
        '<a href="https://elsewhere.host/">',
        '<img src="picture.png"><img src="data:image/png;base64,AA==">',
        '<link rel="canonical" href="https://elsewhere.host/">',
        '<a id="top"></a><a href="#top">',
    ],
)
def test_links_that_lead_somewhere_are_no_faults(tmp_path, body):
    assert faults(tmp_path, body) == []


@pytest.mark.parametrize(
    "body, expected",
    [
        ('<a href="none/">', "index.html: no such file: none/"),
        ('<img src="none.png">', "index.html: no such file: none.png"),
        ('<a href="other/#not">', "index.html: no such anchor: other/#not"),
        ('<a href="#not">', "index.html: no such anchor: #not"),
        (
            '<script src="https://cdn.host/a.js"></script>',
            "index.html: loaded from another host: https://cdn.host/a.js",
        ),
        (
            '<link rel="stylesheet" href="https://cdn.host/a.css">',
            "index.html: loaded from another host: https://cdn.host/a.css",
        ),
    ],
)
def test_links_that_lead_nowhere_are_faults(tmp_path, body, expected):
    assert faults(tmp_path, body) == [expected]
