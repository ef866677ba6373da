"""What the tests share. Their isolation is in the conftest.py above, which also serves the README."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def built_site(tmp_path_factory):
    """The folder of the site that `docs/` makes, and what its generator said, a warning being an error."""
    if not all(map(importlib.util.find_spec, ("sphinx", "furo", "myst_parser", "sphinx_click"))):
        pytest.skip("needs the site's generator: uv pip install --group docs")
    for name in ("langchain_core", "llama_index.core"):
        pytest.importorskip(name, reason=f"the site's reference needs {name}")
    out, root = tmp_path_factory.mktemp("site"), Path(__file__).parents[1]
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(root / "docs"), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return out, subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
