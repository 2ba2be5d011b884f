"""Pages of the guides, with what their code prints and draws."""

import hashlib
import importlib.metadata
import os
import pathlib
import re
import sys
import tempfile

import nbclient
import nbconvert
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbconvert.filters import strip_ansi
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbconvert.preprocessors import ExtractOutputPreprocessor
from notebooks import ROOT
from notebooks import Guide
from notebooks import addresses
from notebooks import notebook_of
from notebooks import read_guide
from notebooks import written

SECONDS_PER_CELL = 1200
FAILURES = (
    nbclient.exceptions.CellExecutionError,
    nbclient.exceptions.CellTimeoutError,
    nbclient.exceptions.DeadKernelError,
)
# Stands for the cell that installs. A warning's place is a path of the machine.
# What other packages plan, and that widgets are missing, concerns no reader.
PREPARATION = """\
%matplotlib inline
import warnings

warnings.filterwarnings("ignore", category=DeprecationWarning)
warnings.filterwarnings("ignore", category=FutureWarning)
warnings.filterwarnings("ignore", message="IProgress not found")
warnings.formatwarning = lambda message, category, *_: (
    f"{category.__name__}: {message}\\n"
)
"""
# What TensorFlow, XLA and absl log.
LOGGED = re.compile(
    r"^(?:[IWEF]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [IWEF] "
    r"|WARNING: All log messages before absl|WARNING:tensorflow:).*\n?",
    re.MULTILINE,
)
OBJECT = re.compile(r"<.* at 0x[0-9a-f]+>")
PAGE = """\
{% extends 'markdown/index.md.j2' %}
{% block stream %}
```text
{{ output.text.strip('\n') }}
```
{% endblock stream %}
{% block data_png %}
![{{ cell.metadata.heading }}]({{ output.metadata.filenames['image/png'] }})
{% endblock data_png %}
"""


def render(
    guide: pathlib.Path, output: pathlib.Path, cache: pathlib.Path
) -> None:
    """Writes a guide's page, its pictures and its notebook.

    The guide is executed with the Python that runs this and with
    `KERAS_BACKEND`, unless it was executed before with the same package.

    Args:
        guide: Path of the guide, a Python file in the form of keras.io's.
        output: Path of the folder for `<name>.md`, `<name>_<number>.png` and
            `<name>.ipynb`.
        cache: Path of a folder, in which executed guides are kept.

    Raises:
        RuntimeError: If a cell raises an error, or prints a path of the machine
            that runs it. The message names the guide and the cell's line.
    """
    content = read_guide(guide)
    notebook = notebook_of(content)
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{content.name}.ipynb"
    path.write_text(written(notebook), encoding="utf-8")
    executed = executed_or_kept(guide, notebook, cache)
    export(content, executed, output)


def executed_or_kept(
    guide: pathlib.Path, notebook: nbformat.NotebookNode, cache: pathlib.Path
) -> nbformat.NotebookNode:
    """Returns the executed notebook, from the cache if it is there."""
    kept = cache / f"{guide.stem}.ipynb"
    key = cache_key(guide, pathlib.Path(__file__))
    if kept.exists():
        found = nbformat.read(kept, as_version=4)
        if found.metadata.get("cache_key") == key:
            return found
    executed = execute(guide, notebook)
    executed.metadata["cache_key"] = key
    cache.mkdir(parents=True, exist_ok=True)
    new = kept.with_suffix(f".{os.getpid()}")
    new.write_text(written(executed), encoding="utf-8")
    new.replace(kept)
    return executed


