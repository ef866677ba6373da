"""What is built can be published, and what is installed from it works."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import infinium_integrations

pytest.importorskip("hatchling", reason="uv pip install --group test")
pytest.importorskip("build", reason="uv pip install --group test")

ROOT = Path(__file__).parents[1]
NAME = f"infinium_integrations-{infinium_integrations.__version__}"
IN_THE_ARCHIVE = [
    ".ci/run",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "conftest.py",
    "notebooks/01_langchain.ipynb",
    "pyproject.toml",
    "tests/test_distribution.py",
    "tox.ini",
    "toxfile.py",
]


def python(*arguments, by=sys.executable, **options):
    """Run a Python program to its end and give what it printed."""
    done = subprocess.run([by, *arguments], capture_output=True, text=True, timeout=100, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The archive, and the wheel that is built from the archive alone, without .git."""
    into = tmp_path_factory.mktemp("dist")
    python("-m", "build", "--no-isolation", "--outdir", str(into), str(ROOT), cwd=into)
    [archive], [wheel] = into.glob("*.tar.gz"), into.glob("*.whl")
    return archive, wheel


def test_the_files_have_the_version_of_the_package(built):
    assert [path.name for path in built] == [f"{NAME}.tar.gz", f"{NAME}-py3-none-any.whl"]


def test_they_can_be_published(built):
    # among the oldest packages, twine's own is too old
    pytest.importorskip("twine.package", reason="uv pip install --group test", exc_type=ImportError)
    pytest.importorskip("packaging", minversion="26.0")  # that of LangChain 1.0 does not know today's metadata
    assert python("-m", "twine", "check", "--strict", *map(str, built)).count("PASSED") == 2


def test_the_archive_has_what_the_tests_need_and_no_more(built):
    with tarfile.open(built[0]) as archive:
        names = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    assert set(IN_THE_ARCHIVE) <= names
    assert [name for name in names if ".git/" in name or "__pycache__" in name or ".tox" in name] == []


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built):
    package = ROOT / "infinium_integrations"
    ours = {
        str(path.relative_to(ROOT)) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(built[1]) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == {*ours, "_infinium_pytestplugin.py"}
    assert "infinium_integrations/py.typed" in found


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A fresh environment with the wheel in it, and this environment's packages behind it."""
    pytest.importorskip("pip", reason="uv pip install --group test")
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=False, symlinks=True)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    fresh = str(scripts / "python")
    python("-m", "pip", "--python", fresh, "install", "--quiet", "--no-deps", "--no-index", str(built[1]))
    site = Path(python("-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')", by=fresh))
    (site / "behind.pth").write_text(sysconfig.get_path("purelib"))
    return scripts


USE = """
import importlib.metadata
import infinium_integrations
from infinium_integrations import flush, trace, traces

with trace("From the wheel"):
    pass
assert flush(30)
[task] = traces()
print(infinium_integrations.__file__)
print(importlib.metadata.version("infinium-integrations"), task.name)
"""


def test_an_installed_wheel_records_and_shows_a_trace(installed, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["INFINIUM_STORE"] = str(tmp_path)
    options = {"by": str(installed / "python"), "cwd": tmp_path, "env": environment}
    where, said = python("-c", USE, **options).splitlines()
    assert Path(where).is_relative_to(installed.parent)
    assert said == f"{infinium_integrations.__version__} From the wheel"
    script = str(installed / "infinium-traces")
    assert infinium_integrations.__version__ in python(script, "--version", **options)
    assert "From the wheel" in python(script, "list", **options)


TEST = """
def test_it(infinium_traces):
    from infinium_integrations import trace
    with trace("Under test"):
        pass
    assert [task.name for task in infinium_traces] == ["Under test"]
"""


def test_pytest_finds_the_fixture_of_an_installed_wheel_and_warns_of_nothing(installed, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    (tmp_path / "test_it.py").write_text(TEST)
    options = {"by": str(installed / "python"), "cwd": tmp_path, "env": environment}
    plain = ["-W", "error", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider"]
    assert "1 passed" in python("-m", "pytest", *plain, **options)
    first = (
        f"import sys, infinium_integrations, pytest; sys.exit(pytest.main({plain}))"  # as `infinium-traces run` does
    )
    assert "1 passed" in python("-c", first, **options)
