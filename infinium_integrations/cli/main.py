"""``infinium-traces``: look at traces in a terminal, send what waits, and find out what is wrong."""

import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, cast

import click

from infinium_integrations import runtime, settings
from infinium_integrations.errors import InfiniumError, did_you_mean
from infinium_integrations.models import TaskData

if TYPE_CHECKING:
    from infinium_integrations.storage.index.language import QueryError
    from infinium_integrations.storage.index.query import Row
    from infinium_integrations.storage.reader import TraceReader

__all__ = ["main"]

FINDING_MARKS = {
    "good": click.style("✓", fg="green"),
    "note": "·",
    "warning": click.style("!", fg="yellow"),
    "bad": click.style("✕", fg="red"),
}


class _Group(click.Group):
    """Our own errors are one line, without a traceback; NO_COLOR is respected."""

    def invoke(self, ctx: click.Context) -> object:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        from infinium_integrations.viewer.terminal.columns import PLAIN  # noqa: PLC0415

        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors=PLAIN)  # for a terminal that has no box-drawing characters
        try:
            return super().invoke(ctx)
        except InfiniumError as error:
            from infinium_integrations.viewer.formatting import printable  # noqa: PLC0415

            text = printable(str(error))
        raise click.ClickException(text)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="infinium-integrations", message="infinium-traces %(version)s")
def main() -> None:
    """Traces of your LangChain, LangGraph and LlamaIndex runs."""


# --- looking ----------------------------------------------------------------------------------------------------------


