"""What tox.ini can't say: where pyenv keeps its Pythons, and how uv is to behave."""

import os
from pathlib import Path

from tox.plugin import impl


@impl
def tox_register_tox_env(register: object) -> None:  # noqa: ARG001  (the earliest call that a plugin gets)
    """Put pyenv's Pythons at the end of the PATH; have uv trust what the system trusts, and fetch no Python."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found = sorted(str(path) for path in root.glob("versions/3.1[1-9]*/bin"))
    known = os.environ["PATH"].split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*known, *(path for path in found if path not in known)])
    os.environ.setdefault("UV_SYSTEM_CERTS", "true")
    os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
