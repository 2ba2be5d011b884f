"""Tables as text."""

from collections.abc import Sequence


def markdown_table(columns: Sequence[Sequence[str]]) -> str:
    """Returns columns of cells, the names first, as an aligned table.

    Numbers are aligned to the right; the last column, of words, to the left.
    """
    widths = [max(3, *map(len, column)) for column in columns]
    lines = []
    for row in zip(*columns):
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        cells[-1] = row[-1].ljust(widths[-1])
        lines.append(f"| {' | '.join(cells)} |")
    rules = [f"{'-' * (width - 1)}:" for width in widths]
    rules[-1] = f":{'-' * (widths[-1] - 1)}"
    lines.insert(1, f"| {' | '.join(rules)} |")
    return "\n".join(lines)
