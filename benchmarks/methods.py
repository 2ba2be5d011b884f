"""What the papers of the methods report, and what is measured here.

    python benchmarks/methods.py

writes `methods.md`: from the pages in `keras_reprogram/methods/`, the figures
in `results/`, and `methods.toml`, which has a short entry for each page: the
figure of its paper, the rows of the results that belong to it, and where the
two differ.
"""

import functools
import json
import pathlib
import tomllib
from typing import Any

import method_pages
import numpy as np

FOLDER = pathlib.Path(__file__).parent
REPORT = FOLDER / "methods.md"
INTRODUCTION = """\
# Methods: what their papers report, and what is measured here

Each line is a page of `keras_reprogram/methods/`. A paper's figure has its own
data, and is often that of the best epoch on test data; a figure of here has
those of its section below, after the last epoch unless the section says
otherwise. Figures are means over seeds with their standard deviations, and in
brackets stand those of a baseline. A method is ahead of a baseline, or behind
it, where the means differ by more than both deviations together. The best
baseline is the best of the section's on the same data.
"""


class Experiment:
    """Results on one or several sets of data, and their baselines.

    Args:
        results: Rows of results, one for each run.
        title: A heading.
        about: Source, data and budget, and the file of the results.
        score: Key of a row's score. If that is a curve, its end counts.
        measure: What the score is, in words.
        columns: What rows are about, by name, as values of their keys.
        baselines: Values of the key `"method"`, with the names to show. The
            first is what is in front of a program or without it.
        smaller_is_better: Whether the score is an error.
    """

    def __init__(
        self,
        results: list[dict[str, Any]],
        title: str,
        about: str,
        score: str,
        measure: str,
        columns: dict[str, dict[str, Any]],
        baselines: dict[str, str],
        smaller_is_better: bool = False,
    ) -> None:
        self.results = results
        self.title = title
        self.about = about
        self.score = score
        self.measure = measure
        self.columns = columns
        self.baselines = baselines
        self.sign = -1 if smaller_is_better else 1

    def values(self, method: str, column: str) -> np.ndarray:
        """A method's scores in one column."""
        wanted = {"method": method, **self.columns[column]}
        runs = [
            row
            for row in self.results
            if wanted.items() <= row.items() and self.score in row
        ]
        if not runs:
            raise ValueError(
                "Name a method that has a result, or leave it out of the "
                f"entry. Received: {self.title}, {method!r}, {column!r}"
            )
        seeds = {row.get("seed", row.get("fold")) for row in runs}
        if len(seeds) < len(runs):
            raise ValueError(
                "Give columns that hold one run of each seed. Received: "
                f"{self.title}, {method!r}, {column!r}"
            )
        return np.array([np.ravel(row[self.score])[-1] for row in runs])

    def figure(self, method: str, column: str) -> str:
        values = self.values(method, column)
        if len(values) == 1:
            return f"{values[0]:.3f}, one run"
        return f"{values.mean():.3f} ± {values.std():.3f}"

    def best_baseline(self, column: str) -> str:
        return max(
            self.baselines,
            key=lambda name: self.sign * self.values(name, column).mean(),
        )

    def standing(self, method: str, other: str, column: str) -> str:
        """Whether a method is ahead of another, beyond their deviations."""
        mine, others = (self.values(name, column) for name in (method, other))
        difference = self.sign * (mine.mean() - others.mean())
        if abs(difference) <= mine.std() + others.std():
            return "level"
        standing = "ahead" if difference > 0 else "behind"
        return standing if len(mine) > 1 else f"{standing} in one run"


def outcome(experiment: Experiment, method: str) -> str:
    """How a method stands beside the first baseline, and the best one."""
    first, *others = experiment.baselines
    columns = experiment.columns
    lines = {
        experiment.baselines[first]: {
            column: experiment.standing(method, first, column)
            for column in columns
        }
    }
    if others:
        lines["best baseline"] = {
            column: experiment.standing(
                method, experiment.best_baseline(column), column
            )
            for column in columns
        }
    return "<br>".join(
        f"{name}: {in_words(standings)}" for name, standings in lines.items()
    )


