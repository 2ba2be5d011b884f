"""The fields in the docstrings of the pages in `keras_reprogram/methods/`."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent
FILES = {
    path.stem: path
    for path in (ROOT / "keras_reprogram" / "methods").glob("[!_]*.py")
}


def parsed(page: str) -> ast.Module:
    return ast.parse(FILES[page].read_text(encoding="utf-8"))


def fields_of(page: str) -> dict[str, str]:
    """The lines `name: value` of a page's docstring, and its method's name."""
    title, _, rest = ast.get_docstring(parsed(page)).partition("\n\n")
    paragraph = rest.partition("\n\n")[0].replace("\n    ", " ")
    fields = dict(line.split(": ", 1) for line in paragraph.splitlines())
    return {"Method": title.partition(":")[0], **fields}


def cited(page: str) -> str:
    """A method with its paper: its link, its first author and its year."""
    fields = fields_of(page)
    method = fields["Method"]
    if "Link" in fields:
        method = f"[{method}]({fields['Link']})"
    author = re.split(",| and ", fields.get("Authors", ""))[0]
    paper = f"{author} et al. {fields['Year']}" if author else fields["Year"]
    return f"{method}, {paper}"


def by_year() -> list[str]:
    """The pages, those of the oldest papers first."""
    return sorted(FILES, key=lambda page: (fields_of(page)["Year"], page))
