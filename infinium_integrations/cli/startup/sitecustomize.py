"""What Python imports at its start under ``infinium-traces run``: the program's own ``sitecustomize``, then us.

Any Python that the program starts comes here, also an old one: no newer syntax than the first Python 3 has.
"""

import os
import sys

__all__ = []

OLDEST = (3, 11)


def run_theirs() -> None:
    """Run the ``sitecustomize`` that would have run without ours, and take ours off the path."""
    ours = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != ours]
    us = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        if "sitecustomize" in sys.modules or getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", us)


def begin() -> None:
    """Have what ``INFINIUM_INSTRUMENT`` names traced, where this Python has our package."""
    try:
        if sys.version_info >= OLDEST:
            import infinium_integrations  # noqa: F401

            return
        reason = "Python %s.%s is older than 3.11" % sys.version_info[:2]
    except ImportError as error:
        reason = str(error)
    if os.environ.get("_INFINIUM_RUN") == str(os.getpid()):  # it is the program, and no child of it
        sys.stderr.write("infinium-traces run: nothing is traced, %s (%s)\n" % (reason, sys.executable))


try:
    run_theirs()
finally:
    begin()
