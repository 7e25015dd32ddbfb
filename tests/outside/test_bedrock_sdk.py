"""boto3 reads our fake of Bedrock with its defaults: text, tool, reasoning, usage, exceptions, cuts.

Its retries are its own too: what the table of `docs/bedrock.md` calls retryable, boto3 asks again.
"""

import json

import boto3
import botocore.eventstream
import botocore.exceptions
import pytest
import urllib3

from conftest import TAG

ASK = [{"role": "user", "content": [{"text": f'Should we? End with {{"tag": "{TAG}"}}.'}]}]
SYSTEM = [{"text": "You are CASPAR."}]
TOOL = {
    "toolSpec": {
        "name": "cast_vote",
        "description": "Casts the vote.",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {
                    "tag": {"type": "string"},
                    "reasoning": {"type": "string"},
                    "decision": {"enum": ["APPROVED", "REJECTED", "ABSTAINED"]},
                },
                "required": ["tag", "reasoning", "decision"],
            }
        },
    }
}


@pytest.fixture
def client(fakes, monkeypatch):
    """The client as anybody makes it: keys, region and endpoint from the environment, no settings."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", fakes.base)
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    return boto3.client("bedrock-runtime")


def stream(client, model, **more):
    answer = client.converse_stream(modelId=model, messages=ASK, system=SYSTEM, **more)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    return answer["stream"]


def deltas(events, *path):
    """The pieces at a path of every delta that has it."""
    for event in events:
        piece = event.get("contentBlockDelta", {}).get("delta")
        for name in path:
            piece = piece.get(name) if isinstance(piece, dict) else None
        if piece is not None:
            yield piece


def stop_of(events):
    return [e["messageStop"]["stopReason"] for e in events if "messageStop" in e]


def test_text_and_usage(client, fakes):
    events = list(stream(client, "fake-boto+tail"))
    entry = fakes.ledger("fake-boto+tail")[-1]
    assert "".join(deltas(events, "text")) == entry["text"]
    assert TAG in entry["text"]
    assert [next(iter(event)) for event in events][0] == "messageStart"
    assert [next(iter(event)) for event in events][-2:] == ["messageStop", "metadata"]
    assert stop_of(events) == ["end_turn"]
    usage = events[-1]["metadata"]["usage"]
    assert usage["outputTokens"] == entry["tokens_sent"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert entry["vendor"] == "bedrock" and entry["end"] == "sent"


def test_tool_call_comes_in_pieces_of_json(client):
    events = list(stream(client, "fake-boto+reject", toolConfig={"tools": [TOOL]}))
    starts = [e["contentBlockStart"] for e in events if "contentBlockStart" in e]
    assert [start["start"]["toolUse"]["name"] for start in starts] == ["cast_vote"]
    pieces = list(deltas(events, "toolUse", "input"))
    assert len(pieces) > 5
    vote = json.loads("".join(pieces))
    assert (vote["tag"], vote["decision"]) == (TAG, "REJECTED")
    assert stop_of(events) == ["tool_use"]
    assert "".join(deltas(events, "text")).startswith("Fake caspar")


def test_a_forced_tool_and_a_text_format(client):
    forced = {"tools": [TOOL], "toolChoice": {"tool": {"name": "cast_vote"}}}
    events = list(stream(client, "fake-forced", toolConfig=forced))
    assert list(deltas(events, "text")) == []
    schema = json.dumps(TOOL["toolSpec"]["inputSchema"]["json"])
    structure = {"jsonSchema": {"schema": schema, "name": "vote"}}
    config = {"textFormat": {"type": "json_schema", "structure": structure}}
    events = list(stream(client, "fake-format", outputConfig=config))
    assert json.loads("".join(deltas(events, "text")))["decision"] == "APPROVED"


def test_reasoning_and_cache(client):
    events = list(stream(client, "fake-boto+reasoning+cached"))
    assert len(list(deltas(events, "reasoningContent", "text"))) == 8
    assert len(list(deltas(events, "reasoningContent", "signature"))) == 1
    usage = events[-1]["metadata"]["usage"]
    assert usage["cacheReadInputTokens"] > 0 and usage["cacheWriteInputTokens"] > 0


def test_japanese_in_slices_of_a_byte(client, fakes):
    model = "fake-boto-ja+slices+tail"
    ask = [{"role": "user", "content": [{"text": "この案を採用すべきか。"}]}]
    events = list(client.converse_stream(modelId=model, messages=ask)["stream"])
    assert "".join(deltas(events, "text")) == fakes.ledger(model)[-1]["text"]
    assert "".join(deltas(events, "text")).startswith("偽の")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop-guardrail-after-5", "guardrail_intervened"),
        ("filter-after-5", "content_filtered"),
        ("length-after-5", "max_tokens"),
        ("stop-context-after-5", "model_context_window_exceeded"),
        ("stop-malformed-tool-after-5", "malformed_tool_use"),
        ("stop-malformed-output-after-5", "malformed_model_output"),
        ("stop-sequence-after-5", "stop_sequence"),
    ],
)
def test_reasons_to_stop(client, word, reason):
    assert stop_of(list(stream(client, f"fake+{word}"))) == [reason]


@pytest.mark.parametrize(
    ("word", "name", "status", "requests"),
    [
        ("403", "AccessDeniedException", 403, 1),
        ("403-expired", "ExpiredTokenException", 403, 1),
        ("403-unknown-key", "UnrecognizedClientException", 403, 1),
        ("404", "ResourceNotFoundException", 404, 1),
        ("400-context", "ValidationException", 400, 1),
        ("no-such-model", "ValidationException", 400, 1),
        ("408", "ModelTimeoutException", 408, None),
        ("424", "ModelErrorException", 424, 1),
        ("429", "ThrottlingException", 429, 3),
        ("429-not-ready", "ModelNotReadyException", 429, 3),
        ("500", "InternalServerException", 500, 3),
        ("503", "ServiceUnavailableException", 503, 3),
    ],
)
def test_exceptions_before_the_stream(client, fakes, word, name, status, requests):
    model = f"fake-boto-error+{word}"
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        stream(client, model)
    error = raised.value.response
    assert error["Error"]["Code"] == name
    assert error["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error["ResponseMetadata"]["RequestId"].startswith("req_fake")
    asked = len(fakes.ledger(model))
    assert requests is None or asked == requests, f"{word}: {asked} requests"
    # The modelled ones are classes of their own, which boto3 makes by the name in the header.
    modelled = getattr(client.exceptions, name, None)
    assert modelled is None or isinstance(raised.value, modelled)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("internal", "internalServerException"),
        ("model-stream", "modelStreamErrorException"),
        ("validation", "validationException"),
        ("throttling", "throttlingException"),
        ("unavailable", "serviceUnavailableException"),
    ],
)
def test_exceptions_inside_the_stream(client, fakes, word, name):
    model = f"fake-boto+exception-{word}-after-5"
    heard = []
    with pytest.raises(botocore.exceptions.EventStreamError) as raised:
        for event in stream(client, model):
            heard.append(event)
    assert raised.value.response["Error"]["Code"] == name
    assert raised.value.response["Error"]["Message"]
    assert len(list(deltas(heard, "text"))) == 5
    assert len(fakes.ledger(model)) == 1, "a stream that has begun is not asked for again"


def test_a_wrong_checksum_is_seen(client):
    with pytest.raises(botocore.eventstream.ChecksumMismatch):
        list(stream(client, "fake-boto+bad-crc-after-5"))


def test_cuts(client):
    with pytest.raises(urllib3.exceptions.ProtocolError):
        list(stream(client, "fake-boto+cut-after-5"))
    # A clean end without `messageStop` is no error to the SDK: who reads it must look for the stop.
    events = list(stream(client, "fake-boto+cut-after-5-clean"))
    assert stop_of(events) == [] and len(list(deltas(events, "text"))) == 5


def test_a_request_is_judged(client):
    with pytest.raises(botocore.exceptions.ClientError, match="less than or equal to 1"):
        stream(client, "fake", inferenceConfig={"temperature": 1.5})
    with pytest.raises(botocore.exceptions.ClientError, match="must start with a user message"):
        client.converse_stream(
            modelId="fake", messages=[{"role": "assistant", "content": [{"text": "I say"}]}]
        )
    with pytest.raises(botocore.exceptions.ClientError, match="doesn't support tool use"):
        stream(client, "fake+no-tools", toolConfig={"tools": [TOOL]})


def test_tokens_are_counted(client):
    ask = {"converse": {"messages": ASK}}
    assert client.count_tokens(modelId="fake", input=ask)["inputTokens"] > 0
    with pytest.raises(botocore.exceptions.ClientError, match="counting tokens"):
        client.count_tokens(modelId="fake+no-count", input=ask)
