"""The lock on Windows, with a stand-in for its module."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from infinium_integrations.storage import locks


@pytest.mark.parametrize(
    ("error", "taken"),
    [(None, True), (PermissionError(13, "Permission denied"), False), (OSError(22, "Invalid"), True)],
)
def test_on_windows_a_lock_that_another_has_is_not_taken(monkeypatch, tmp_path, error, taken):
    calls = []

    def locking(_handle, mode, size):
        calls.append((mode, size))
        if error is not None:
            raise error

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2, LK_UNLCK=0))
    spec = importlib.util.spec_from_file_location("windows_locks", locks.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lock = module.Lock(tmp_path / ".lock")
    assert lock.take() is taken
    lock.release()
    assert calls == [(2, 1)] + [(0, 1)] * (error is None)
