"""The figures in the text of an executed guide are those that it prints.

    python docs/build.py
    python -m pytest docs/test_guides.py

Means with a standard deviation come from results of benchmarks instead.
"""

import pathlib
import re

import nbformat
import pytest

ROOT = pathlib.Path(__file__).parent.parent
EXECUTED = ROOT / "docs" / "output" / "cache"
FIGURE = re.compile(r"(?<!± )(?<![\d.])0\.\d{3}(?!\d)(?! ±)")


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (ROOT / "guides").glob("*.py"))
)
def test_figures_of_the_text_are_those_of_the_outputs(name):
    path = EXECUTED / f"{name}.ipynb"
    if not path.exists():
        pytest.skip("the guides are not executed")
    cells = nbformat.read(path, as_version=4).cells
    printed = "\n".join(
        str(output.get("text", "") or output.get("data", {}))
        for cell in cells
        for output in cell.get("outputs", ())
    )
    text = "\n".join(
        cell.source for cell in cells if cell.cell_type == "markdown"
    )
    missing = [each for each in FIGURE.findall(text) if each not in printed]
    assert missing == []
