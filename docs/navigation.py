"""The pages of the site, in the order of its navigation."""

import dataclasses
import pathlib
import re
from collections.abc import Iterator
from typing import Any
from typing import TypeAlias

# A title with its page, or with a list of the entries below it.
Entry: TypeAlias = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Section:
    """A title of the navigation, and its pages.

    Args:
        title: What the navigation shows.
        pages: Pages by their paths, or one that ends in `/`: a folder, whose
            `index.md` comes first.
    """

    title: str
    pages: tuple[str, ...]

    def __init__(self, title: str, *pages: str) -> None:
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "pages", pages)


SECTIONS = (
    Section("Start", "index.md"),
    Section("Getting started", "getting_started.md"),
    Section("Choosing", "choosing.md", "supported.md"),
    Section("Methods", "methods/"),
    Section("Guides", "guides/"),
    Section("Data", "data.md"),
    Section("Serving", "serving.md"),
    Section("Several devices", "devices.md"),
    Section("Black boxes", "black_boxes.md"),
    Section("Examples", "examples.md"),
    Section("Benchmarks", "benchmarks.md", "speed.md", "benchmarks/methods.md"),
    Section("Demo", "demo.md"),
    Section("API reference", "api/"),
    Section("Glossary", "glossary.md"),
    Section("FAQ", "faq.md"),
)


def wanted() -> Iterator[str]:
    """The pages that are written by hand."""
    for section in SECTIONS:
        for page in section.pages:
            if "/" not in page:
                yield page


def title_of(page: pathlib.Path) -> str:
    """The first heading, without its marks of code."""
    text = page.read_text(encoding="utf-8")
    match = re.match(r"(?:---\n.*?\n---\n)?\s*# (.+)", text, re.DOTALL)
    if not match:
        raise ValueError(f"Begin a page with a heading. Received: {page}")
    return match[1].partition("\n")[0].replace("`", "").strip()


def pages_of(pattern: str, folder: pathlib.Path) -> list[pathlib.Path]:
    if not pattern.endswith("/"):
        return [path for path in [folder / pattern] if path.exists()]
    paths = sorted(
        (folder / pattern).rglob("*.md"),
        key=lambda path: title_of(path).casefold(),
    )
    first = ("getting_started.md", "index.md")
    return sorted(
        paths,
        key=lambda path: -first.index(path.name) if path.name in first else 1,
    )


def entries(folder: pathlib.Path) -> list[Entry]:
    """The navigation of those pages that are there."""
    navigation: list[Entry] = []
    for section in SECTIONS:
        pages = [
            page
            for pattern in section.pages
            for page in pages_of(pattern, folder)
        ]
        names = [page.relative_to(folder).as_posix() for page in pages]
        if len(section.pages) == 1 and len(names) == 1:
            navigation.append({section.title: names[0]})
        elif names:
            titles = map(title_of, pages)
            below = [{title: name} for title, name in zip(titles, names)]
            navigation.append({section.title: below})
    return navigation
