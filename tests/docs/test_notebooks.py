"""Notebooks are their guides, and leave a machine's backends as they are."""

import ast
import pathlib

import pytest

nbformat = pytest.importorskip("nbformat")
notebooks = pytest.importorskip("notebooks")

ROOT = pathlib.Path(__file__).parent.parent.parent
GUIDES = sorted(ROOT.glob("guides/*.py"))
GUIDE = '''"""
Title: A guide
Description: What it shows.
Accelerator: GPU
"""

"""
## Setup

```shell
pip install keras-reprogram[pictures,tensorflow] scikit-learn
pip install --no-deps musicnn
apt install espeak-ng
```
"""

x = """a string
is no cell"""


def function():
    """Nor is this one."""


"""
## Conclusion
"""
"""
Cells may follow each other.
"""
'''

pytestmark = pytest.mark.numpy_alone


@pytest.fixture
def guide(tmp_path):
    path = tmp_path / "guide.py"
    path.write_text(GUIDE)
    return notebooks.read_guide(path)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_notebook_in_the_repository_is_its_guide(path):
    notebook = notebooks.notebook_of(notebooks.read_guide(path))
    found = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert found == notebooks.written(notebook), "python docs/notebooks.py"
    nbformat.validate(notebook)


def test_every_notebook_has_its_guide():
    names = {path.stem for path in ROOT.glob("guides/*.ipynb")}
    assert names == {path.stem for path in GUIDES}


def test_cells_are_strings_and_the_code_between_them(guide):
    kinds = [(cell.kind, cell.line) for cell in guide.cells]
    assert kinds == [
        ("markdown", 7),
        ("code", 17),
        ("markdown", 25),
        ("markdown", 28),
    ]
    assert (
        guide.cells[1].source
        == GUIDE[GUIDE.index("x =") :].partition('\n\n\n"""\n## C')[0]
    )
    assert guide.cells[3].source == "Cells may follow each other."


def test_first_code_cell_installs_all_but_a_backend(guide):
    cell = notebooks.installation(guide)
    commands = [line for line in cell.splitlines() if line[:1] in "%!"]
    assert [line for line in commands if line] == [
        "!apt-get update --quiet --quiet",
        '%pip install --quiet "keras-reprogram[pictures]" scikit-learn',
        "%pip install --quiet --no-deps musicnn",
        "!apt-get install --yes --quiet espeak-ng",
        "%matplotlib inline",
    ]
    code = "\n".join(line for line in cell.splitlines() if line[:1] not in "%!")
    ast.parse(code)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_guide_installs_the_package_with_a_backend(path):
    guide = notebooks.read_guide(path)
    cell = notebooks.installation(guide)
    assert '%pip install --quiet "keras-reprogram[' in cell
    text = "\n".join(cell.source for cell in guide.cells)
    (extras,) = notebooks.EXTRAS.findall(text)
    # What Colab has of these is left: no extra brings a range of versions.
    assert "tensorflow" in extras.split(",")
    assert not {"examples", "benchmarks", "test"} & {*extras.split(",")}


def test_backend_of_a_notebook_is_the_one_of_its_guide(tmp_path):
    path = tmp_path / "guide.py"
    path.write_text(GUIDE.replace("Accel", "Backend: TensorFlow\nAccel"))
    cell = notebooks.installation(notebooks.read_guide(path))
    assert 'os.environ["KERAS_BACKEND"] = "tensorflow"' in cell
    assert "jax" not in cell


def test_badge_opens_the_notebook_of_the_repository(guide):
    notebook = notebooks.notebook_of(guide)
    path = notebooks.REPOSITORY.removeprefix("https://github.com/")
    address = f"{notebooks.COLAB}github/{path}/blob/main/guides/guide.ipynb"
    first = notebook.cells[0].source
    assert first.startswith("# A guide\n\n[![Open in Colab]")
    assert f"({address})" in first
    assert notebook.metadata["accelerator"] == "GPU"


def test_file_without_fields_is_no_guide(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""A module."""\n')
    with pytest.raises(ValueError, match="Received: module.py"):
        notebooks.read_guide(path)
