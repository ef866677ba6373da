"""The platform's HTTP contract without I/O of its own: requests, replies, retries and rate limits."""

__all__: list[str] = []
