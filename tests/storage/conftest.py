"""What the tests of storage and delivery share."""

from delivery_fixtures import _fresh_process, deliver, serve, store

__all__ = ["_fresh_process", "deliver", "serve", "store"]
