"""A trace as HTML: the same markup for the page and for a notebook, without a line of script.

Everything foreign is escaped by the templates, and its invisible characters are made visible.
"""

import base64
import hashlib
import re
import secrets
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined

from infinium_integrations.models import SECTIONS, TaskData
from infinium_integrations.viewer import formatting, summary
from infinium_integrations.viewer.conversation import Conversation
from infinium_integrations.viewer.html.panels import Panels
from infinium_integrations.viewer.timeline import Item, Tree

__all__ = [
    "document",
    "environment",
    "fragment",
    "notebook_context",
    "render_fragment",
    "render_trace",
    "static_files",
    "step_panel",
    "style",
    "trace_context",
]

HERE = resources.files(__package__)
"""The package's files, which may be in a zip file."""
_SCOPE = re.compile(r"(?:\.ifm(?![-\w]))+(?!, )")
"""Where a rule is bound to the class; what only sets colours' names and schemes begins a list of selectors with it."""
TEXTBAR = 24
SHOWN_PAIRS = 1_000
STEP_ROOM = 4_000_000
"""Characters of HTML that the earlier messages of one step take, where it is shown alone."""
STEP_CHARS = 100_000
"""Characters of each text, where a step is shown alone."""
NOTEBOOK_STEPS = 2_000
"""A notebook is a file that people share: of a longer run it holds only the texts of the steps that stand out."""


def render_trace(task: TaskData, *, standalone: bool) -> str:
    """Render a trace as HTML; may be called from any thread.

    Args:
        task: The trace.
        standalone: True for a whole HTML document, to be saved as a file; False for a fragment of HTML with its
            styles, to be shown in a notebook. Neither holds a script nor asks for anything from elsewhere.

    Returns:
        The HTML.

    Example:
        >>> from infinium_integrations.viewer.html.render import render_trace
        >>> from infinium_integrations import TaskData
        >>> ended = "2026-01-02T03:04:05Z"
        >>> task = TaskData(name="Triage", description="Sort a ticket", duration=1.5, current_datetime=ended)
        >>> render_trace(task, standalone=True).startswith("<!doctype html>")
        True
    """
    if standalone:
        return document(task.name, "trace.html", trace_context(task))
    return fragment("trace.html", notebook_context(task))


def fragment(template: str, context: dict[str, object]) -> str:
    """Return a template's HTML with the styles it needs, for a notebook."""
    return f"<style>{style()}</style>{render_fragment(template, context)}"


def document(title: str, template: str, context: dict[str, object]) -> str:
    """Return a template's HTML as a whole document that forbids everything but its own styles."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    body = render_fragment(template, context)
    return environment().get_template("document.html").render(title=title, style=style(), body=body, policy=policy)


def notebook_context(task: TaskData) -> dict[str, object]:
    """Return what the template ``trace.html`` needs in a notebook, beside other traces and perhaps without styles."""
    return trace_context(task, ids=f"i{secrets.token_hex(4)}-", plain=True, heading="h3")


def trace_context(
    task: TaskData,
    *,
    ids: str = "",
    plain: bool = False,
    heading: str = "h1",
    session_link: str | None = None,
    address: str = "",
) -> dict[str, object]:
    """Return what the template ``trace.html`` needs.

    Args:
        task: The trace.
        ids: What its anchors begin with, so that several traces fit in one document.
        plain: Whether to add what is read where styles are taken away.
        heading: The element of its title.
        session_link: Where its session is shown.
        address: Where the page's server has the trace; empty where the HTML stands alone.
    """
    sections = {name: getattr(task, name) for name in (*SECTIONS, "prompt_studio")}
    huge = plain and len(task.steps or []) > NOTEBOOK_STEPS
    tree, conversation = Tree(task), Conversation(task)
    panels = Panels(environment(), tree, conversation, ids, address)
    panels.render((lambda node: node.failed or node.slow or node.hungry) if huge else (lambda _: True))
    return {
        "task": task,
        "tree": tree,
        "huge": huge,
        "panels": panels,
        "conversation": conversation,
        "facts": summary.TraceSummary(task),
        "sections": [
            (name.replace("_", " ").capitalize(), formatting.pretty(section.model_dump(exclude_none=True)))
            for name, section in sections.items()
            if section is not None
        ],
        "ids": ids,
        "plain": plain,
        "heading": heading,
        "session_link": session_link,
    }


def step_panel(task: TaskData, number: int, address: str) -> str | None:
    """Return what one step unfolds to, with all messages that it was given; None where there is no such step."""
    tree = Tree(task)
    node = next((node for node in tree.nodes if node.step.step_number == number), None)
    if node is None:
        return None
    if node.parent is not None and node.parent.inner is node:
        node = node.parent
    panels = Panels(environment(), tree, Conversation(task), address=address, repeated=STEP_ROOM, chars=STEP_CHARS)
    return panels.whole(node)


def render_fragment(template: str, context: dict[str, object]) -> str:
    """Return a template's HTML, without styles."""
    return environment().get_template(template).render(context)


@cache
def static_files() -> dict[str, bytes]:
    """Return the files that pages refer to, by their names."""
    return {file.name: file.read_bytes() for file in (HERE / "static").iterdir() if file.is_file()}


@cache
def style() -> str:
    """Return the style sheet of traces, comparisons and tables; all its rules are bound to the class ``ifm``.

    Each weighs two classes more than it does in a page of ours: JupyterLab's rules weigh as much as two.
    """
    lines = (HERE / "static" / "trace.css").read_text("utf-8").splitlines()
    rules = "\n".join(line.strip() for line in lines if line.strip() and not line.startswith("/*"))
    return _SCOPE.sub(r"\g<0>.ifm.ifm", rules)


@cache
def environment() -> Environment:
    """Return the one template environment: autoescaping on, undefined names an error."""
    made = Environment(
        loader=FunctionLoader(lambda name: (HERE / "templates" / name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: formatting.clean(value) if type(value) is str else value,
    )
    made.filters.update(
        clipped=formatting.clipped,
        cost=formatting.cost,
        count=formatting.count,
        counted=formatting.counted,
        differing=formatting.differing,
        one_line=lambda value, limit: formatting.one_line(str(value), limit),
        duration=formatting.duration,
        line=lambda value, limit: formatting.clipped_line(str(value), limit),
        moment=formatting.moment,
        number=lambda value: formatting.number(value) or 0.0,
        seconds=formatting.seconds,
        share=lambda value: f"{value:.2f}".rstrip("0").rstrip(".") + "%",
        tags=summary.split_tags,
        textbar=_textbar,
        tick=formatting.tick,
        utc=formatting.utc,
    )
    made.globals.update(
        alike=summary.alike,
        bookkeeping=summary.BOOKKEEPING,
        documents=summary.documents,
        whole_documents=summary.whole_documents,
        questions=summary.questions,
        error_facts=summary.error_facts,
        kind=summary.kind,
        leftovers=summary.leftovers,
        marks=summary.MARKS,
        step_facts=summary.step_facts,
        texts=summary.texts,
        shown_pairs=SHOWN_PAIRS,
        word_changes=formatting.word_changes,
    )
    return made


def _textbar(item: Item, tree: Tree) -> str:
    first = min(TEXTBAR - 1, int(tree.share(item.start) * TEXTBAR / 100))
    last = min(TEXTBAR - 1, int(tree.share(item.end) * TEXTBAR / 100))
    return "·" * first + "█" * (last - first + 1) + "·" * (TEXTBAR - 1 - last)
