"""What is stored once is read as what it was."""

from infinium_integrations.capture.folding import folded, unfolded


def test_a_text_that_reads_like_a_calls_arguments_does_not_take_their_place():
    arguments = {"question": "what is the weather like in Paris today, and tomorrow?"}
    written = '{"question": "what is the weather like in Paris today, and tomorrow?"}'
    content = {
        "messages": [
            {"role": "user", "parts": [{"type": "text", "content": written}]},
            {"role": "assistant", "parts": [{"type": "tool_call", "name": "ask", "arguments": arguments}]},
            {"role": "assistant", "parts": [{"type": "tool_call", "name": "ask", "arguments": arguments}]},
        ]
    }
    assert unfolded(folded(content))["messages"] == content["messages"]
