"""Runs the README's Python code with the wheel that is installed.

python .ci/readme_code.py dist/keras_reprogram-0.2.0-py3-none-any.whl
"""

import importlib.metadata
import pathlib
import re
import sys
import zipfile

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"
FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def modules(record: str) -> set[str]:
    """The lines about the package's files, each with its digest."""
    lines = record.splitlines()
    return {
        line
        for line in lines
        if line.startswith("keras_reprogram/") and ".pyc" not in line
    }


def check_installed(wheel: str) -> None:
    """Raises unless what is installed is what the wheel holds."""
    installed = importlib.metadata.distribution("keras-reprogram")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [
            name
            for name in archive.namelist()
            if name.endswith(".dist-info/RECORD")
        ]
        expected = modules(archive.read(name).decode())
    if not expected or modules(installed.read_text("RECORD") or "") != expected:
        raise SystemExit(f"Another package than {wheel} is installed.")


def main() -> None:
    check_installed(sys.argv[1])
    code = "\n".join(FENCE.findall(README.read_text(encoding="utf-8")))
    if not code:
        raise SystemExit("The README has no Python code.")
    print(code)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
