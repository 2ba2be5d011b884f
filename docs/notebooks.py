"""Notebooks of the guides, for Colab.

A guide is a Python file in the form of keras.io's: a docstring of fields
(`Title: ...`), then strings in triple quotes, which are Markdown, and code.
This writes the notebooks beside the guides:

python docs/notebooks.py
"""

import ast
import dataclasses
import pathlib
import re
import tomllib
from collections.abc import Iterator

import nbformat

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
COLAB = "https://colab.research.google.com/"

BACKENDS = ("jax", "tensorflow", "torch")
COMMANDS = re.compile(r"^```shell\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXTRAS = re.compile(r"keras-reprogram\[([\w,-]+)\]")

# JAX allocates nothing while it finds a CPU alone.
FASTEST_BACKEND = """\
os.environ["KERAS_BACKEND"] = "tensorflow"
if find_spec("jax"):
    import jax

    if jax.default_backend() != "cpu":  # a GPU or a TPU
        os.environ["KERAS_BACKEND"] = "jax"
"""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a guide.

    Args:
        kind: String. `"code"` or `"markdown"`.
        source: String. What stands in the cell.
        line: Integer. The line of the guide on which the cell begins.
    """

    kind: str
    source: str
    line: int


@dataclasses.dataclass(frozen=True)
class Guide:
    """A guide that was read.

    Args:
        name: String. The name of its file, without the ending.
        fields: Dictionary. The fields of its docstring.
        cells: Tuple of `Cell`. All that follows the docstring.
    """

    name: str
    fields: dict[str, str]
    cells: tuple[Cell, ...]


def cells_of(text: str) -> Iterator[Cell]:
    """Yields all cells of a guide, its docstring first."""
    lines = text.splitlines()

    def code_between(start: int, end: int) -> Iterator[Cell]:
        while start < end and not lines[start].strip():
            start += 1
        source = "\n".join(lines[start:end]).rstrip()
        if source:
            yield Cell("code", source, start + 1)

    end_of_last = 0
    for node in ast.parse(text).body:
        match node:
            case ast.Expr(value=ast.Constant(value=str(markdown))):
                yield from code_between(end_of_last, node.lineno - 1)
                yield Cell("markdown", markdown.strip(), node.lineno)
                end_of_last = node.end_lineno or node.lineno
    yield from code_between(end_of_last, len(lines))


def read_guide(path: pathlib.Path) -> Guide:
    """Reads a guide.

    Args:
        path: Path of the guide's Python file.

    Returns:
        A `Guide`.

    Raises:
        ValueError: If the file does not begin with a docstring of fields.
    """
    header, *cells = cells_of(path.read_text(encoding="utf-8"))
    pairs = [line.partition(": ") for line in header.source.splitlines()]
    fields = {name: value for name, _, value in pairs}
    missing = {"Title", "Description", "Accelerator"} - fields.keys()
    if header.kind != "markdown" or missing:
        raise ValueError(
            f"A guide begins with a docstring of `Title: ...` and other "
            f"fields. Received: {path.name} without {sorted(missing)}"
        )
    return Guide(path.stem, fields, tuple(cells))


def without_backends(command: str) -> str:
    """Leaves the backends that a machine has as they are."""
    found = EXTRAS.search(command)
    if found is None:
        return command
    names = found[1]
    kept = [name for name in names.split(",") if name not in BACKENDS]
    extras = f"[{','.join(kept)}]" if kept else ""
    return EXTRAS.sub(f'"keras-reprogram{extras}"', command)


def installation(guide: Guide) -> str:
    """Returns the first code cell of a notebook.

    It runs the shell commands of the guide's text, except that it installs no
    backend, and picks the backend unless the guide has a field for it.
    """
    lines = []
    for cell in guide.cells:
        for commands in COMMANDS.findall(cell.source):
            for command in commands.splitlines():
                if command.startswith("pip install "):
                    command = without_backends(command)
                    command = command.replace("install", "install --quiet", 1)
                    lines.append(f"%{command}")
                elif command.startswith("apt install "):
                    packages = command.removeprefix("apt install ")
                    lines.append(f"!apt-get install --yes --quiet {packages}")
    if any(line.startswith("!") for line in lines):
        lines.insert(0, "!apt-get update --quiet --quiet")
    # Matplotlib comes with the extra `pictures`.
    has_pictures = any("pictures" in line for line in lines)
    shown = ["%matplotlib inline"] if has_pictures else []
    picked = FASTEST_BACKEND
    if "Backend" in guide.fields:
        backend = guide.fields["Backend"].lower()
        picked = f'os.environ["KERAS_BACKEND"] = "{backend}"\n'
    imports = ["import os"]
    if "find_spec" in picked:
        imports.append("from importlib.util import find_spec")
    return "\n".join(
        [
            "# Installs what this notebook needs and picks a backend. The",
            "# backends that are installed already stay as they are.",
            *lines,
            *shown,
            "",
            *imports,
            "",
            picked + 'print("Backend:", os.environ["KERAS_BACKEND"])',
        ]
    )


def addresses(guide: Guide) -> dict[str, str]:
    """Returns where a guide's file and notebook are, and where it opens."""
    file = f"{REPOSITORY}/blob/main/guides/{guide.name}"
    path = file.removeprefix("https://github.com/")
    return {
        "colab": f"{COLAB}github/{path}.ipynb",
        "source": f"{file}.py",
    }


def notebook_of(guide: Guide) -> nbformat.NotebookNode:
    """Returns a guide as a notebook without outputs.

    Args:
        guide: The `Guide`.

    Returns:
        A notebook: title and badge, the cell that installs, then the guide's
        cells, with the guide's line as `line` in their metadata.
    """
    colab = addresses(guide)["colab"]
    badge = f"[![Open in Colab]({COLAB}assets/colab-badge.svg)]({colab})"
    first = f"# {guide.fields['Title']}\n\n{badge}"
    cells = [
        Cell("markdown", f"{first}\n\n{guide.fields['Description']}", 1),
        Cell("code", installation(guide), 1),
        *guide.cells,
    ]
    make = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
    }
    metadata = {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    if guide.fields["Accelerator"] != "None":
        metadata["accelerator"] = guide.fields["Accelerator"]
    return nbformat.v4.new_notebook(
        cells=[
            make[cell.kind](
                cell.source, id=f"cell-{index}", metadata={"line": cell.line}
            )
            for index, cell in enumerate(cells)
        ],
        metadata=metadata,
    )


def written(notebook: nbformat.NotebookNode) -> str:
    """Returns the content of a notebook's file."""
    return nbformat.writes(notebook) + "\n"


def main() -> None:
    for path in sorted(ROOT.glob("guides/*.py")):
        content = written(notebook_of(read_guide(path)))
        path.with_suffix(".ipynb").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
