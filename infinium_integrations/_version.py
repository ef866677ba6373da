"""The version, once: the build, the ``User-Agent`` and ``infinium-traces --version`` read it here."""

__all__ = ["__version__"]

__version__ = "0.1.0"
