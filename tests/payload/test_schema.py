"""The wire's schema stands once, on the models: what writes a payload names no field that they don't have."""

import ast
import inspect

import pytest

from infinium_integrations import models
from infinium_integrations.payload import build

FIELDS = {
    "assemble": models.TaskData.WIRE_ORDER,
    "_step": (*models.ExecutionStep.model_fields, *models.STEP_FACTS),
    "_tool_call": models.ToolCall.model_fields,
    "_llm_call": models.LlmCall.model_fields,
    "_error": models.ErrorDetail.model_fields,
    "_usage": models.LlmUsage.model_fields,
    "_model_facts": (*models.STEP_FACTS, "estimated_cost_usd"),
    "environment": (*models.EnvironmentContext.model_fields, *models.TRACE_FACTS),
}


@pytest.mark.parametrize("function", FIELDS)
def test_a_payload_is_built_of_the_fields_that_the_models_have(function: str) -> None:
    code = ast.parse(inspect.getsource(getattr(build, function)))
    written = {
        key.value
        for node in ast.walk(code)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert written
    assert written <= {*FIELDS[function], "prompts_used"}


def test_the_draft_of_a_payload_keeps_the_order_of_the_wire() -> None:
    code = ast.parse(inspect.getsource(build.assemble))
    draft = next(
        node.value
        for node in ast.walk(code)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "draft"
    )
    assert isinstance(draft, ast.Dict)
    assert [key.value for key in draft.keys if isinstance(key, ast.Constant)] == [*models.TaskData.WIRE_ORDER]
