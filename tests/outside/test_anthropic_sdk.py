"""The official Anthropic SDK reads our fake of Anthropic: text, tool call, thinking, usage, errors."""

import anthropic
import pytest

from conftest import TAG

ASK = {
    "max_tokens": 4096,
    "system": "You are BALTHASAR.",
    "messages": [{"role": "user", "content": f"Should we? The tag: `{TAG}`."}],
}
TOOL = {
    "name": "cast_vote",
    "description": "Casts the vote.",
    "input_schema": {
        "type": "object",
        "properties": {
            "tag": {"type": "string"},
            "reasoning": {"type": "string"},
            "decision": {"enum": ["APPROVED", "REJECTED", "ABSTAINED"]},
        },
        "required": ["tag", "reasoning", "decision"],
    },
}


@pytest.fixture
def client(fakes):
    with anthropic.Anthropic(
        base_url=fakes.anthropic, api_key="sk-test", max_retries=0, timeout=20
    ) as client:
        yield client


def final(client, model, **more):
    with client.messages.stream(model=model, **{**ASK, **more}) as stream:
        text = "".join(stream.text_stream)
        return text, stream.get_final_message()


def test_text_and_usage(client, fakes):
    text, message = final(client, "fake-anthropic-text+tail")
    entry = fakes.ledger("fake-anthropic-text+tail")[-1]
    assert text == entry["text"] and TAG in text
    assert message.content[0].text == text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == entry["tokens_sent"]
    assert message.usage.input_tokens > 0


def test_japanese_split_inside_its_characters(client, fakes):
    ask = [{"role": "user", "content": "この案を採用すべきか。"}]
    text, _ = final(client, "fake-anthropic-ja+split-utf8+tail", messages=ask)
    assert text == fakes.ledger("fake-anthropic-ja+split-utf8+tail")[-1]["text"]
    assert text.startswith("偽の") and "\ufffd" not in text


def test_tool_call_is_put_together_by_the_sdk(client):
    text, message = final(client, "fake+reject", tools=[TOOL])
    assert text.startswith("Fake balthasar")
    assert message.stop_reason == "tool_use"
    call = message.content[-1]
    assert (call.type, call.name) == ("tool_use", "cast_vote")
    assert (call.input["tag"], call.input["decision"]) == (TAG, "REJECTED")


def test_a_forced_tool_has_no_prose(client):
    choice = {"type": "tool", "name": "cast_vote"}
    text, message = final(client, "fake", tools=[TOOL], tool_choice=choice)
    assert text == "" and [block.type for block in message.content] == ["tool_use"]


def test_thinking_with_its_signature(client):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    _, message = final(client, "fake+prose", thinking=thinking)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking and message.content[0].signature


def test_every_event_is_of_a_known_type(client):
    raw = client.messages.create(model="fake+reasoning", stream=True, tools=[TOOL], **ASK)
    kinds = [event.type for event in raw]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 3


def test_refusal_and_limits(client):
    _, refused = final(client, "fake+refusal")
    assert refused.stop_reason == "refusal"
    assert refused.stop_details.type == "refusal"
    _, cut = final(client, "fake+length-after-5")
    assert cut.stop_reason == "max_tokens"
    _, short = final(client, "fake", max_tokens=7)
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 7)


def test_whole_answers(client, fakes):
    message = client.messages.create(model="fake-anthropic-whole", tools=[TOOL], **ASK)
    assert message.content[0].text == fakes.ledger("fake-anthropic-whole")[-1]["text"]
    assert message.content[1].input["tag"] == TAG


def test_models_are_listed(client):
    assert "fake" in [model.id for model in client.models.list()]


@pytest.mark.parametrize(
    ("model", "error", "kind"),
    [
        ("401", anthropic.AuthenticationError, "authentication_error"),
        ("403", anthropic.PermissionDeniedError, "permission_error"),
        ("404", anthropic.NotFoundError, "not_found_error"),
        ("claude-not-known", anthropic.NotFoundError, "not_found_error"),
        ("400-context", anthropic.BadRequestError, "invalid_request_error"),
        ("400-filter", anthropic.BadRequestError, "invalid_request_error"),
        ("429", anthropic.RateLimitError, "rate_limit_error"),
        ("500", anthropic.InternalServerError, "api_error"),
        ("529", anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_errors(client, model, error, kind):
    with pytest.raises(error) as raised:
        final(client, model)
    assert raised.value.body["error"]["type"] == kind
    assert raised.value.request_id


def test_retry_after_is_obeyed(fakes):
    with anthropic.Anthropic(base_url=fakes.anthropic, api_key="sk-test", max_retries=2) as client:
        final(client, "fake-anthropic-retry+429-retry-1")
    first, second = fakes.ledger("fake-anthropic-retry+429-retry-1")
    assert second["arrived_ms"] - first["arrived_ms"] >= 1000


def test_an_error_in_the_stream_is_raised(client):
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        final(client, "fake+error-after-5")


def test_a_reset_is_a_connection_error(client):
    with pytest.raises(anthropic.APIConnectionError):
        final(client, "fake+reset-before-headers")


@pytest.mark.parametrize("quirk", ["crlf", "no-space", "comments", "slices"])
def test_harmless_habits_change_nothing(client, fakes, quirk):
    model = f"fake-anthropic-quirk+{quirk}+tail"
    assert final(client, model)[0] == fakes.ledger(model)[-1]["text"]