class _Since(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no generic one
    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from infinium_integrations.storage.index.language import moment_of  # noqa: PLC0415

        try:
            return moment_of(value, datetime.now(UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("give a span such as 30m, 12h or 7d, or a date such as 2026-01-31", param, ctx)


class _Checked(click.ParamType):  # type: ignore[type-arg]
    """A text that a query may have: what is wrong with another is said by what reads queries."""

    def check(self, value: str) -> None:
        raise NotImplementedError

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            self.check(value)
        except InfiniumError as error:
            self.fail(str(error), param, ctx)
        return value


class _Status(_Checked):
    name = "status"

    def check(self, value: str) -> None:
        from infinium_integrations.storage.index.language import check_status  # noqa: PLC0415

        check_status(value)


class _Column(_Checked):
    name = "column"

    def check(self, value: str) -> None:
        from infinium_integrations.storage.index.query import check_sort  # noqa: PLC0415

        check_sort(value)


class _MalformedError(click.ClickException):
    exit_code = 2


class _Asking(click.Command):
    """A command with a query: what negates something in it is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        negated = [arg for arg in args if re.match(r'-([A-Za-z_]{2,}[:<>=]|["“])', arg)]
        rest = [arg for arg in args if arg not in negated]
        return super().parse_args(ctx, [*rest, *(["--", *negated] if negated else [])])


@main.command("list", cls=_Asking, short_help="List runs: all, or those that a QUERY finds.")
@click.argument("query", nargs=-1, metavar="[QUERY]")
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many; the latest.")
@click.option(
    "--sort", metavar="COLUMN", type=_Column(), default="-ended", help="Such as duration, or -cost: the greatest first."
)
@click.option("--status", type=_Status(), help="Of the run (ok, error, …) or of the delivery (local, pending, …).")
@click.option("--name", help="Only runs with this in their name, upper and lower case alike.")
@click.option("--since", type=_Since(), help="Such as 30m, 12h, 7d, or a date in UTC: 2026-01-31.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(
    query: tuple[str, ...],
    *,
    limit: int,
    sort: str,
    status: str | None,
    name: str | None,
    since: datetime | None,
    as_json: bool,
) -> None:
    """List the latest runs, or those that a QUERY finds.

    A QUERY is words and fields, all of which must hold; put it in single quotes:

    \b
      infinium-traces list 'tool:refund_order status:error'
      infinium-traces list 'model:gpt-4o tokens>5000 since:2d'
      infinium-traces list 'error:Timeout -user:u-1 "exact words"'

    Words are looked for in names, errors, previews and in what the model and the tools saw and said. The fields of
    steps (tool, model, error, agent, node, step) hold for one and the same step, and a status beside them too; alone it
    is the run's. The others are name, user, session, tag, id, tokens, cost, steps, errors, duration, since and before.

    Without a QUERY, runs that go on in whatever process stand on top, with their open step; --json has only ended ones.
    """  # noqa: D301  (click's mark: these lines stay as they are)
    with _query_errors():
        found = _reader().traces(
            query=" ".join(query), limit=limit, sort=sort, status=cast("Any", status), name=name, since=since
        )
        running = [] if as_json or status or query else _running(name)
    if as_json:
        for task in found:
            click.echo(_json(_facts(task), indent=None))
    elif found or running:
        from infinium_integrations.viewer.terminal.render import table  # noqa: PLC0415

        _print(table([*running, *found], _columns()))
    else:
        click.echo(_nothing(filtered=any((*query, status, name, since))))


@contextlib.contextmanager
def _query_errors() -> Iterator[None]:
    """Tell of a malformed query with its place, and exit code 2."""
    from infinium_integrations.storage.index.language import QueryError  # noqa: PLC0415

    try:
        yield
    except QueryError as error:
        raise _MalformedError(_pointed(error)) from None


def _pointed(error: "QueryError") -> str:
    """Return what is wrong with a query, and below it the query with a caret under the place."""
    from infinium_integrations.viewer.formatting import printable  # noqa: PLC0415
    from infinium_integrations.viewer.terminal.columns import width  # noqa: PLC0415

    query, start, end = re.sub(r"\s", " ", error.query), error.start, error.end
    before, at, after = map(printable, (query[:start], query[start:end], query[end:]))
    shown = _columns() - 8
    before, after = before[-shown // 2 :], after[:shown]
    carets = " " * width(before) + "^" * max(1, min(width(at), shown))
    return f"{error}\n\n  {before}{at}{after}\n  {carets}"


@main.command(short_help="Show one trace; the latest, without an ID.")
@click.argument("trace_id", metavar="[ID]", default="")
@click.option("--json", "as_json", is_flag=True, help="The trace as it is sent.")
@click.option("--all", "everything", is_flag=True, help="Every step in a row of its own.")
@click.option("--full", is_flag=True, help="What the model saw and said, whole; with --json beside the payload.")
def show(trace_id: str, as_json: bool, everything: bool, full: bool) -> None:  # noqa: FBT001
    """Show one trace, by its id or the beginning of it; the latest, without one."""
    task = _one(trace_id)
    if as_json and full:
        from infinium_integrations.viewer.terminal import transcript as transcripts  # noqa: PLC0415

        click.echo(_json({"payload": task.to_wire(), "captured": transcripts.as_json(task)}, indent=2))
        return
    if as_json:
        click.echo(_json(task.to_wire(), indent=2))
        return
    from infinium_integrations.viewer.terminal.render import folded, picture, short  # noqa: PLC0415

    _print(picture(task, _columns(), everything=everything))
    if full:
        from infinium_integrations.viewer.terminal.transcript import transcript  # noqa: PLC0415

        _print(list(transcript(task)))
    elif not everything and folded(task):
        click.echo(click.style(f"\ninfinium-traces show {short(task.trace_id)} --all draws every step", dim=True))


@main.command(cls=_Asking)
@click.argument("query", nargs=-1, metavar="[QUERY]")
@click.option("-n", "--lines", type=click.IntRange(0), default=5, show_default=True, help="Earlier ones to begin with.")
@click.option("--tree", is_flag=True, help="Draw each trace, not only its line.")
@click.option("--poll", type=click.FloatRange(0.05), default=0.5, show_default=True, help="Seconds between two looks.")
def tail(query: tuple[str, ...], lines: int, tree: bool, poll: float) -> None:  # noqa: FBT001
    """Follow the runs of every process as they end, or those that a QUERY finds, as in list. Ctrl-C ends it.

    Without a QUERY, what runs now stands below, with its open step, until it ends.
    """
    from infinium_integrations.viewer.terminal.render import picture, table  # noqa: PLC0415

    since, asked = datetime.now(UTC), " ".join(query)
    with _query_errors():
        begin = _reader().traces(query=asked, limit=lines)
    _print(table(list(reversed(begin)), _columns()))
    below = _Below()
    look = (lambda: None) if asked else below.draw
    try:
        for task in _reader().watch(poll=poll, since=since, query=asked, between=look):
            drawn = ["", *picture(task, _columns())] if tree else table([task], _columns(), heading=False)
            below.erase()
            _print(drawn)
    except KeyboardInterrupt:
        click.echo()


@main.command(short_help="List experiments, or show one as a table.")
@click.argument("name", metavar="[NAME]", default="")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: an experiment, or a run of an example.")
def experiments(name: str, as_json: bool) -> None:  # noqa: FBT001
    """List the experiments, the latest first; or show one of them, by its name (the latest so called) or its id."""
    from infinium_integrations.viewer.experiments import earlier, one  # noqa: PLC0415

    if not name:
        every = earlier(_reader())
        if as_json:
            for each in every:
                click.echo(_json({"id": each.id, **dataclasses.asdict(each.sums)}, indent=None))
        else:
            click.echo(repr(every) if every else "No experiments yet: infinium_integrations.experiment() makes one.")
        return
    called = earlier(_reader(), name)
    found = one(_reader(), name) or next(iter(called), None)
    if found is None:
        names = {each.name for each in earlier(_reader())}
        guess = did_you_mean(name, names) or ":"
        msg = f"there is no experiment {name!r}{guess} infinium-traces experiments shows which there are"
        raise click.ClickException(msg)
    if as_json:
        for row in found:
            click.echo(_json(row.row(), indent=None))
        return
    click.echo("\n".join(found.lines(_columns())))
    if len(called) > 1:
        click.echo(click.style(f"\n{len(called) - 1:,} earlier of this name: infinium-traces experiments", dim=True))


class _Below:
    """The runs that go on, as the last lines of a terminal; elsewhere one line each, when it is first seen."""

    def __init__(self) -> None:
        self._drawn = 0
        self._seen: set[str | None] = set()

    def draw(self) -> None:
        """Draw them as they stand."""
        from infinium_integrations.viewer.terminal.render import table  # noqa: PLC0415

        running = _running()
        if not sys.stdout.isatty():
            running = [task for task in running if task.trace_id not in self._seen]
            self._seen.update(task.trace_id for task in running)
        lines = table(running[: shutil.get_terminal_size().lines // 4], _columns(), heading=False)
        self.erase()
        _print(lines)
        self._drawn = len(lines) if sys.stdout.isatty() else 0

    def erase(self) -> None:
        """Take them back."""
        if self._drawn:
            click.echo(f"\x1b[{self._drawn}F\x1b[J", nl=False)
        self._drawn = 0


def _running(name: str | None = None) -> list[TaskData]:
    return [task for task in _reader().running() if (name or "").casefold() in task.name.casefold()]


def _one(trace_id: str) -> TaskData:
    reader = _reader()
    task = reader.get(trace_id) if trace_id else next(iter(reader.traces(limit=1)), None)
    if task is None and trace_id:
        begin_so = [run for run in reader.running() if (run.trace_id or "").startswith(trace_id)]
        task = begin_so[0] if len(begin_so) == 1 else None
    if task is None:
        missing = f"there is no trace {trace_id!r}: infinium-traces list shows which there are"
        raise click.ClickException(missing if trace_id else _nothing(filtered=False))
    return task


def _facts(task: TaskData) -> dict[str, object]:
    from infinium_integrations.viewer.summary import TraceSummary  # noqa: PLC0415

    summary, delivery = TraceSummary(task), task.delivery
    return {
        "trace_id": task.trace_id,
        "ended": task.current_datetime,
        "name": task.name,
        "status": summary.status,
        "duration": task.duration,
        "steps": len(task.steps or []),
        "errors": len(task.errors or []),
        "model": summary.models,
        "tokens": summary.tokens,
        "cost_usd": summary.cost,
        "session_id": summary.session,
        "user_id": summary.custom.get("user_id"),
        "tags": summary.tags,
        "input": task.input_summary,
        "output": task.output_summary,
        "delivery": delivery.status if delivery else None,
        "reason": delivery.reason if delivery else None,
    }


def _nothing(*, filtered: bool) -> str:
    given = settings.current()
    if given.mode != "folder":
        return f"INFINIUM_STORE is {given.store}: traces are only in the process that made them."
    if filtered:
        return "No trace is like that."
    return f"No traces yet in {given.store}. To make one: infinium-traces demo"


# --- sending and finding out ------------------------------------------------------------------------------------------


@main.command(short_help="Show what would be hidden in a text, and by which rule.")
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"), required=False)
@click.option("--rules", is_flag=True, help="Print the rules with examples, as Markdown, and read no file.")
def redact(*, file: IO[str] | None, rules: bool) -> None:
    """Show what would be hidden in FILE (- for standard input), by line and rule. Nothing is changed.

    Of each secret no more than its first four characters are shown. INFINIUM_REDACT_KEYS and INFINIUM_REDACT_ALLOW
    count.
    """
    if rules:
        from infinium_integrations.redaction.page import rules_page  # noqa: PLC0415

        click.echo(rules_page(), nl=False)
        return
    if file is None:
        msg = "Missing argument 'FILE'; - is standard input."
        raise click.UsageError(msg)
    from infinium_integrations.redaction import Redactor, process_secrets  # noqa: PLC0415
    from infinium_integrations.viewer.formatting import printable  # noqa: PLC0415

    text = file.read()
    found = Redactor(secrets=process_secrets()).findings(text)
    line, seen = 1, 0
    for start, end, rule in found:
        line, seen = line + text.count("\n", seen, start), start
        shown = printable(text[start : start + min(4, (end - start) // 2)])
        click.echo(f"{line:>6}  {rule}: {shown}… ({end - start:,} characters)")
    click.echo(f"{len(found):,} would be hidden." if found else "Nothing would be hidden.")


@main.command(short_help="Send what waits, and what was refused.")
@click.argument("trace_id", metavar="[ID]", default="")
@click.option("--timeout", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds to try at most.")
def send(trace_id: str, timeout: float) -> None:
    """Send what waits, and try again what was refused; or only what was refused with this ID."""
    if not settings.current().delivers:
        msg = "there is no account to send to: set INFINIUM_AGENT_ID and INFINIUM_AGENT_SECRET"
        raise click.ClickException(msg)
    delivery = runtime.current().delivery
    if trace_id:
        _one(trace_id)
    delivery.reader.retry(trace_id or None)
    waiting = delivery.reader.count(status="pending")
    if waiting == 0:
        click.echo("Nothing waits to be sent.")
        return
    before = delivery.stats()

    def progress() -> tuple[int, int]:
        now = delivery.stats()
        return now["sent"] - before["sent"], now["rejected"] - before["rejected"]

    _with_bar(lambda: delivery.flush(timeout), waiting, progress)
    (sent, refused), left = progress(), delivery.reader.count(status="pending")
    counts = [f"{sent:,} sent"] + [f"{refused:,} refused"] * bool(refused) + [f"{left:,} still waiting"] * bool(left)
    click.echo(", ".join(counts) + ".")
    if refused:
        click.echo("To see why: infinium-traces list --status rejected, then infinium-traces show ID")
    if left:
        click.echo("To see what is wrong: infinium-traces doctor")
    if left or refused:
        raise click.exceptions.Exit(1)


def _with_bar(work: Callable[[], object], total: int, progress: Callable[[], tuple[int, int]]) -> None:
    """Work in the background, and show in a terminal how far it is where it takes long."""
    done = threading.Event()

    def run() -> None:
        try:
            work()
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    if done.wait(0.5 if sys.stdout.isatty() else None):
        return
    with click.progressbar(length=total, label="Sending", show_pos=True, width=24) as bar:
        while not done.wait(0.1):
            bar.update(sum(progress()) - bar.pos)
        bar.update(sum(progress()) - bar.pos)


@main.command(short_help="Delete traces, such as all of a user.")
@click.argument("trace_ids", nargs=-1, metavar="[ID]...")
@click.option("--session", help="All traces of this session.")
@click.option("--user", help="All traces of this user (the metadata key user_id).")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
def delete(trace_ids: tuple[str, ...], session: str | None, user: str | None, yes: bool) -> None:  # noqa: FBT001
    """Delete traces from this machine: those with an ID (or the beginning of it), or all of a session or user.

    It asks first. Traces that wait to be sent are deleted too, and never sent; what was sent is at Infinium as well.
    """
    if bool(trace_ids) == bool(session or user):
        msg = "name traces by their IDs, or give --session or --user"
        raise click.UsageError(msg)
    from infinium_integrations.viewer.formatting import deletion  # noqa: PLC0415

    reader = _reader()
    rows = _rows(trace_ids) if trace_ids else reader.listing(session=session, user=user, limit=None)
    if not rows:
        click.echo(_nothing(filtered=True))
        return
    if not yes:
        states = Counter(_WAYS[row.delivery] for row in rows)
        found = f"{len(rows):,} trace{'' if len(rows) == 1 else 's'}"
        ways = [f"{states[state]:,} {state}" for state in _WAYS.values() if state in states]
        click.echo(f"{found}: {', '.join(ways)}.")
        click.confirm("Delete for good?", abort=True)
    try:
        click.echo(deletion(reader.remove(rows)))
    except OSError as error:
        msg = f"not all could be deleted: {error.strerror or error}; try again"
        raise click.ClickException(msg) from None


_WAYS = {
    "local": "only on this machine",
    "pending": "not sent yet",
    "rejected": "refused by Infinium",
    "sent": "sent to Infinium",
}


def _rows(trace_ids: tuple[str, ...]) -> "list[Row]":
    found: dict[str, Row] = {}
    for trace_id in trace_ids:
        row = _reader().find(trace_id) if trace_id else None
        if row is None:
            msg = f"there is no trace {trace_id!r}"
            raise click.ClickException(msg)
        found[row.trace_id] = row
    return list(found.values())


@main.command(short_help="Check settings, store, credentials and the platform.")
def doctor() -> None:
    """Check versions, settings, store, credentials and the way to the platform."""
    from infinium_integrations.cli.doctor import examine  # noqa: PLC0415
    from infinium_integrations.viewer.formatting import printable  # noqa: PLC0415

    found = Counter[str]()
    for title, findings in examine():
        click.echo(click.style(title, bold=True))
        for finding in findings:
            found[finding.state] += 1
            click.echo(f"  {FINDING_MARKS[finding.state]} {printable(finding.text)}")
            if finding.advice:
                click.echo(f"    → {printable(finding.advice)}")
    bad, number = found["bad"], found["bad"] or found["warning"]
    things = f"{number} thing{'s' if number > 1 else ''} to {'put right' if bad else 'look at'}."
    click.echo(f"\n{things if number else 'All is well.'}")
    if bad:
        raise click.exceptions.Exit(1)


# --- what others do ---------------------------------------------------------------------------------------------------


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; this machine only, by default.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8717, show_default=True, help="0: any that is free.")
@click.option("--token", help="What a browser must bring once; left out, one is made up at each start.")
@click.option("--no-token", is_flag=True, help="Let every user of this machine read the traces.")
def serve(host: str, port: int, token: str | None, no_token: bool) -> None:  # noqa: FBT001
    """Show the traces in a page in the browser. Ctrl-C ends it.

    Open the address that it prints: it holds the page's token, without which nobody else reads your traces. Others on
    this machine can see a --token in the list of processes while it runs.
    """
    if token is not None and no_token:
        msg = "--token and --no-token exclude each other"
        raise click.UsageError(msg)
    with _needs("server"):
        from infinium_integrations.viewer.server.app import run  # noqa: PLC0415
        from infinium_integrations.viewer.server.security import Access  # noqa: PLC0415
    access = Access(host, token, guarded=not no_token)
    try:
        run(
            _reader(),
            access,
            port=port,
            announce=lambda address: click.echo(f"Traces are shown at {address} (Ctrl-C ends it)"),
        )
    except KeyboardInterrupt:
        click.echo()
    except OSError as error:
        msg = f"{host}, port {port}: {error.strerror or error}"
        raise click.ClickException(msg) from None


@main.command(
    "run",
    short_help="Run a program and trace it, without a change to it.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="PROGRAM [ARGUMENT]...")
def run_(command: tuple[str, ...]) -> None:
    """Run a program, and trace every LangChain and LlamaIndex run in it and in the Python programs that it starts.

    \b
      infinium-traces run python agent.py --verbose
      infinium-traces run gunicorn app:app
      INFINIUM_INSTRUMENT=langchain infinium-traces run python -m agent

    The program is not changed: its exit code, signals, input and arguments are its own. infinium-integrations has to be
    installed for the Python that runs it. A Python that is started with -S, -I or -E is not traced.
    """  # noqa: D301  (as above)
    from infinium_integrations.cli.run import run  # noqa: PLC0415

    run(command)


@main.command(short_help="Run an agent and show its trace.")
@click.argument("framework", type=click.Choice(["langchain", "llama-index"]), default="langchain")
@click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint, instead of the scripted model.")
@click.option("--model", metavar="NAME", help="The model there.")
def demo(framework: str, base_url: str | None, model: str | None) -> None:
    """Run an agent and show its trace; without an endpoint it needs no key and no network."""
    if (base_url is None) != (model is None):
        msg = "--base-url and --model go together"
        raise click.UsageError(msg)
    from infinium_integrations.cli.demo import agent_of  # noqa: PLC0415

    with _needs(framework):
        agent = agent_of(framework)
    agent(click.echo, base_url=base_url, model=model)


@contextlib.contextmanager
def _needs(extra: str) -> Iterator[None]:
    """Say which extra to install where an import of the block fails."""
    try:
        yield
    except ImportError as error:
        missing = f"{error.name or error} is missing: pip install 'infinium-integrations[{extra}]'"
        raise click.ClickException(missing) from None


def _reader() -> "TraceReader":
    reader: TraceReader = runtime.current().delivery.reader
    return reader


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _print(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


def _json(value: object, *, indent: int | None) -> str:
    """Write JSON that keeps to letters and steers no terminal."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=not unicode, indent=indent)
    return re.sub("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)
