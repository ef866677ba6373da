"""Faults of ours, one at a time, at every line that a program reaches."""

import contextvars
import sys


class Injected(Exception):
    """A fault of ours."""


class _Injector:
    """Raises at the n-th line of the package that is reached."""

    def __init__(self, at, spared):
        self.left = at
        self.spared = spared
        self.fired = False

    def trace(self, frame, event, _):
        code = frame.f_code
        if "infinium_integrations" not in code.co_filename or "/tests/" in code.co_filename:
            return None
        return None if code.co_name in self.spared or code.co_qualname.partition(".")[0] in self.spared else self.line

    def line(self, frame, event, _):
        if event == "line" and not self.fired:
            self.left -= 1
            if self.left <= 0:
                self.fired = True
                raise Injected
        return self.line


def injected(program, at, spared=()):
    """Run a program with a fault at the n-th line of ours; return what it returned or raised, and whether it fired.

    No fault is injected into the functions and classes that are spared.
    """
    injector, before = _Injector(at, spared), sys.gettrace()
    sys.settrace(injector.trace)
    try:
        result = contextvars.copy_context().run(program)  # what a fault leaves in the context stays there
    except Exception as error:
        result = error
    finally:
        sys.settrace(before)
    return result, injector.fired
