"""Prompt templates that are handed on as values: their text, not what they are made of."""

from typing import Any

__all__ = ["template_of"]

MESSAGES_READ = 100
_MODULE = "langchain_core.prompts."
_ROLES = {
    "SystemMessagePromptTemplate": "system",
    "HumanMessagePromptTemplate": "user",
    "AIMessagePromptTemplate": "assistant",
}


def template_of(value: object) -> object:
    """Return the text of a template, or its messages by role; None where the value is no template that is known."""
    if not type(value).__module__.startswith(_MODULE):
        return None
    held: dict[str, Any] = getattr(value, "__dict__", {})
    if type(held.get("messages")) is list:
        return [_message(one) for one in held["messages"][:MESSAGES_READ]]
    if type(held.get("template")) is str:
        return held["template"]
    if type(held.get("suffix")) is str:
        return [text for text in (held.get("prefix"), held["suffix"]) if type(text) is str and text]
    return None


def _message(message: object) -> object:
    held: dict[str, Any] = getattr(message, "__dict__", {})
    prompt = held.get("prompt")
    if type(prompt) is list:  # text beside pictures
        text: object = [template_of(one) for one in prompt[:MESSAGES_READ]]
    elif prompt is not None:
        text = template_of(prompt)
    elif type(held.get("variable_name")) is str:
        return {"messages": held["variable_name"]}
    else:
        return message
    role = _ROLES.get(type(message).__name__) or held.get("role")
    return {role if type(role) is str else "message": text}
