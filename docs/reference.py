"""Pages of the API reference: one for each room of the package.

They are made by reading the package, not by importing it, and hold a line
`::: name` for each public name, which mkdocstrings replaces by its docstring.
A published method has a page of its own, see `method_entries.py`.
"""

import ast
import dataclasses
import functools
import itertools
import pathlib

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = "keras_reprogram"
METHODS = f"{PACKAGE}.methods"


@dataclasses.dataclass(frozen=True)
class Name:
    """A public name: which module exports it, and which one defines it."""

    name: str
    room: str
    module: str

    @property
    def public(self) -> str:
        """What a user writes: `keras_reprogram.inputs.Pad`."""
        return f"{self.room}.{self.name}"

    @property
    def identifier(self) -> str:
        """Where mkdocstrings finds the docstring."""
        return f"{self.module}.{self.name}"

    @property
    def page(self) -> str:
        """The innermost folder of the room that holds the definition."""
        parts = self.module.split(".")
        folders = (".".join(parts[:end]) for end in range(len(parts), 1, -1))
        return next((name for name in folders if is_folder(name)), self.room)

    @property
    def summary(self) -> str:
        """The first paragraph of the docstring."""
        nodes = parsed(self.module).body
        for node, following in itertools.pairwise([*nodes, ast.Pass()]):
            text = None
            if getattr(node, "name", None) == self.name:
                text = ast.get_docstring(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                # A constant has its docstring below it.
                if self.name in ast.unparse(node).partition("=")[0]:
                    text = ast.get_docstring(ast.Module([following]))
            if text:
                return " ".join(text.partition("\n\n")[0].split())
        return ""

    @property
    def link(self) -> str:
        return f"[`{self.name}`][{self.identifier}]"


def path_of(module: str) -> pathlib.Path:
    return ROOT.joinpath(*module.split("."))


def is_folder(module: str) -> bool:
    return path_of(module).is_dir()


@functools.cache
def parsed(module: str) -> ast.Module:
    path = path_of(module)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def docstring_of(module: str) -> str:
    return ast.get_docstring(parsed(module)) or ""


def exports_of(module: str) -> list[str]:
    """What a module has in `__all__`."""
    for node in parsed(module).body:
        if isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
            if names == ["__all__"]:
                return list(ast.literal_eval(node.value))
    return []


def names_of(module: str) -> list[Name]:
    """The public names of a module, in the order of its `__all__`."""
    origins = {
        alias.asname or alias.name: node.module
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return [
        Name(name, module, origins.get(name, module))
        for name in exports_of(module)
    ]


def rooms() -> list[str]:
    """The public modules."""
    names = names_of(PACKAGE)
    return [name.public for name in names if name.module == PACKAGE]


def documented() -> list[Name]:
    """Every name that has its docstring in the reference, once."""
    return [name for room in rooms() for name in names_of(room)]


def pages() -> dict[str, list[Name]]:
    """The names on each page."""
    found: dict[str, list[Name]] = {}
    for name in documented():
        found.setdefault(name.page, []).append(name)
    return dict(sorted(found.items()))


def table(names: list[Name]) -> str:
    rows = [f"| {name.link} | {name.summary} |" for name in names]
    return "\n".join(["| | |", "|---|---|", *rows])


def block(name: Name, level: int = 2) -> str:
    """What mkdocstrings replaces by a docstring."""
    return (
        f"::: {name.identifier}\n"
        f"    options:\n"
        f"      heading: {name.public}\n"
        f"      toc_label: {name.name}\n"
        f"      heading_level: {level}\n"
    )


def page(module: str, names: list[Name]) -> str:
    """A page of the reference. Methods have their docstrings elsewhere."""
    title = module.removeprefix(f"{PACKAGE}.")
    blocks = [] if module == METHODS else [block(name) for name in names]
    parts = [f"# {title}", docstring_of(module), table(names), *blocks]
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """The first page: what the package itself exports, and its rooms."""
    public_rooms = rooms()
    names = {name.name: name for name in documented()}
    first = [
        names[name.name]
        for name in names_of(PACKAGE)
        if name.module in public_rooms
    ]
    rows = []
    for module in pages():
        title = module.removeprefix(f"{PACKAGE}.")
        about = docstring_of(module).partition("\n\n")[0]
        rows.append(f"| [`{title}`]({title}.md) | {about} |")
    return "\n\n".join(
        [
            "# API reference",
            docstring_of(PACKAGE),
            f"## What `{PACKAGE}` exports",
            table(first),
            "## Modules",
            "\n".join(["| | |", "|---|---|", *rows]),
        ]
    )


def write(folder: pathlib.Path) -> None:
    """Writes all pages."""
    folder.mkdir(parents=True)
    contents = {"index": index()}
    for module, names in pages().items():
        contents[module.removeprefix(f"{PACKAGE}.")] = page(module, names)
    for name, content in contents.items():
        (folder / f"{name}.md").write_text(content + "\n", encoding="utf-8")
