"""A plugin for pytest (``-p instrumented``): every run of the tests' frameworks is traced."""

import infinium_integrations


def pytest_configure():
    infinium_integrations.instrument()
