"""Pages of guides show what was printed, and only what a reader wants."""

import pathlib

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("nbconvert")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")
guides = pytest.importorskip("guides")

GUIDE = r'''"""
Title: A guide
Description: What it shows.
Accelerator: None
"""

"""
## A picture
"""

import pathlib
import sys
import warnings

from matplotlib.figure import Figure

pathlib.Path("file").write_text("")
warnings.warn("Look out.")
print("2026-11-27 00:30:12.123: I tensorflow/core: a log", file=sys.stderr)
print(f"{2 + 2} \x1b[1mdigits\x1b[0m")
figure = Figure(figsize=(1, 1))
axes = figure.subplots()
figure.get_axes()[0].figure


"""
## Bars
"""

for step in range(3):
    sys.stdout.write("\b\b\b\b\b" + "\r" + f"{step + 1}/3")
sys.stdout.write("\n")
object()
'''

pytestmark = pytest.mark.numpy_alone


def test_page_shows_what_was_printed_and_drawn(tmp_path, monkeypatch):
    path, output = tmp_path / "guide.py", tmp_path / "output"
    path.write_text(GUIDE)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    guides.render(path, output, tmp_path / "cache")
    assert [*folder.iterdir()] == []
    page = (output / "guide.md").read_text()
    assert page.startswith("# A guide\n\nWhat it shows.\n\n[Open in Colab](")
    assert "```text\n4 digits\n```" in page
    assert "```text\nUserWarning: Look out.\n```" in page
    assert "\n```text\n3/3\n```" in page
    assert "![A picture](guide_1.png)" in page
    assert (output / "guide_1.png").read_bytes().startswith(b"\x89PNG")
    assert (output / "guide.ipynb").exists()
    for unwanted in ("\x1b", "\b", " at 0x", "a log", "<pre"):
        assert unwanted not in page.replace(GUIDE, "").replace('a log", f', "")


def test_guide_is_executed_again_when_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "guide.py"
    executed = []

    def execute(guide, notebook):
        executed.append(guide.read_text())
        return notebook

    monkeypatch.setattr(guides, "execute", execute)
    text = GUIDE.partition("for step")[0]
    for content in (text, text, text + "1", text):
        path.write_text(content)
        guides.render(path, tmp_path, tmp_path / "cache")
    assert executed == [text, text + "1", text]
    monkeypatch.setenv("KERAS_BACKEND", "another")
    guides.render(path, tmp_path, tmp_path / "cache")
    assert len(executed) == 4


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import os\n\nprint(os.getcwd())", "a path of this machine"),
        ("import os\n\nos._exit(1)", "died"),
    ],
)
def test_failure_names_the_guide_and_the_line_of_its_cell(
    tmp_path, code, message
):
    path = tmp_path / "guide.py"
    head = GUIDE.partition("import pathlib")[0]
    path.write_text(f'{head}x = 1\n\n"""\nNext.\n"""\n\n{code}\n')
    with pytest.raises(RuntimeError, match=f"line 17: (.|\n)*{message}"):
        guides.render(path, tmp_path / "output", tmp_path / "cache")
    assert not (tmp_path / "output" / "guide.md").exists()


def test_cache_is_ignored_by_git():
    root = pathlib.Path(guides.__file__).parent.parent
    assert "output/" in (root / ".gitignore").read_text().split()
