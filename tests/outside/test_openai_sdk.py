"""The official OpenAI SDK reads our fake of OpenAI: text, tool call, reasoning, usage, errors."""

import json

import openai
import pytest

from conftest import TAG

ASK = [
    {"role": "system", "content": "You are CASPAR."},
    {"role": "user", "content": f'Should we? End with {{"tag": "{TAG}"}}.'},
]
TOOL = {
    "type": "function",
    "function": {
        "name": "cast_vote",
        "description": "Casts the vote.",
        "parameters": {
            "type": "object",
            "properties": {
                "tag": {"type": "string"},
                "reasoning": {"type": "string"},
                "decision": {"enum": ["APPROVED", "REJECTED", "ABSTAINED"]},
                "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            },
            "required": ["tag", "reasoning", "decision"],
        },
    },
}


@pytest.fixture
def client(fakes):
    with openai.OpenAI(
        base_url=fakes.openai, api_key="sk-test", max_retries=0, timeout=20
    ) as client:
        yield client


def stream(client, model, **more):
    with client.chat.completions.create(model=model, messages=ASK, stream=True, **more) as chunks:
        return list(chunks)


def text_of(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_text_and_usage(client, fakes):
    chunks = stream(client, "fake-text+tail", stream_options={"include_usage": True})
    entry = fakes.ledger("fake-text+tail")[-1]
    assert text_of(chunks) == entry["text"]
    assert TAG in entry["text"]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    usage = chunks[-1].usage
    assert chunks[-1].choices == []
    assert usage.completion_tokens == entry["tokens_sent"]
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert all(c.usage is None for c in chunks[:-1])


def test_japanese_split_inside_its_characters(client, fakes):
    ask = [{"role": "user", "content": "この案を採用すべきか。"}]
    model = "fake-ja+split-utf8+tail"
    with client.chat.completions.create(model=model, messages=ask, stream=True) as chunks:
        text = text_of(list(chunks))
    assert text == fakes.ledger(model)[-1]["text"]
    assert text.startswith("偽の") and "\ufffd" not in text


def test_tool_call_is_put_together_by_the_sdk(client):
    with client.chat.completions.stream(
        model="fake+reject", messages=ASK, tools=[TOOL]
    ) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0]
    assert message.finish_reason == "tool_calls"
    call = message.message.tool_calls[0]
    assert call.function.name == "cast_vote"
    vote = json.loads(call.function.arguments)
    assert (vote["tag"], vote["decision"]) == (TAG, "REJECTED")
    assert message.message.content.startswith("Fake caspar")


@pytest.mark.parametrize(
    ("word", "field"), [("reasoning", "reasoning_content"), ("reasoning-short", "reasoning")]
)
def test_reasoning(client, word, field):
    chunks = stream(client, f"fake+{word}", stream_options={"include_usage": True})
    thought = [getattr(c.choices[0].delta, field, None) for c in chunks if c.choices]
    assert len([part for part in thought if part]) == 8
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens == 8


def test_refusal_and_limits(client):
    refused = stream(client, "fake+refusal")
    assert "".join(c.choices[0].delta.refusal or "" for c in refused).startswith("I'm sorry")
    for word, reason in (("length-after-5", "length"), ("filter-after-5", "content_filter")):
        assert stream(client, f"fake+{word}")[-1].choices[0].finish_reason == reason


def test_whole_answers(client, fakes):
    reply = client.chat.completions.create(model="fake-whole", messages=ASK, tools=[TOOL])
    assert reply.choices[0].finish_reason == "tool_calls"
    assert reply.choices[0].message.content == fakes.ledger("fake-whole")[-1]["text"]
    assert json.loads(reply.choices[0].message.tool_calls[0].function.arguments)["tag"] == TAG
    assert reply.usage.completion_tokens == fakes.ledger("fake-whole")[-1]["tokens_planned"]


def test_models_are_listed(client):
    assert "fake" in [model.id for model in client.models.list()]


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("401", openai.AuthenticationError, "invalid_api_key"),
        ("403", openai.PermissionDeniedError, "unsupported_country_region_territory"),
        ("404", openai.NotFoundError, "model_not_found"),
        ("gpt-not-known", openai.NotFoundError, "model_not_found"),
        ("400-context", openai.BadRequestError, "context_length_exceeded"),
        ("400-filter", openai.BadRequestError, "content_filter"),
        ("429", openai.RateLimitError, "rate_limit_exceeded"),
        ("429-quota", openai.RateLimitError, "insufficient_quota"),
        ("500", openai.InternalServerError, None),
        ("503", openai.InternalServerError, None),
        ("fake+strict-params", openai.BadRequestError, "unsupported_parameter"),
    ],
)
def test_errors(client, model, error, code):
    with pytest.raises(error) as raised:
        stream(client, model, max_tokens=100)
    assert raised.value.code == code
    assert raised.value.request_id


def test_retry_after_is_obeyed(fakes):
    with openai.OpenAI(base_url=fakes.openai, api_key="sk-test", max_retries=2) as client:
        assert stream(client, "fake-retry+429-retry-1")
    first, second = fakes.ledger("fake-retry+429-retry-1")
    assert second["arrived_ms"] - first["arrived_ms"] >= 1000


def test_an_error_in_the_stream_is_raised(client):
    with pytest.raises(openai.APIError, match="server had an error"):
        stream(client, "fake+error-after-5")


def test_a_reset_is_a_connection_error(client):
    with pytest.raises(openai.APIConnectionError):
        stream(client, "fake+reset-before-headers")


@pytest.mark.parametrize("quirk", ["crlf", "no-space", "comments", "null-content", "slices"])
def test_harmless_habits_change_nothing(client, fakes, quirk):
    model = f"fake-quirk+{quirk}+tail"
    assert text_of(stream(client, model)) == fakes.ledger(model)[-1]["text"]
