"""The README's table of methods is that of their pages.

    python tests/methods/test_table.py

writes it.
"""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
README = ROOT / "README.md"
HEADER = "| method | function | samples | input | output mapping |"
FIELDS = (
    "Title",
    "Year",
    "Samples",
    "Input",
    "Output mapping",
    "Loss",
    "Optimizer",
    "Learning rate",
    "Epochs",
)
OPTIONAL = ("Authors", "Link")
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


def row(page: str) -> str:
    fields = fields_of(page)
    method = fields["Method"]
    if "Link" in fields:
        method = f"[{method}]({fields['Link']})"
    author = re.split(",| and ", fields.get("Authors", ""))[0]
    paper = f"{author} et al. {fields['Year']}" if author else fields["Year"]
    cells = (
        f"{method}, {paper}",
        f"[`{page}`](keras_reprogram/methods/{page}.py)",
        fields["Samples"],
        fields["Input"],
        fields["Output mapping"],
    )
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """The methods by their years."""
    pages = sorted(FILES, key=lambda page: (fields_of(page)["Year"], page))
    return "\n".join([HEADER, "|---|---|---|---|---|", *map(row, pages)])


def with_table(readme: str) -> str:
    pattern = re.compile(rf"^{re.escape(HEADER)}\n(\|.*\n)*", re.MULTILINE)
    return pattern.sub(lambda _: table() + "\n", readme)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("page", sorted(FILES))
def test_a_page_has_its_paper_its_settings_and_an_example(page):
    fields = fields_of(page).keys() - {"Method"}
    assert set(FIELDS) <= fields <= {*FIELDS, *OPTIONAL}
    functions = {
        node.name: ast.get_docstring(node)
        for node in parsed(page).body
        if isinstance(node, ast.FunctionDef)
    }
    assert "```python" in functions[page]


@pytest.mark.numpy_alone
def test_the_readme_has_the_table_of_the_pages():
    readme = README.read_text(encoding="utf-8")
    assert HEADER in readme
    assert with_table(readme) == readme, f"Run: python {__file__}"


if __name__ == "__main__":
    content = with_table(README.read_text(encoding="utf-8"))
    README.write_text(content, encoding="utf-8")