def cache_key(*files: pathlib.Path) -> str:
    """Returns a digest of files, of the package and of what it runs on."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    content = hashlib.sha256()
    for name in ("keras", "keras-hub", "numpy", backend):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "none"
        content.update(f"{name} {version}\n".encode())
    package = sorted(ROOT.glob("keras_reprogram/**/*.py"))
    for path in (*files, *package):
        content.update(f"{path.name} {path.stat().st_size}\n".encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def execute(
    guide: pathlib.Path, notebook: nbformat.NotebookNode
) -> nbformat.NotebookNode:
    """Executes a notebook in a folder of its own, and cleans its outputs."""
    copy = nbformat.from_dict(notebook)
    title, installing, *cells = copy.cells
    installing.source = PREPARATION
    copy.cells = [installing, *cells]
    # Without the kernels that the machine knows: that of this Python is left.
    kernels = KernelSpecManager(kernel_dirs=[])
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            copy,
            km=AsyncKernelManager(kernel_spec_manager=kernels),
            extra_arguments=["--log-level=ERROR"],
            timeout=SECONDS_PER_CELL,
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute(env=environment(folder))
        except FAILURES as error:
            started = [
                cell for cell in copy.cells if "execution" in cell.metadata
            ]
            raise RuntimeError(
                f"{guide}, cell of line {started[-1].metadata.line}: "
                f"{strip_ansi(str(error))}"
            ) from None
    copy.cells = [title, *cells]
    clean(guide, copy, folder)
    return copy


def environment(folder: str) -> dict[str, str]:
    paths = (str(ROOT), os.environ.get("PYTHONPATH"))
    return {
        **os.environ,
        "IPYTHONDIR": os.path.join(folder, ".ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def clean(
    guide: pathlib.Path, notebook: nbformat.NotebookNode, folder: str
) -> None:
    """Leaves of the outputs what a reader wants to see."""
    places = (str(ROOT), sys.prefix, str(pathlib.Path.home()), folder)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            outputs = [as_stream(output) for output in cell.outputs]
            cell.outputs = [output for output in outputs if output is not None]
    # A progress bar is left in its last state by this.
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            text = output.get("text", "")
            if any(place in text for place in places):
                raise RuntimeError(
                    f"{guide}, cell of line {cell.metadata.line}: it prints a "
                    f"path of this machine:\n{text}"
                )


def as_stream(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """Returns a picture as it is, all else as printed text, or None."""
    if "image/png" in output.get("data", ()):
        return output
    if output.output_type == "stream":
        name, text = output.name, output.text
    else:
        name, text = "stdout", output.data.get("text/plain", "")
        # What a last line such as `model.fit(...)` returns.
        if OBJECT.fullmatch(text):
            return None
        text = text.removesuffix("\n") + "\n"
    printed = strip_ansi(text)
    text = LOGGED.sub("", printed)
    if printed and not text:
        return None
    return nbformat.v4.new_output("stream", name=name, text=text)


def export(
    guide: Guide, notebook: nbformat.NotebookNode, output: pathlib.Path
) -> None:
    """Writes the page of an executed notebook and its pictures."""
    heading, pictures = guide.fields["Title"], 0
    for cell in notebook.cells:
        for line in re.findall(r"^#+ (.*)$", cell.source, re.MULTILINE):
            heading = line if cell.cell_type == "markdown" else heading
        cell.metadata["heading"] = heading
        for made in cell.get("outputs", ()):
            if "image/png" in made.get("data", ()):
                pictures += 1
                made.metadata["filename"] = f"{guide.name}_{pictures}"
    links = addresses(guide)
    notebook.cells[0].source = "\n\n".join(
        [
            f"# {guide.fields['Title']}",
            guide.fields["Description"],
            f"[Open in Colab]({links['colab']}){{ .md-button }}\n"
            f"[Notebook]({guide.name}.ipynb){{ .md-button }}\n"
            f"[Python file]({links['source']}){{ .md-button }}",
        ]
    )
    exporter = nbconvert.MarkdownExporter(
        raw_template=PAGE,
        preprocessors=[ExtractOutputPreprocessor(enabled=True)],
        default_preprocessors=[],
    )
    page, resources = exporter.from_notebook_node(notebook)
    for name, picture in resources["outputs"].items():
        (output / name).write_bytes(picture)
    (output / f"{guide.name}.md").write_text(page, encoding="utf-8")
