"""A folder with programs of examples, a platform, and an account there."""

from pathlib import Path

import pytest
from delivery_kit import account
from faultserver import FaultServer
from server_kit import EXAMPLES


@pytest.fixture
def infinium():
    with FaultServer() as server:
        yield server


@pytest.fixture
def env(infinium, tmp_path):
    return account(infinium.url, tmp_path / "store")


@pytest.fixture
def written(tmp_path):
    """Write examples into a folder; a pair of texts replaces one by the other."""

    def write(*names, **replaced):
        for name in names:
            text = (EXAMPLES / name).read_text()
            for old, new in replaced.get("instead", ()):
                assert old in text
                text = text.replace(old, new)
            (tmp_path / Path(name).name).write_text(text)
        return tmp_path

    return write