def in_words(standings: dict[str, str]) -> str:
    """`ahead on digits; level on cells`, or one word for all columns."""
    words = dict.fromkeys(sorted(standings.values()))
    if len(words) == 1:
        return next(iter(words))
    return "; ".join(
        f"{word} on "
        + ", ".join(name for name in standings if standings[name] == word)
        for word in words
    )


def measured(experiment: Experiment, method: str) -> str:
    """A method's figures beside those of the first baseline."""
    first, name = next(iter(experiment.baselines.items()))
    anchor = experiment.title.lower().replace(" ", "-")
    lines = [
        f"{column}: {experiment.figure(method, column)} "
        f"({experiment.figure(first, column)})"
        for column in experiment.columns
    ]
    head = f"[{experiment.title}](#{anchor}), {experiment.measure} ({name})"
    return "<br>".join([head, *lines])


def lines_of(
    page: str, entry: dict[str, Any], experiments: dict[str, Experiment]
) -> list[str]:
    """A line of the table for each experiment that has the method."""
    path = f"../keras_reprogram/methods/{page}.py"
    names = f"{method_pages.cited(page)}, [`{page}`]({path})"
    results = [
        (
            measured(experiments[name], method),
            outcome(experiments[name], method),
        )
        for name, (method, *_) in entry.get("measured", {}).items()
    ] or [("not measured", "")]
    papers = [(names, entry["paper"]), *[("", "")] * (len(results) - 1)]
    return [
        f"| {' | '.join([*paper, *result])} |"
        for paper, result in zip(papers, results)
    ]


def section(experiment: Experiment, methods: dict[str, str]) -> str:
    """All figures of an experiment, the baselines first."""
    columns = list(experiment.columns)
    lines = [
        f"| {' | '.join([experiment.measure, *columns])} |",
        f"|---|{'---:|' * len(columns)}",
    ]
    for method, name in {**experiment.baselines, **methods}.items():
        figures = [experiment.figure(method, column) for column in columns]
        lines.append(f"| {' | '.join([name, *figures])} |")
    table = "\n".join(lines)
    return f"### {experiment.title}\n\n{experiment.about}\n\n{table}\n"


@functools.cache
def results(name: str) -> list[dict[str, Any]]:
    content = json.loads((FOLDER / "results" / name).read_text())
    return content if isinstance(content, list) else content["rows"]


def experiment_of(settings: dict[str, Any]) -> Experiment:
    name = settings["results"]
    about = f"{settings['about']} [Results](results/{name})."
    return Experiment(**{**settings, "results": results(name), "about": about})


def entries_of(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The entries in the order of the pages."""
    pages, entries = method_pages.by_year(), content["methods"]
    if set(pages) != set(entries):
        raise ValueError(
            "Give each page of methods one entry. Received differences: "
            f"{sorted(set(pages) ^ set(entries))}"
        )
    for page, entry in entries.items():
        unknown = set(entry.get("measured", {})) - set(content["experiments"])
        if unknown or entry.keys() - {"measured"} != {"paper", "differs"}:
            raise ValueError(
                "Give an entry `paper`, `differs` and what is `measured` in "
                f"the experiments of the file. Received: {page}, {entry}"
            )
    return {page: entries[page] for page in pages}


def report(content: dict[str, Any]) -> str:
    """The whole of `methods.md`."""
    entries = entries_of(content)
    experiments = {
        name: experiment_of(settings)
        for name, settings in content["experiments"].items()
    }
    table = ["| method | its paper | here | outcome |", "|---|---|---|---|"]
    differences, sections = [], []
    for page, entry in entries.items():
        table += lines_of(page, entry, experiments)
        name = method_pages.fields_of(page)["Method"]
        differences.append(f"- **{name}**: {entry['differs']}")
    for name, experiment in experiments.items():
        methods: dict[str, str] = {}
        for entry in entries.values():
            methods |= entry.get("measured", {}).get(name, {})
        sections.append(section(experiment, methods))
    parts = [
        INTRODUCTION,
        *table,
        "\n## Where they differ, and why\n",
        f"{content['general']}\n",
        *differences,
        "\n## Measurements\n",
        *sections,
    ]
    return "\n".join(parts)


def entries_file() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "methods.toml").read_text(encoding="utf-8"))


if __name__ == "__main__":
    REPORT.write_text(report(entries_file()), encoding="utf-8")
