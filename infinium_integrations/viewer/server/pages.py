"""The page's addresses: the list, a trace, the sessions, the overview, a comparison, and what changes something."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from infinium_integrations.models import RUNNING, STATUSES, TaskData
from infinium_integrations.storage.index.language import DELIVERIES, FIELDS, STEP_FIELDS, QueryError, parse
from infinium_integrations.storage.index.query import SORTS, Row
from infinium_integrations.storage.index.steps import StepSums, Subject
from infinium_integrations.storage.reader import TraceReader
from infinium_integrations.storage.record import safe_id
from infinium_integrations.viewer import experiments, formatting
from infinium_integrations.viewer.comparison import Comparison, RunsComparison
from infinium_integrations.viewer.conversation import matching_steps
from infinium_integrations.viewer.html import charts
from infinium_integrations.viewer.html import render as html
from infinium_integrations.viewer.outcomes import ComparedExample, Group, GroupComparison, Outcome
from infinium_integrations.viewer.server.security import STATIC, Access, same
from infinium_integrations.viewer.statistics import NOTHING, overview
from infinium_integrations.viewer.summary import TraceSummary
from infinium_integrations.viewer.terminal.transcript import as_json
from infinium_integrations.viewer.timeline import Tree

__all__ = ["Pages", "Search"]

PAGE = 50
"""Traces that one page of the list has."""
STEPS_SHOWN = 200
"""Rows of the overview's table of nodes, models and tools."""
SESSIONS_SHOWN = EXPERIMENTS_SHOWN = 200
ROWS_SHOWN = 1_000
COMPARED = 12
"""Traces or groups that are compared at once."""
GROUP_READ = 10_000
"""Traces of a session or a tag that are summed up, the latest."""
FORM_LIMIT = 4_096
PARAMETER_CHARS = 2_000
MANY = 300
"""Traces not read for the search: of more the list says so."""
PERIODS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
"""Periods that end now, by their names in an address."""

_MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_ASKED = {"q": "query", **{key: key for key in ("step", "status", "name", "tag", "session", "user", "sort")}}
_OF_RUNNING = {"name", "session", "user", "tag", "since", "sort"}
"""What can be asked of a run that goes on."""
_CHIPS = ("step", "status", "name", "tag", "session", "user", "until")
"""Parameters of links that the form itself does not show."""
_SORTS = {
    "-ended": "latest first",
    "ended": "earliest first",
    "-duration": "slowest first",
    "-tokens": "most tokens first",
    "-cost": "most expensive first",
    "-steps": "most steps first",
    "-errors": "most errors first",
    "name": "by name",
}
_STEP_SORTS: dict[str, Callable[[StepSums], tuple[object, ...]]] = {
    "name": lambda step: (step.subject.name.casefold(),),
    "-steps": lambda step: (-step.runs, -step.calls),
    "-errors": lambda step: (-step.errors, -step.recovered, -step.runs),
    "-duration": lambda step: (-(step.p95 or 0),),
    "-tokens": lambda step: (-step.tokens,),
    "-cost": lambda step: (-step.cost,),
}
"""How the overview's table is sorted, by the names that lists have for it."""
_MOMENTS = ("since", "until")


