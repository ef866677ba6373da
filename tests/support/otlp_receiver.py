"""A receiver of OTLP on this machine: a ``FaultServer`` of which each request is read as spans."""

import contextlib
import gzip
from collections import Counter

from faultserver import FaultServer, Reply
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

KINDS = {1: "INTERNAL", 3: "CLIENT"}


def taken(refused=0, message=""):
    """The answer to what was taken; with numbers, in part."""
    answer = ExportTraceServiceResponse()
    if refused or message:
        answer.partial_success.rejected_spans = refused
        answer.partial_success.error_message = message
    return Reply(200, answer.SerializeToString(), content_type="application/x-protobuf")


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(one) for one in any_value.array_value.values]
    return getattr(any_value, kind)


def attributes(given):
    return {one.key: value(one.value) for one in given}


class Received:
    """One span that came in."""

    def __init__(self, span, resource):
        self.resource = resource
        self.trace_id, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex() or None
        self.name, self.kind = span.name, KINDS[span.kind]
        self.start, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.attributes = attributes(span.attributes)
        self.failed, self.said = span.status.code == 2, span.status.message
        self.events = {one.name: attributes(one.attributes) for one in span.events}
        self.links = [(one.trace_id.hex(), one.span_id.hex()) for one in span.links]

    def __repr__(self):
        return f"<{self.name}>"


def spans_in(body):
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Received(span, attributes(one.resource.attributes))
        for one in request.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    ]


class Receiver(FaultServer):
    """Takes traces by OTLP; ``spans`` are those that it took, by id as often as they came."""

    def __init__(self, script=None, **given):
        super().__init__(script, **{"then": taken(), **given})
        self.bodies = []

    def _accept(self, seen):
        body = seen.body
        if seen.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self._changed:
            self.bodies.append(body)
            self.accepted[str(len(self.bodies))] += 1
            self._changed.notify_all()

    @property
    def spans(self):
        return [span for body in self.bodies for span in spans_in(body)]

    def traces(self):
        """Count the traces by id, each once a root that came."""
        return Counter(span.trace_id for span in self.spans if span.parent is None)

    def orphans(self):
        known = {span.id for span in self.spans}
        return [span for span in self.spans if span.parent is not None and span.parent not in known]


def seven(t):
    """Have an agent run of seven steps, some in others, one of which fails."""
    with t.step("agent", "support"):
        with t.step("retrieval", "Search the handbook") as step:
            step.set_input("refunds").set_output("1 document")
            with t.step("embedding", "Embed") as inner:
                inner.record_llm_call("text-embedding-3", provider="openai", prompt_tokens=4)
        with t.step("llm_inference", "Decide") as step:
            step.set_input("Where is my money?").set_output("I look it up")
            step.record_llm_call("gpt-4o", provider="openai", prompt_tokens=100, completion_tokens=20)
        with t.step("tool_use", "find_order") as step:
            step.record_tool_call("find_order").set_input({"id": 7}).set_output("shipped")
        with contextlib.suppress(LookupError), t.step("tool_use", "refund") as step:
            step.record_tool_call("refund").set_input({"id": 7})
            msg = "no such order"
            raise LookupError(msg)
        with t.step("llm_inference", "Answer") as step:
            step.set_output("It is on its way")
            step.record_llm_call("gpt-4o", provider="openai", prompt_tokens=100, completion_tokens=20)
