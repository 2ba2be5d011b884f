"""What a stranger sees of the project agrees with itself."""

import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from typing import Any

import all_backends
import pytest

import keras_reprogram
from keras_reprogram.saving import program_archive
from keras_reprogram.saving import program_header

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ADDRESS = PROJECT["urls"]["Repository"]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
# Folders of what is generated, beside those whose name begins with a dot.
GENERATED = ("__pycache__", "build", "dist", "node_modules", "output", "site")
CHANGES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")

pytestmark = pytest.mark.numpy_alone


def is_generated(path: pathlib.Path) -> bool:
    hidden = path.name.startswith(".") and path.name not in (".ci", ".github")
    return hidden or path.name in GENERATED or path.suffix == ".egg-info"


def files_under(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The project's files, without what tools have left beside them."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif not is_generated(path):
            yield from files_under(path)


def texts() -> Iterator[tuple[str, str]]:
    for path in files_under(ROOT):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # pictures and arrays
            continue
        yield path.relative_to(ROOT).as_posix(), text


def loaded(path: pathlib.Path) -> Any:
    yaml = pytest.importorskip("yaml")
    # GitHub reads `on` as a word, YAML as true.
    return yaml.load(path.read_text(), yaml.BaseLoader)


def released_versions() -> list[tuple[str, str]]:
    """Version and date of each release in the changelog."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    return re.findall(r"^## \[([\d.]+)\] - (.*)$", changelog, re.MULTILINE)


# A repository, its files, its pages, or its notebooks in Colab.
OWNERS = re.compile(
    r"github(?:usercontent)?(?:\.com)?/([^/\s]+)/keras-reprogram\b"
    r"|//([^./\s]+)\.github\.io/keras-reprogram\b"
)


def test_every_address_is_the_one_in_pyproject():
    (owner,) = re.findall(
        r"^https://github\.com/([\w-]+)/keras-reprogram$", ADDRESS
    )
    found = {
        (path, first or second)
        for path, text in texts()
        if path != "tests/test_project.py"
        for first, second in OWNERS.findall(text)
    }
    others = {path for path, name in found if name.lower() != owner.lower()}
    assert others == set()
    named = {path for path, _ in found}
    assert {"CITATION.cff", "SECURITY.md", "CHANGELOG.md"} <= named
    assert (ROOT / "pyproject.toml").read_text().count(f"{owner}/keras-") == 1


def test_the_site_is_published_on_the_pages_of_the_repository():
    owner, _, name = ADDRESS.removeprefix("https://github.com/").partition("/")
    site = f"https://{owner}.github.io/{name}/"
    assert PROJECT["urls"]["Documentation"] == site


def test_the_newest_release_is_the_version_of_the_package():
    releases = released_versions()
    version, date = releases[0]
    citation = loaded(ROOT / "CITATION.cff")
    assert keras_reprogram.__version__ == version
    assert (citation["version"], citation["date-released"]) == (version, date)
    assert citation["repository-code"] == ADDRESS
    assert citation["abstract"] == PROJECT["description"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


def test_the_changelog_is_kept_by_version_and_kind():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    releases = released_versions()
    assert versions == [
        "[Unreleased]",
        *(f"[{version}] - {date}" for version, date in releases),
    ]
    dates = [date for _, date in releases]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in dates)
    assert dates == sorted(dates, reverse=True)
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert kinds == sorted(kinds, key=CHANGES.index)
        assert len(set(kinds)) == len(kinds)
    newest = releases[0][0]
    links = dict(re.findall(r"^\[(.*)\]: (.*)$", changelog, re.MULTILINE))
    assert links == {
        "Unreleased": f"{ADDRESS}/compare/v{newest}...HEAD",
        **{
            version: f"{ADDRESS}/releases/tag/v{version}"
            for version, _ in releases
        },
    }


def test_links_between_documents_lead_to_files():
    documents = [*ROOT.glob("*.md"), *ROOT.glob(".github/*.md")]
    missing = []
    for document in documents:
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                missing.append(f"{document.name}: {target}")
    assert len(documents) >= 6 and missing == []


def test_the_limits_of_program_files_are_those_that_are_promised():
    promise = (ROOT / "SECURITY.md").read_text()
    header = f"header is at most {program_header.LARGEST_HEADER // 2**20} MiB"
    number = f"at most {program_archive.MOST_VARIABLES:,} and"
    total = f"{program_header.LARGEST_TOTAL // 2**30} GiB together"
    for limit in (header, number, total):
        assert limit in promise


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in loaded(path)["jobs"].items():
            yield f"{path.stem}, {name}", job


def commands() -> str:
    actions = [loaded(path) for path in ROOT.glob(".github/actions/*/*.yml")]
    steps = [step for action in actions for step in action["runs"]["steps"]]
    for _, job in jobs():
        steps += job.get("steps", [])
    return "\n".join(str(step.get("run", "")) for step in steps)


def test_workflows_run_scripts_that_exist():
    text = commands()
    assert text
    for script in (ROOT / ".ci").iterdir():
        text += script.read_text() if script.is_file() else ""
    named = set(re.findall(r"(?<![\w/])(?:\.ci|tests)/[\w/]+(?:\.\w+)?", text))
    assert {
        ".ci/notebook",
        ".ci/package",
        ".ci/schemas",
        "tests/all_backends.py",
    } <= named
    assert [name for name in named if not (ROOT / name).exists()] == []
    called = re.findall(r"^\.ci/\w+$", commands(), re.MULTILINE)
    assert len(called) == 3
    assert all(os.access(ROOT / name, os.X_OK) for name in called)


def test_workflows_may_write_nothing_and_pin_what_they_use():
    for path in WORKFLOWS:
        assert loaded(path)["permissions"] == {"contents": "read"}
    for name, job in jobs():
        if "uses" not in job:
            assert int(job["timeout-minutes"]) <= 60, name
    used = set()
    for path in (ROOT / ".github").rglob("*.yml"):
        used |= set(re.findall(r"uses: (\S+)", path.read_text()))
    local = {name for name in used if name.startswith("./")}
    assert all((ROOT / name).exists() for name in local)
    assert all(re.search(r"@(v\d+|release/v1)$", name) for name in used - local)


def test_what_is_published_was_tested_and_built_from_the_tag():
    publishing = loaded(ROOT / ".github/workflows/publish.yml")
    publish = publishing["jobs"]["publish"]
    pages = loaded(ROOT / ".github/workflows/docs.yml")["jobs"]["publish"]
    assert publishing["on"] == {"push": {"tags": ["v*"]}}
    assert set(publish["needs"]) == {"tests", "package"}
    assert publish["permissions"] == {"id-token": "write"}
    writers = [name for name, job in jobs() if "permissions" in job]
    assert writers == ["docs, publish", "publish, publish"]
    assert pages["permissions"] == {"id-token": "write", "pages": "write"}
    assert (pages["needs"], pages["if"]) == (
        "build",
        "github.ref == 'refs/heads/main'",
    )
    for need in publish["needs"]:
        called = ROOT / publishing["jobs"][need]["uses"]
        assert "workflow_call" in loaded(called)["on"]


def test_tests_cover_each_backend_on_the_oldest_and_newest_python():
    tests = loaded(ROOT / ".github/workflows/tests.yml")["jobs"]
    matrix = tests["backends"]["strategy"]["matrix"]
    assert tuple(matrix["backend"]) == all_backends.BACKENDS
    pythons = re.findall(r":: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == [pythons[0], pythons[-1]]
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    assert {*matrix["backend"]} <= {*PROJECT["optional-dependencies"]}


def test_jobs_of_one_backend_and_of_the_core_are_all_jobs():
    chosen = [
        job
        for backend in all_backends.BACKENDS
        for job in all_backends.jobs_of(backend, [])
    ]
    assert sorted(chosen) == sorted(all_backends.JOBS)
    assert all_backends.jobs_of(None, []) == all_backends.JOBS
    (core,) = all_backends.jobs_of("core", [])
    assert core in all_backends.JOBS and core[0] == "jax"
    assert all_backends.jobs_of("jax", ["-x"]) == [("jax", "-x")]
    (chosen_core,) = all_backends.jobs_of("core", ["-x"])
    assert chosen_core == ("jax", *all_backends.CORE_ALONE, "-x")


def test_hooks_are_local():
    (repository,) = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"].split()[2] for hook in repository["hooks"]] == [
        "ruff",
        "ruff",
        "mypy",
    ]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the wheel and the source distribution."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("project")
    for path in files_under(ROOT):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    code = (
        "from setuptools import build_meta; "
        "build_meta.build_sdist('dist'); build_meta.build_wheel('dist')"
    )
    (folder / "dist").mkdir()
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "dist"


def test_a_wheel_holds_the_package_alone(distributions):
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith("/METADATA")]
        text = archive.read(metadata).decode()
    information = metadata.rpartition("/")[0]
    assert f"{information}/licenses/LICENSE" in names
    assert "Author: keras-reprogram contributors" in text
    assert f"Project-URL: Repository, {ADDRESS}" in text
    assert {name for name in names if not name.startswith(information)} == {
        path.relative_to(ROOT).as_posix()
        for path in files_under(ROOT / "keras_reprogram")
    }


def test_a_source_distribution_holds_what_the_tests_need(distributions):
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {
            name.partition("/")[2]
            for name in file.getnames()
            if not file.getmember(name).isdir()
        }
    folders = ("benchmarks", "docs", "examples", "guides", "tests")
    expected = {
        path.relative_to(ROOT).as_posix()
        for folder in (*folders, "keras_reprogram", ".ci", ".github")
        for path in files_under(ROOT / folder)
    }
    expected |= {path.name for path in ROOT.glob("*.md")}
    expected |= {"CITATION.cff", "LICENSE", "pyproject.toml"}
    assert expected - names == set()
    assert [name for name in names if "__pycache__" in name] == []
    assert archive.stat().st_size < 5 * 2**20
