"""Pages of the published methods: one for each paper, and an overview.

They are made from the pages in `keras_reprogram/methods/`, from
`benchmarks/methods.toml` and from the results of the benchmarks.
"""

import ast
import functools
import pathlib
import re
import sys
from typing import Any

import links
import reference

sys.path.append(str(reference.ROOT / "benchmarks"))

import method_pages  # noqa: E402
import methods  # noqa: E402

INTRODUCTION = """\
---
hide: [toc]
---

# Methods

Each row is a published method, as one function that returns the whole compiled
model: `keras_reprogram.methods.ilm_vp(source, num_classes=10)`. Its page has
the formula, the settings, a snippet, what the paper reports and
[what is measured here](../benchmarks/methods.md). Settings that a paper does
not state are marked as *ours*.
"""
SETTINGS = (
    "Samples",
    "Input",
    "Output mapping",
    "Loss",
    "Optimizer",
    "Learning rate",
    "Epochs",
)


def row(page: str) -> str:
    fields = method_pages.fields_of(page)
    cells = (
        method_pages.cited(page),
        f"[`{page}`]({page}.md)",
        fields["Samples"],
        fields["Input"],
        fields["Output mapping"],
    )
    return f"| {' | '.join(cells)} |"


def overview() -> str:
    """The methods by their years."""
    header = "| method | function | samples | input | output mapping |"
    rows = map(row, method_pages.by_year())
    return "\n".join([INTRODUCTION, header, "|---|---|---|---|---|", *rows])


def paper(fields: dict[str, str]) -> str:
    """Title, authors, year and address of the paper."""
    title = f"*{fields['Title']}*"
    if "Link" in fields:
        title = f"[{title}]({fields['Link']})"
    authors = f"{fields['Authors']}, " if "Authors" in fields else ""
    return f"{title}, {authors}{fields['Year']}."


def about(page: str) -> tuple[str, str, str]:
    """One sentence, the formula with its terms, and the differences."""
    docstring = ast.get_docstring(method_pages.parsed(page)) or ""
    head, _, rest = docstring.partition("\n\n")
    sentence = head.partition(": ")[2]
    formula, _, differences = rest.partition("\n\n")[2].partition(
        "\n\nDifferences: "
    )
    return sentence, formula, differences


@functools.cache
def content() -> dict[str, Any]:
    return methods.entries_file()


@functools.cache
def experiment(name: str) -> methods.Experiment:
    return methods.experiment_of(content()["experiments"][name])


def measurements(page: str) -> str:
    """The figures of an entry, each with the baselines of its experiment."""
    parts = []
    for name, names in content()["methods"][page].get("measured", {}).items():
        method = next(iter(names))
        outcome = methods.outcome(experiment(name), method)
        parts.append(methods.section(experiment(name), names))
        parts += [f"- Against {line}." for line in outcome.split("<br>")]
        parts.append("")
    return "\n".join(parts) or "This method has not been measured."


def entry(page: str, address: str) -> str:
    """The page of one method."""
    fields = method_pages.fields_of(page)
    sentence, formula, differences = about(page)
    module = f"{reference.METHODS}.{page}"
    function = reference.Name(page, reference.METHODS, module)
    settings = [f"| {key} | {fields[key]} |" for key in SETTINGS]
    figures = content()["methods"][page]
    code = f"{address}/blob/main/keras_reprogram/methods/{page}.py"
    parts = [
        f"# {fields['Method']}",
        f"{sentence[0].upper()}{sentence[1:]}",
        f"{paper(fields)} [Source code]({code})",
        f"## Formula\n\n{formula}",
        "## Settings",
        "\n".join(["| | |", "|---|---|", *settings]),
    ]
    if differences:
        text = f"{differences[0].upper()}{differences[1:]}"
        parts.append(f"## Differences from the paper\n\n{text}")
    parts += [
        "## Function",
        reference.block(function, level=3),
        f"## What the paper reports\n\n{figures['paper']}",
        f"## What is measured here\n\n{measurements(page)}",
        f"## Where the two differ\n\n{figures['differs']}",
    ]
    return links.to_repository("\n\n".join(parts), methods.FOLDER, address)


def write(folder: pathlib.Path, address: str) -> None:
    """Writes the overview and all entries."""
    folder.mkdir(parents=True)
    contents = {"index": overview()}
    for page in method_pages.FILES:
        contents[page] = entry(page, address)
    for name, text in contents.items():
        (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def measured(address: str) -> str:
    """The report of all measurements, as a page of the site."""
    report = methods.report(content())
    report = re.sub(
        r"\]\(\.\./keras_reprogram/methods/(\w+)\.py\)",
        r"](../methods/\1.md)",
        report,
    )
    return links.to_repository(report, methods.FOLDER, address)
