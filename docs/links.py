"""Links: to files of the repository, and those of the built site."""

import html.parser
import pathlib
import re
import urllib.parse
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parent.parent


def to_repository(text: str, folder: pathlib.Path, address: str) -> str:
    """Replaces links to files of the repository by their addresses.

    Args:
        text: A page in Markdown.
        folder: Folder that its links are relative to.
        address: Address of the repository.
    """

    def replaced(match: re.Match[str]) -> str:
        path = (folder / match[2]).resolve()
        if "://" in match[2] or not path.exists():
            return match[0]
        kind = "tree" if path.is_dir() else "blob"
        return f"{match[1]}({address}/{kind}/main/{path.relative_to(ROOT)})"

    return re.sub(r"(?<!!)(\[[^]]*\])\(([^)#\s]+)\)", replaced, text)


def pictures_of(text: str) -> list[str]:
    """The pictures of a page in Markdown, but for those of other hosts."""
    found = re.findall(r"!\[[^]]*\]\(([^)\s]+)\)", text)
    return [path for path in found if "://" not in path]


class Page(html.parser.HTMLParser):
    """The anchors of a page, and what it links to or loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        values = {key: value for key, value in attributes if value}
        self.anchors |= {values[key] for key in ("id", "name") if key in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag != "link" or values.get("rel") in ("icon", "stylesheet"):
            found = (values[key] for key in ("src", "href") if key in values)
            self.loaded += [value for value in found if value[0] != "#"]


def faults_of(site: pathlib.Path, base: str) -> Iterator[str]:
    """What is wrong with the links of a site.

    Args:
        site: Folder of the site.
        base: Address that the site will have: its links to itself are checked
            as those without a host are.

    Yields:
        A line for each link that leads nowhere, and for each file that is
        loaded from another host.
    """
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
    }
    for path, page in pages.items():
        name = path.relative_to(site)
        for link in (*page.links, *page.loaded):
            target = urllib.parse.urljoin(base + name.as_posix(), link)
            address, _, anchor = target.partition("#")
            if not address.startswith(base):
                if link in page.loaded and not link.startswith("data:"):
                    yield f"{name}: loaded from another host: {link}"
                continue
            local = urllib.parse.unquote(address.removeprefix(base))
            file = site / local.partition("?")[0]
            file = file / "index.html" if file.is_dir() else file
            if not file.exists():
                yield f"{name}: no such file: {link}"
            elif anchor and file in pages:
                if urllib.parse.unquote(anchor) not in pages[file].anchors:
                    yield f"{name}: no such anchor: {link}"