@dataclass(frozen=True, slots=True)
class Search:
    """An address's parameters, read.

    ``asked`` has them as they were written, ``query`` as keyword arguments of a ``TraceReader``; ``page`` is the
    number of the list's page, from 1. ``error`` says why the query in the box can't be read; then nothing is found.
    """

    asked: dict[str, str]
    query: dict[str, Any]
    page: int = 1
    error: QueryError | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str], now: datetime | None = None) -> Self:
        """Read an address's parameters; what makes no sense, a query aside, is taken as not asked.

        They are ``q``, ``step`` (a second query, of a step of its own), ``status``, ``name``, ``tag``, ``session``,
        ``user``, ``since``, ``until``, ``sort`` and ``page``.
        """
        given = {key: value.replace("\0", "").strip()[:PARAMETER_CHARS] for key, value in parameters.items()}
        page = given.get("page", "")
        number = min(int(page), 10_000_000) if page.isascii() and page.isdigit() and len(page) < 9 else 1  # noqa: PLR2004
        asked = {key: value for key, value in given.items() if key in (*_ASKED, *_MOMENTS) and value}
        if asked.get("status", "ok") not in {*STATUSES, *DELIVERIES}:
            del asked["status"]
        if asked.get("sort", "-").removeprefix("-") not in SORTS:
            asked.pop("sort", None)
        texts = {_ASKED[key]: value for key, value in asked.items() if key in _ASKED}
        times = {key: _moment(asked.get(key, ""), now or datetime.now(UTC)) for key in _MOMENTS}
        query = texts | {key: moment for key, moment in times.items() if moment}
        try:
            parse(asked.get("q", ""))
            parse(asked.get("step", ""))
        except QueryError as error:
            return cls(asked, query, max(number, 1), error)
        return cls(asked, query, max(number, 1))

    @property
    def sort(self) -> str:
        """By which column the list is sorted; the greatest first, with a hyphen before it."""
        return self.asked.get("sort", "-ended")

    @property
    def chips(self) -> list[tuple[str, str]]:
        """What is asked for beside the box, as names and values."""
        return [(key, self.asked[key]) for key in _CHIPS if key in self.asked]

    @property
    def filters(self) -> dict[str, Any]:
        """The query without its order, for what has none."""
        return {key: value for key, value in self.query.items() if key != "sort"}

    @property
    def offset(self) -> int:
        """How many traces stand on earlier pages."""
        return (self.page - 1) * PAGE


@dataclass(frozen=True, slots=True)
class Running:
    """A run that goes on, for the list."""

    task: TaskData
    facts: TraceSummary
    tree: Tree

    @classmethod
    def of(cls, task: TaskData) -> Self:
        """Read a trace that ``TraceReader.running`` returned."""
        return cls(task, TraceSummary(task), Tree(task))


