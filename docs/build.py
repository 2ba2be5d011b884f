"""Builds the documentation site.

    pip install -e '.[docs]'
    python docs/build.py

writes it to `site/`. A warning is an error, and so is a link that leads
nowhere. The guides are executed, and kept in `docs/output/cache` until they or
the package change: a cold build takes up to 20 minutes, a warm one less than
one. `--unexecuted` leaves their outputs out.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
from typing import Any

import links
import method_entries
import navigation
import notebooks
import reference

import guides

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"
OUTPUT = DOCS / "output"
PAGES = OUTPUT / "pages"
SITE = ROOT / "site"
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
REPOSITORY = URLS["Repository"]
# Griffe, which reads the docstrings, warns without being counted.
WARNINGS = ("griffe:", "WARNING", "Warning:")
GUIDES = """\
# Guides

Each guide explains a task from the data to the result, with the outputs of its
code. A guide is also a notebook.
"""
COLORS = re.compile(r"\x1b\[[\d;]*m")


def guide_pages(execute: bool) -> None:
    """Writes the pages of the guides, and one that lists them."""
    folder = PAGES / "guides"
    folder.mkdir()
    rows = []
    for path in sorted((ROOT / "guides").glob("*.py")):
        guide = notebooks.read_guide(path)
        fields = guide.fields
        rows.append(
            f"| [{fields['Title']}]({guide.name}.md) "
            f"| {fields['Description']} |"
        )
        if execute:
            guides.render(path, folder, OUTPUT / "cache")
        else:
            guides.export(guide, notebooks.notebook_of(guide), folder)
            shutil.copy(path.with_suffix(".ipynb"), folder)
    lines = [GUIDES, "| | |", "|---|---|", *rows]
    (folder / "index.md").write_text("\n".join(lines), encoding="utf-8")


def write_pages(execute: bool) -> None:
    """Puts together all pages that the site has."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(DOCS / "pages", PAGES)
    for page in PAGES.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        for picture in links.pictures_of(text):
            if not (PAGES / picture).exists():
                (PAGES / picture).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / picture, PAGES / picture)
        text = links.to_repository(text, ROOT, REPOSITORY)
        page.write_text(text, encoding="utf-8")
    reference.write(PAGES / "api")
    method_entries.write(PAGES / "methods", REPOSITORY)
    (PAGES / "benchmarks").mkdir(exist_ok=True)
    report = method_entries.measured(REPOSITORY)
    (PAGES / "benchmarks" / "methods.md").write_text(report, encoding="utf-8")
    guide_pages(execute)
    demo_pages()


def demo_pages() -> None:
    """Exports the demo in a process of its own, unless its files are kept."""
    digest = guides.cache_key(*sorted((DOCS / "demo").glob("*.*")))
    kept = OUTPUT / "cache" / f"demo-{digest[:16]}"
    # Written last.
    if not (kept / "details.json").exists():
        command = [sys.executable, str(DOCS / "demo" / "export.py")]
        subprocess.run([*command, "--output", str(kept)], check=True)
    shutil.copytree(kept, PAGES / "demo")


def written_configuration() -> pathlib.Path:
    """The configuration with the addresses and the navigation."""
    text = (DOCS / "zensical.toml").read_text(encoding="utf-8")
    lines = [
        "[project]",
        f"site_url = {json.dumps(URLS['Documentation'])}",
        f"repo_url = {json.dumps(REPOSITORY)}",
        f"repo_name = {json.dumps(REPOSITORY.partition('.com/')[2])}",
        f"nav = {in_toml(navigation.entries(PAGES))}",
    ]
    path = OUTPUT / "zensical.toml"
    path.write_text(text.replace("[project]", "\n".join(lines), 1))
    return path


def in_toml(value: Any) -> str:
    """Strings, lists and tables in one line of TOML."""
    if isinstance(value, list):
        return f"[{', '.join(map(in_toml, value))}]"
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(key)} = {in_toml(item)}"
            for key, item in value.items()
        )
        return f"{{ {', '.join(pairs)} }}"
    return json.dumps(value)


def run_zensical(configuration: pathlib.Path) -> None:
    """Builds strictly, and stops at what Zensical does not count."""
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    process = subprocess.run(
        [*command, "--clean", "--config-file", str(configuration)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=configuration.parent,
    )
    output = COLORS.sub("", process.stdout)
    print(output)
    lines = output.splitlines()
    warnings = [line for line in lines if any(map(line.count, WARNINGS))]
    if process.returncode or warnings:
        sys.exit(f"The site has {len(warnings)} warnings.")


def check_links() -> None:
    """Stops at a link that leads nowhere, in guides and docstrings too."""
    faults = list(links.faults_of(OUTPUT / "site", URLS["Documentation"]))
    if faults:
        sys.exit("\n".join([*faults, f"The site has {len(faults)} faults."]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--unexecuted",
        action="store_true",
        help="Show the guides without their outputs, for a quick look.",
    )
    write_pages(execute=not parser.parse_args().unexecuted)
    run_zensical(written_configuration())
    check_links()
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(OUTPUT / "site", SITE)


if __name__ == "__main__":
    main()
