"""Every page of a method has what its page of the site shows."""

import ast
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "docs")]

import method_entries  # noqa: E402
import method_pages  # noqa: E402

FIELDS = ("Title", "Year", *method_entries.SETTINGS)
OPTIONAL = ("Authors", "Link")
ADDRESS = "https://host/owner/name"

pytestmark = pytest.mark.numpy_alone


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


@pytest.mark.parametrize("page", sorted(method_pages.FILES))
def test_an_entry_has_paper_formula_settings_function_and_figures(page):
    entry = method_entries.entry(page, ADDRESS)
    fields = method_pages.fields_of(page)
    assert entry.startswith(f"# {fields['Method']}\n")
    assert fields["Title"] in entry
    assert f"::: keras_reprogram.methods.{page}.{page}\n" in entry
    for key in method_entries.SETTINGS:
        assert f"| {key} | {fields[key]} |" in entry
    sections = entry.split("\n## ")
    (formula,) = [text for text in sections if text.startswith("Formula\n\n")]
    assert "    " in formula or "```" in formula
    assert "](results/" not in entry and "<br>" not in entry


def test_the_overview_has_a_row_for_each_method_the_oldest_first():
    rows = [
        line
        for line in method_entries.overview().splitlines()
        if line.startswith("| ") and ".md)" in line
    ]
    years = [
        method_pages.fields_of(page)["Year"] for page in method_pages.by_year()
    ]
    assert len(rows) == len(method_pages.FILES) and years == sorted(years)
    for page, row in zip(method_pages.by_year(), rows):
        assert f"[`{page}`]({page}.md)" in row and row.count("|") == 6


def test_the_report_of_all_measurements_leads_to_pages_of_the_site():
    report = method_entries.measured(ADDRESS)
    assert "](../methods/ilm_vp.md)" in report
    assert f"]({ADDRESS}/blob/main/benchmarks/results/vision.json)" in report
    assert "](../keras_reprogram" not in report
