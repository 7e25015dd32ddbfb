"""LiteLLM, a third reader: its proxy takes both fakes as its vendors and speaks OpenAI's wire to us."""

import json

import openai
import pytest

from conftest import TAG
from test_openai_sdk import ASK, TOOL, stream, text_of


@pytest.fixture(scope="module")
def client(litellm):
    with openai.OpenAI(
        base_url=litellm + "/v1", api_key="sk-litellm", max_retries=0, timeout=30
    ) as client:
        yield client


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_text_through_it_is_what_the_fake_said(client, fakes, vendor):
    model = f"fake-lite-{vendor}+tail"
    chunks = stream(client, f"{vendor}/{model}", stream_options={"include_usage": True})
    entry = fakes.ledger(model)[-1]
    assert (entry["vendor"], text_of(chunks)) == (vendor, entry["text"])
    assert chunks[-1].usage.completion_tokens == entry["tokens_sent"]


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_tool_calls_and_reasoning_survive_it(client, vendor):
    chunks = stream(client, f"{vendor}/fake+reasoning+reject", tools=[TOOL])
    deltas = [c.choices[0].delta for c in chunks if c.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    vote = json.loads("".join(call.function.arguments or "" for call in calls))
    assert (vote["tag"], vote["decision"]) == (TAG, "REJECTED")
    assert any(getattr(delta, "reasoning_content", None) for delta in deltas)


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("401", openai.AuthenticationError),
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
    ],
)
def test_it_knows_our_errors(client, vendor, model, error):
    with pytest.raises(error):
        client.chat.completions.create(model=f"{vendor}/{model}", messages=ASK, max_tokens=99)
