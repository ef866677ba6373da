"""What the trace says of a model's call is what the provider answered: recorded answers, through the real clients.

tox -e cassettes                       all (ten minutes); downloads the recordings once, into a folder that git ignores
tox -e cassettes -- -k anthropic       one provider
"""

from collections import defaultdict

import pytest

pytestmark = [pytest.mark.cassettes, pytest.mark.timeout(3600), pytest.mark.filterwarnings("ignore")]

PROVIDERS = (
    *("openai", "responses", "azure", "anthropic", "bedrock", "google", "mistral", "groq", "cohere", "ollama"),
    *("deepseek", "huggingface", "cerebras", "openrouter", "together", "googleapis", "other"),
)


@pytest.fixture(scope="session")
def recordings(request):
    if request.config.option.markexpr != "cassettes":
        pytest.skip("replays recorded answers of providers, which it downloads: tox -e cassettes")
    from recorded import recordings

    found = defaultdict(list)
    for one in recordings():
        found[one.provider].append(one)
    return found


@pytest.fixture(scope="session")
def judgement(recordings, request):
    from judge import Judgement

    found = request.config.judgement = Judgement()
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_trace_says_what_the_provider_answered(recordings, judgement, provider):
    wrong = judgement.hear(recordings[provider])
    assert not wrong, "\n".join(map(str, wrong))


def test_no_provider_is_left_out(recordings):
    assert set(recordings) == set(PROVIDERS)