def _moment(text: str, now: datetime) -> datetime | None:
    if text in PERIODS:
        return now - PERIODS[text]
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class Pages:
    """Renders the page; its synchronous methods run in a pool of threads."""

    def __init__(self, reader: TraceReader, access: Access) -> None:
        self._reader = reader
        self._access = access

    def routes(self) -> list[Route]:
        """Return the page's routes."""
        return [
            Route("/", self.list),
            Route(STATIC + "{name}", self.static),
            Route("/rows", self.rows),
            Route("/sessions", self.sessions),
            Route("/overview", self.overview),
            Route("/compare", self.compare),
            Route("/experiments", self.experiments),
            Route("/experiments/{run_id}", self.experiment),
            Route("/traces/{trace_id}", self.trace),
            Route("/traces/{trace_id}/steps/{number:int}", self.step),
            Route("/traces/{trace_id}/find", self.find),
            Route("/traces/{trace_id}/json", self.json),
            Route("/traces/{trace_id}/html", self.html),
            Route("/delete", self.delete_all, methods=["POST"]),
            Route("/traces/{trace_id}/delete", self.delete, methods=["POST"]),
            Route("/traces/{trace_id}/retry", self.retry, methods=["POST"]),
        ]

    def list(self, request: Request) -> Response:
        """The list of traces, with what was asked for."""
        found = self._found(Search.of(request.query_params))
        return self._page("list.html", "Traces", **found)

    def rows(self, request: Request) -> Response:
        """The list's rows alone, for the script that looks whether there are new ones."""
        search = Search.of(request.query_params)
        if search.error:
            return Response(str(search.error), 400, media_type="text/plain")
        body = html.render_fragment("rows.html", self._found(search))
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:24]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return HTMLResponse(body, headers={"etag": tag, "cache-control": "no-cache"})

    def trace(self, request: Request) -> Response:
        """One trace."""
        trace_id, task = self._task(request)
        if task is None:
            begin_so = self._reader.listing(trace_id=trace_id, limit=2) if safe_id(trace_id) else []
            if len(begin_so) == 1:
                return RedirectResponse(_address(begin_so[0].trace_id), 303)
            running = next((run for run in self._reader.running() if run.trace_id == trace_id), None)
            if running is None:
                told = "It may have been deleted, or its time was over. One that was running may have been killed."
                return self._message(404, "There is no such trace here", told)
            context = html.trace_context(running)
            return self._page("trace_page.html", running.name, **context, trace_id=trace_id, state=RUNNING)
        session = TraceSummary(task).session
        link = f"/?{urlencode({'session': session})}" if session else None
        state = task.delivery.status if task.delivery else "local"
        context = html.trace_context(task, session_link=link, address=_address(trace_id))
        return self._page("trace_page.html", task.name, **context, trace_id=trace_id, state=state)

    def step(self, request: Request) -> Response:
        """One step with all its texts: a page of its own, or what a trace's page puts in place."""
        trace_id, task = self._task(request)
        number, address = int(request.path_params["number"]), _address(trace_id)
        panel = html.step_panel(task, number, address) if task else None
        if task is None or panel is None:
            return self._message(404, "There is no such step here")
        if "fragment" in request.query_params:
            return HTMLResponse(panel.encode("utf-8", "replace"))
        title = f"Step {number} of {task.name}"
        return self._page("step_page.html", title, panel=panel, address=address, number=number, name=title)

    def find(self, request: Request) -> Response:
        """The numbers of a trace's steps that say all words of ``q``, also in texts that its page leaves out."""
        _, task = self._task(request)
        if task is None:
            return self._message(404, "There is no such trace here")
        words = request.query_params.get("q", "")[:PARAMETER_CHARS].split()
        return Response(json.dumps(matching_steps(task, words)), media_type="application/json")

    def json(self, request: Request) -> Response:
        """One trace as JSON, to be saved: as it is sent, or with ``full`` beside it what was captured."""
        trace_id, task = self._task(request)
        if task is None:
            return self._message(404, "There is no such trace here")
        full = "full" in request.query_params
        told = {"payload": task.to_wire(), "captured": as_json(task)} if full else task.to_wire()
        text = json.dumps(told, ensure_ascii=False, indent=2).encode("utf-8", "replace")
        return _file(text, "application/json", f"trace-{trace_id}{'-full' if full else ''}.json")

    def html(self, request: Request) -> Response:
        """One trace as a document of its own, to be saved and shared."""
        trace_id, task = self._task(request)
        if task is None:
            return self._message(404, "There is no such trace here")
        text = html.render_trace(task, standalone=True).encode("utf-8", "replace")
        return _file(text, "text/html; charset=utf-8", f"trace-{trace_id}.html")

    def sessions(self, request: Request) -> Response:
        """The traces grouped by session."""
        search = Search.of(request.query_params)
        if search.error:
            return self._page("sessions.html", "Sessions", search=search, sessions=[], total=0)
        found, total = self._reader.sessions(**search.filters, limit=SESSIONS_SHOWN)
        return self._page("sessions.html", "Sessions", search=search, sessions=found, total=total)

    def overview(self, request: Request) -> Response:
        """Runs, errors, durations, tokens and cost over time, and of each node, model and tool."""
        search = Search.of({"since": "7d", **request.query_params})
        summed = NOTHING if search.error else overview(self._reader, search.filters)
        steps = [] if search.error else self._reader.step_sums(**search.filters)
        left = self._reader.read_ahead()
        sort = search.sort if search.sort in _STEP_SORTS else "-errors"
        steps.sort(key=_STEP_SORTS[sort])
        return self._page(
            "overview.html",
            "Overview",
            search=search,
            summed=summed,
            charts=charts.of_overview(summed),
            steps=steps[:STEPS_SHOWN],
            kinds=len(steps),
            shown_sort=sort,
            runs_link=_runs_link,
            unread=left.unread if left.unread > MANY else 0,
            listed=left.listed,
        )

    def compare(self, request: Request) -> Response:
        """Traces side by side; or experiments; or the traces of sessions and of tags in one table."""
        asked = request.query_params
        wanted, runs, sessions, tags = (asked.getlist(key) for key in ("t", "e", "session", "tag"))
        if max(len(wanted), len(runs), len(sessions) + len(tags)) > COMPARED:
            return self._message(400, "Choose fewer", f"{COMPARED} are compared at once, at most.")
        if runs:
            return self._experiments_compared(runs)
        if sessions or tags:
            return self._groups_compared(sessions, tags)
        found = [task for trace_id in wanted if (task := self._reader.get(trace_id, exact=True))]
        if len(found) < 2 or len(found) != len(wanted):  # noqa: PLR2004  (A and B)
            return self._message(400, "Choose two traces", "Tick two traces or more in the list, then press Compare.")
        found.reverse()
        if len(found) == 2:  # noqa: PLR2004
            return self._page("compare_page.html", "Comparison", compared=Comparison(*found), heading="h1")
        return self._page("runs_page.html", "Comparison", compared=RunsComparison(found), heading="h1")

    def _experiments_compared(self, wanted: Sequence[str]) -> Response:
        found = [found for run_id in wanted if (found := experiments.one(self._reader, run_id))]
        if len(found) < 2 or len(found) != len(wanted):  # noqa: PLR2004
            return self._message(400, "Choose two experiments", "Tick two experiments or more, then press Compare.")
        compared = GroupComparison([one.group for one in reversed(found)])
        links = {"heading": "h1", "trace_link": _address, "compare_link": _compare_link}
        return self._page("groups_page.html", "Comparison", compared=compared, **links)

    def _groups_compared(self, sessions: Sequence[str], tags: Sequence[str]) -> Response:
        found = [(name, self._reader.listing(session=name, limit=GROUP_READ)) for name in reversed(sessions)]
        found += [(f"tag {name}", self._reader.listing(tag=name, limit=GROUP_READ)) for name in tags]
        if len(found) < 2 or not all(rows for _, rows in found):  # noqa: PLR2004
            return self._message(400, "Choose two sessions", "Tick two sessions or more, then press Compare.")
        compared = GroupComparison([Group(name, [_outcome(row) for row in rows]) for name, rows in found])
        links = {"heading": "h1", "trace_link": _address, "compare_link": None}
        return self._page("groups_page.html", "Comparison", compared=compared, **links)

    def experiments(self, _request: Request) -> Response:
        """The experiments, the latest first."""
        found = experiments.earlier(self._reader)
        shown = found[:EXPERIMENTS_SHOWN]
        link = {"heading": "h1", "experiment_link": lambda run_id: f"/experiments/{quote(run_id, safe='')}"}
        return self._page("experiments_page.html", "Experiments", found=shown, total=len(found), **link)

    def experiment(self, request: Request) -> Response:
        """One experiment: what came of each example, with links to the traces."""
        found = experiments.one(self._reader, str(request.path_params["run_id"]))
        if found is None:
            return self._message(404, "There is no such experiment here", "Its traces may have been deleted.")
        links = {"heading": "h1", "trace_link": _address, "shown_rows": ROWS_SHOWN}
        return self._page("experiment_page.html", found.name, found=found, **links)

    async def delete(self, request: Request) -> Response:
        """Delete a trace."""
        if not await self._may_change(request):
            return self._stale()
        done = await run_in_threadpool(self._reader.delete, _id(request), exact=True)
        return RedirectResponse("/", 303) if done else self._message(404, "There is no such trace here")

    async def delete_all(self, request: Request) -> Response:
        """Delete all traces of a session, of a user, or of both together."""
        if not await self._may_change(request):
            return self._stale()
        session, user = (request.query_params.get(key) or None for key in ("session", "user"))
        if not (session or user):
            return self._message(400, "Nothing was deleted", "Name a session or a user.")

        def delete() -> Counter[str]:
            return self._reader.remove(self._reader.listing(session=session, user=user, limit=None))

        counts = await run_in_threadpool(delete)
        return self._message(200, "Deleted", formatting.deletion(counts))

    async def retry(self, request: Request) -> Response:
        """Have a trace sent again."""
        if not await self._may_change(request):
            return self._stale()
        if not await run_in_threadpool(self._reader.retry, _id(request), exact=True):
            return self._message(409, "It can't be sent again", "It is no longer here, or it is delivered already.")
        return RedirectResponse(_address(_id(request)), 303)

    async def static(self, request: Request) -> Response:
        """A style sheet, the script or the icon."""
        name = str(request.path_params["name"])
        content = html.static_files().get(name)
        if content is None:
            return self._message(404, "There is nothing here")
        tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_MEDIA_TYPES[name.rpartition(".")[2]], headers=headers)

    def not_found(self, _request: Request, _error: Exception) -> Response:
        """Answer for an address that is none."""
        return self._message(404, "There is nothing here", "The address may be mistyped.")

    def _task(self, request: Request) -> tuple[str, TaskData | None]:
        return _id(request), self._reader.get(_id(request), exact=True)

    def _found(self, search: Search) -> dict[str, object]:
        rows, total = (
            self._reader.page(**search.query, limit=PAGE, offset=search.offset) if not search.error else ([], 0)
        )
        longest = max((row.duration or 0.0 for row in rows), default=0.0) or 1.0
        pages = max(1, -(-total // PAGE))
        left = self._reader.read_ahead()
        return {
            "search": search,
            "rows": rows,
            "running": self._running(search),
            "total": total,
            "longest": longest,
            "pages": pages,
            "link": _link,
            "unread": left.unread if left.unread > MANY and search.asked.get("q") else 0,
            "listed": left.listed,
        }

    def _running(self, search: Search) -> Sequence[Running]:
        """Return what runs now, for the first page; words and fields are not looked for in it."""
        if search.error or search.page > 1 or search.asked.keys() - _OF_RUNNING:
            return ()
        asked, found = search.asked, [Running.of(task) for task in self._reader.running()]
        wanted = asked.get("name", "").casefold()
        return [
            run
            for run in found
            if wanted in run.task.name.casefold()
            and asked.get("session", run.facts.session) == run.facts.session
            and asked.get("user", run.facts.custom.get("user_id")) == run.facts.custom.get("user_id")
            and asked.get("tag", next(iter(run.facts.tags), "")) in (run.facts.tags or [""])
        ]

    async def _may_change(self, request: Request) -> bool:
        """Whether a form is the page's own, and not from before the server was started anew."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_LIMIT:
                return False
        given = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=10))
        return same(given.get("form_token", ""), self._access.form_token)

    def _page(self, template: str, title: str, **context: object) -> Response:
        shared = {
            "page_title": title,
            "form_token": self._access.form_token,
            "link": _link,
            "sorts": _SORTS,
            "fields": FIELDS,
        }
        return HTMLResponse(html.render_fragment(template, shared | context).encode("utf-8", "replace"))

    def _stale(self) -> Response:
        return self._message(403, "Not done", "The form was too old, or came from elsewhere: reload the page.")

    def _message(self, status: int, title: str, text: str = "") -> Response:
        body = html.render_fragment("message.html", {"page_title": title, "text": text})
        return HTMLResponse(body, status)


def _outcome(row: Row) -> Outcome:
    outcome = Outcome(0, status=row.status, trace_id=row.trace_id, duration=row.duration)
    outcome.tokens, outcome.cost = row.tokens, row.cost
    return outcome


def _compare_link(example: ComparedExample) -> str | None:
    """Return where the first two groups' traces of an example are compared, where both have one."""
    ids = [side[0].trace_id for side in example.sides if side and side[0].trace_id][:2]
    return f"/compare?{urlencode([('t', found) for found in reversed(ids)])}" if len(ids) == 2 else None  # noqa: PLR2004


def _id(request: Request) -> str:
    return str(request.path_params["trace_id"])


def _address(trace_id: str) -> str:
    return f"/traces/{quote(trace_id, safe='')}"


def _link(search: Search, path: str = "/", **changes: object) -> str:
    """Return a list's address for a search with some parameters changed; an empty value leaves one out."""
    asked = {**search.asked, **{key: str(value) for key, value in changes.items()}}
    kept = {key: value for key, value in asked.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def _runs_link(search: Search, subject: Subject, also: str = "") -> str | None:
    """Return where the runs are listed that have such a step; None where that can't be asked."""
    name, asked = subject.name, search.asked.get("q", "")
    plain = re.fullmatch(r"[\w.-]+", name, re.ASCII) and subject.sort != "model"  # model:gpt-4o finds its dates too
    quoted = '"{}"'.format(name.replace('"', '""'))
    step = f"{subject.sort}:{name if plain else quoted}{also}"
    # beside fields of steps, or a status, this would be asked of one and the same step
    apart = any(term.field in {"status", *STEP_FIELDS} for term in parse(asked))
    query = {"step": step} if apart else {"q": f"{asked} {step}".strip()}
    taken = apart and "step" in search.asked
    askable = name.strip() and "\0" not in name and max(map(len, query.values())) <= PARAMETER_CHARS
    return _link(search, sort="", **query) if askable and not taken else None


def _file(content: bytes, kind: str, name: str) -> Response:
    safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{safe}"'})
