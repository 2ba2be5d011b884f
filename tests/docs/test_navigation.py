"""The navigation has every page, and every page has its place."""

import pathlib
import sys

import pytest

DOCS = pathlib.Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))

import navigation  # noqa: E402

pytestmark = pytest.mark.numpy_alone


def test_pages_written_by_hand_are_those_of_the_navigation():
    pages = {path.name for path in (DOCS / "pages").glob("*.md")}
    wanted = set(navigation.wanted())
    if not (DOCS / "demo").exists():
        wanted.remove("demo.md")
    assert pages == wanted
    titles = [section.title for section in navigation.SECTIONS]
    assert titles[:2] == ["Start", "Getting started"]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    "text, title",
    [
        ("# One\n\n## Two\n", "One"),
        ("---\nhide: [toc]\n---\n\n# `code` and words\n", "code and words"),
    ],
)
def test_the_title_of_a_page_is_its_first_heading(tmp_path, text, title):
    path = tmp_path / "page.md"
    path.write_text(text)
    assert navigation.title_of(path) == title


def test_a_page_without_a_heading_is_an_error(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("words\n")
    with pytest.raises(ValueError, match="page.md"):
        navigation.title_of(path)


def test_entries_are_of_the_pages_that_are_there_by_title_the_start_first(
    tmp_path,
):
    for name, title in {
        "index.md": "Start here",
        "guides/b.md": "Apples",
        "guides/a.md": "Bees",
        "guides/getting_started.md": "Cherries",
        "guides/index.md": "Guides",
        "choosing.md": "Choosing",
        "supported.md": "Supported",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {title}\n")
    assert navigation.entries(tmp_path) == [
        {"Start": "index.md"},
        {
            "Choosing": [
                {"Choosing": "choosing.md"},
                {"Supported": "supported.md"},
            ]
        },
        {
            "Guides": [
                {"Guides": "guides/index.md"},
                {"Cherries": "guides/getting_started.md"},
                {"Apples": "guides/b.md"},
                {"Bees": "guides/a.md"},
            ]
        },
    ]
