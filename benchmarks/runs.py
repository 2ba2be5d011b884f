"""Finished runs of a benchmark, a line of a file each."""

import json
import pathlib
from typing import Any

import numpy as np


class Runs:
    """Finished runs: a benchmark goes on where it was stopped.

    Args:
        path: Path of a file of JSON lines, which need not exist.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            lines = path.read_text().splitlines()
            self.rows = [json.loads(line) for line in lines]

    def has(self, settings: dict[str, Any]) -> bool:
        """Whether a run with these settings is finished."""
        return any(settings.items() <= row.items() for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Writes a finished run."""
        line = json.dumps(row)
        with self.path.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)
        self.rows.append(row)


def described(values: list[float]) -> str:
    """Returns mean, standard deviation and number as text."""
    if not values:
        return ""
    return f"{np.mean(values):.3f} ± {np.std(values):.3f} ({len(values)})"
