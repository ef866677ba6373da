"""Whom LangGraph's server lets in: the trace's user."""

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(authorization: str | None) -> Auth.types.MinimalUserDict:
    return {"identity": (authorization or "nobody").removeprefix("Bearer ")}
