"""The README's table of methods is that of their pages.

    python tests/methods/test_table.py

writes it.
"""

import ast
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import method_pages  # noqa: E402

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


def row(page: str) -> str:
    fields = method_pages.fields_of(page)
    cells = (
        method_pages.cited(page),
        f"[`{page}`](keras_reprogram/methods/{page}.py)",
        fields["Samples"],
        fields["Input"],
        fields["Output mapping"],
    )
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """The methods by their years."""
    rows = map(row, method_pages.by_year())
    return "\n".join([HEADER, "|---|---|---|---|---|", *rows])


def with_table(readme: str) -> str:
    pattern = re.compile(rf"^{re.escape(HEADER)}\n(\|.*\n)*", re.MULTILINE)
    return pattern.sub(lambda _: table() + "\n", readme)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("page", sorted(method_pages.FILES))
def test_a_page_has_its_paper_its_settings_and_an_example(page):
    fields = method_pages.fields_of(page).keys() - {"Method"}
    assert set(FIELDS) <= fields <= {*FIELDS, *OPTIONAL}
    functions = {
        node.name: ast.get_docstring(node)
        for node in method_pages.parsed(page).body
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
