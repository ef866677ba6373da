"""``infinium-traces demo``: a small support agent on the framework of your choice, recorded as yours would be."""

from collections.abc import Callable

from infinium_integrations.cli.demo.script import Echo
from infinium_integrations.models import TaskData

__all__ = ["agent_of", "run"]


def run(
    framework: str = "langchain",
    *,
    base_url: str | None = None,
    model: str | None = None,
    echo: Echo | None = None,
) -> TaskData | None:
    """Run an agent, narrate what it does, and show its trace.

    Args:
        framework: ``"langchain"`` or ``"llama-index"``.
        base_url: An OpenAI-compatible endpoint, in place of the scripted model; with LangChain.
        model: The model's name there.
        echo: What prints; takes ``nl`` and a text, as ``click.echo`` does, which it is by default.

    Returns:
        The trace as it was stored, or None where nothing is stored.

    Raises:
        ConfigurationError: A setting or an argument cannot work; the text says what to do.
        ImportError: The framework is not installed.
    """
    if echo is None:
        import click  # noqa: PLC0415  (a caller that prints by itself needs none)

        echo = click.echo
    return agent_of(framework)(echo, base_url=base_url, model=model)


def agent_of(framework: str) -> Callable[..., TaskData | None]:
    """Import a framework's agent, and nothing of the other framework; return what runs it.

    Raises:
        ImportError: The framework is not installed.
    """
    if framework == "langchain":
        from infinium_integrations.cli.demo.langchain_agent import run as run_langchain  # noqa: PLC0415

        return run_langchain
    from infinium_integrations.cli.demo.llama_index_agent import run as run_llama_index  # noqa: PLC0415

    return run_llama_index
