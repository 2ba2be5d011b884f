"""The scripts that build the site find each other as in their folder."""

import pathlib
import sys

DOCS = pathlib.Path(__file__).parent.parent.parent / "docs"
# Behind what is installed: the package `build` is another than `build.py`.
sys.path.append(str(DOCS))
