"""Tables as text."""

from collections.abc import Sequence


def markdown_table(columns: Sequence[Sequence[str]]) -> str:
    """Returns columns of cells, the names first, as an aligned table.

    Columns of numbers are aligned to the right, those of words to the left.
    """
    aligned = []
    for column in columns:
        width = max(3, *map(len, column))
        if is_of_numbers(column[1:]):
            cells = [cell.rjust(width) for cell in column]
            rule = f"{'-' * (width - 1)}:"
        else:
            cells = [cell.ljust(width) for cell in column]
            rule = f":{'-' * (width - 1)}"
        aligned.append([cells[0], rule, *cells[1:]])
    return "\n".join(f"| {' | '.join(row)} |" for row in zip(*aligned))


def is_of_numbers(cells: Sequence[str]) -> bool:
    """Whether each cell begins with a number, or is empty, and one is not."""
    begins = [cell.lstrip("+-").lower() for cell in cells if cell]
    return bool(begins) and all(
        text[0].isdigit() or text.startswith((".", "nan", "inf"))
        for text in begins
    )
