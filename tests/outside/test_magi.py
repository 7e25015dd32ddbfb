"""MAGI answers through other people's servers, over real HTTP, and says honestly what came of it."""

import pytest

from conftest import shown

ENGLISH = "Should we move the release to Monday?"
JAPANESE = "リリースを月曜日に移すべきか？"
SAGES = ("caspar", "balthasar", "melchior")


def verdict(events):
    last = events[-1]
    assert last["type"] == "complete", last
    return last["data"]


def openai_at(base, model, key="sk-test"):
    return {"OPENAI_BASE_URL": base, "OPENAI_API_KEY": key, "MAGI_MODEL": f"openai:{model}"}


def anthropic_at(base, model, key="sk-test"):
    return {
        "ANTHROPIC_BASE_URL": base,
        "ANTHROPIC_API_KEY": key,
        "MAGI_MODEL": f"anthropic:{model}",
    }


@pytest.mark.parametrize(
    ("model", "question", "words"),
    [
        ("mocked-en", ENGLISH, "reversible and its risks are bounded"),
        ("mocked-ja", JAPANESE, "この案は撤回でき、危険も限られています"),
    ],
)
def test_litellm_serves_us(magi, litellm, model, question, words):
    """LiteLLM's proxy with a mocked model: it drops the tool, so the vote is a tail without our tag."""
    events = magi(**openai_at(litellm + "/v1", model, "sk-litellm")).deliberate(question)
    complete = verdict(events)
    assert complete["voting_result"] == {"approved": 3, "rejected": 0, "abstained": 0}
    assert complete["final_decision"] == "APPROVED"
    assert (complete["status"], complete["missing"]) == ("completed", [])
    for sage in SAGES:
        assert words in shown(events, sage)
        assert "decision" not in shown(events, sage), "the raw vote was shown"


@pytest.mark.parametrize("question", [ENGLISH, JAPANESE])
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_litellm_in_between(magi, litellm, fakes, vendor, question):
    """LiteLLM relays to either fake and speaks OpenAI's wire to us: tool calls with our tag."""
    model = f"fake-relay-{vendor}+by-role+reasoning"
    events = magi(**openai_at(litellm + "/v1", f"{vendor}/{model}", "sk-litellm")).deliberate(question)
    complete = verdict(events)
    assert complete["voting_result"] == {"approved": 2, "rejected": 1, "abstained": 0}
    assert (complete["status"], complete["final_decision"]) == ("completed", "APPROVED")
    asked = fakes.ledger(model)
    assert {entry["vendor"] for entry in asked} == {vendor}
    for sage in SAGES:
        said = [entry["text"] for entry in asked if entry["role"] == sage]
        assert shown(events, sage).strip() in [text.strip() for text in said]


def test_litellms_refusals_are_no_verdict(magi, litellm):
    server = magi(**openai_at(litellm + "/v1", "throttled", "sk-litellm"))
    council = {"deadlines": {"sage_total": 4, "judge_total": 4, "throttle_cap": 2, "whole": 20}}
    last = server.deliberate(ENGLISH, council=council)[-1]
    assert last["type"] == "error"
    assert last["data"]["code"] == "no_votes"


@pytest.mark.parametrize(("wire", "question"), [("openai", ENGLISH), ("anthropic", JAPANESE)])
def test_llamacpp_serves_us(magi, llamacpp, wire, question):
    """llama.cpp's server on either of its wires; on Anthropic's all its blocks stop at the end."""
    at = {"openai": openai_at(llamacpp + "/v1", "any"), "anthropic": anthropic_at(llamacpp, "any")}
    # A prompt is thousands of tokens to a tokenizer of bytes: a busy machine needs its time.
    patient = {"deadlines": {"connect": 50, "first_token": 50, "idle": 50}}
    events = magi(**at[wire]).deliberate(question, council=patient)
    complete = verdict(events)
    failures = [e for e in events if e["type"] in ("agent_error", "agent_timeout")]
    assert (complete["missing"], failures) == ([], [])
    assert complete["voting_result"] == {"approved": 3, "rejected": 0, "abstained": 0}
    assert (complete["status"], complete["final_decision"]) == ("completed", "APPROVED")
    for sage in SAGES:
        thought = shown(events, sage, "agent_thinking")
        assert thought.strip() == "What could break?費用と期限."
        assert shown(events, sage).strip() == (
            "Yes: the plan is reversible .案は可逆で、危険は限られている。"
        )
    votes = [e["data"] for e in events if e["type"] == "agent_complete"]
    assert {vote["reasoning"] for vote in votes} == {"bounded risk and 可逆性"}
    assert all(vote.get("confidence") is None for vote in votes), "a confidence was invented"


@pytest.mark.parametrize("question", [ENGLISH, JAPANESE])
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_the_fakes_serve_us(magi, fakes, vendor, question):
    model = f"fake-direct-{vendor}+by-role"
    env = openai_at(fakes.openai, model) if vendor == "openai" else anthropic_at(fakes.anthropic, model)
    complete = verdict(magi(**env).deliberate(question))
    assert complete["voting_result"] == {"approved": 2, "rejected": 1, "abstained": 0}
    assert complete["status"] == "completed"
    roles = [entry["role"] for entry in fakes.ledger(model)][-4:]
    assert sorted(roles) == ["balthasar", "caspar", "melchior", "solomon"]


def test_a_wrong_key_is_told_and_is_no_verdict(magi, fakes):
    events = magi(**anthropic_at(fakes.anthropic, "fake+401")).deliberate(ENGLISH)
    assert (events[-1]["type"], events[-1]["data"]["code"]) == ("error", "no_votes")
    errors = [e["data"] for e in events if e["type"] == "agent_error"]
    assert errors and all(error["code"] == "unauthorised" for error in errors)
    assert "sk-test" not in str(events)
