"""``infinium-traces demo``: which agent is run. The agents are in ``demo_langchain`` and ``demo_llama_index``."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from infinium_integrations.errors import ConfigurationError
from infinium_integrations.models import TaskData

__all__ = ["run"]


def run(
    framework: str = "langchain",
    *,
    base_url: str | None = None,
    model: str | None = None,
    echo: Callable[..., Any] | None = None,
) -> TaskData | None:
    """Run an agent, tell what it does, and show its trace.

    Args:
        framework: ``"langchain"`` or ``"llama-index"``.
        base_url: An OpenAI-compatible endpoint, in place of the scripted model; with LangChain.
        model: The model's name there.
        echo: What prints; takes ``nl`` and a text, as ``click.echo`` does, which it is by default.

    Returns:
        The trace as it was stored, or None where nothing is stored.

    Raises:
        ConfigurationError: A setting or an argument cannot work; the text says what to do.
        ImportError: The framework is not installed; the text says which extra to install.
    """
    if echo is None:
        import click  # noqa: PLC0415  (a caller that prints by itself needs none)

        echo = click.echo
    endpoint = {"base_url": base_url, "model": model} if base_url and model else {}
    if endpoint and framework != "langchain":
        msg = "--base-url and --model go with the LangChain demo alone: leave the framework out"
        raise ConfigurationError(msg)
    agent = import_module(f"infinium_integrations.cli.demo.{framework.replace('-', '_')}_agent")
    found: TaskData | None = agent.run(echo=echo, **endpoint)
    return found
