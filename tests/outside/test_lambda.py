"""The function behind a Lambda that we did not write: cargo-lambda's emulator of the runtime API and of Function URLs.

It has no IAM and no deadline (it says 1970, which the function must read as none). It no longer hands out
invocations once a client has left an answer unread (seen with 1.9.2), so every answer here is read to its end.
"""

import datetime
import http.client
import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from conftest import free_port, process

QUESTION = {"action": "ask", "question": "Should we move the release to Monday?", "preset": "default"}


class Function:
    def __init__(self, port):
        self.port = port

    def request(self, method, path, body=None):
        """Returns the answer with its body still to be read, and its connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"content-type": "application/json"})
        return connection.getresponse(), connection

    def post(self, body):
        return self.request("POST", "/invocations", json.dumps(body))


@pytest.fixture
def function(folder, fakes):
    port = free_port()
    apis_log, log = folder / "cargo-lambda.log", folder / "function.log"
    command = [str(Path(sys.executable).parent / "cargo-lambda"), "lambda", "watch", "--only-lambda-apis"]
    command += ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    env = {
        "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt",
        "AWS_LAMBDA_FUNCTION_NAME": "_",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "OPENAI_BASE_URL": fakes.openai,
        "OPENAI_API_KEY": "sk-test",
        "MAGI_MODEL": "openai:fake-lambda+tps-40",
        "MAGI_STATE_KEY": "a key of the tests, long enough to be one",
    }
    # It wants to stand in a package, though it builds none.
    package = folder / "package"
    (package / "src").mkdir(parents=True, exist_ok=True)
    (package / "src" / "main.rs").write_text("fn main() {}\n")
    (package / "Cargo.toml").write_text('[package]\nname = "package"\nedition = "2024"\n[workspace]\n')
    with process(command, apis_log, cwd=package) as apis:
        reachable(port, apis, apis_log)
        # Without arguments, as Lambda starts `bootstrap`.
        with process([os.environ["MAGI_BIN"]], log, env=env, cwd=folder) as child:
            started = Function(port)
            ping, _ = started.request("GET", "/ping")
            assert json.load(ping)["status"] == "Healthy", Path(log).read_text()
            assert child.poll() is None, Path(log).read_text()
            yield started


def reachable(port, child, log):
    for _ in range(300):
        assert child.poll() is None, Path(log).read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"cargo-lambda never listened:\n{Path(log).read_text()}")


def frames(answer):
    """Yields every frame with the time at which it arrived."""
    while line := answer.readline():
        if line.startswith(b"data: "):
            yield json.loads(line[len(b"data: ") :]), datetime.datetime.now(datetime.UTC)


def at(text):
    return datetime.datetime.fromisoformat(text)


def test_the_prelude_is_read_and_the_body_begins_after_it(function):
    answer, _ = function.post(QUESTION)
    assert answer.status == 200
    assert answer.getheader("content-type") == "text/event-stream"
    assert answer.getheader("cache-control") == "no-cache, no-transform"
    assert answer.getheader("x-accel-buffering") == "no"
    body = answer.read()
    assert body.startswith(b"retry: 1000\n\nid: ")
    assert b"\0" not in body and b"statusCode" not in body
    assert b"Lambda-Runtime-Function-Error-Type" not in body


def test_every_frame_arrives_before_the_next_one_is_made(function):
    answer, _ = function.post({"action": "probe", "frames": 6})
    seen = list(frames(answer))
    assert len(seen) == 6
    for (_, arrived), (following, _) in zip(seen, seen[1:]):
        assert not following["data"]["acked"], "a word about a frame could reach another instance"
        assert arrived < at(following["data"]["sent_at"])


def test_a_deliberation_streams_to_its_verdict(function):
    answer, _ = function.post(QUESTION)
    seen = list(frames(answer))
    events = [event for event, _ in seen]
    assert events[0]["data"]["capabilities"] == ["resume_state"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "complete"
    assert events[-1]["data"]["final_decision"] == "APPROVED"
    # Tokens arrive while later ones are still to be made: nothing waited for the end.
    chunks = [arrived for event, arrived in seen if event["type"] == "agent_chunk"]
    assert chunks[0] < at(events[-1]["timestamp"])
    halfway = chunks[len(chunks) // 2]
    assert halfway < at(next(event for event in reversed(events) if event["type"] == "agent_chunk")["timestamp"])


def test_a_refusal_keeps_its_status(function):
    answer, _ = function.post({"action": "status", "id": "01JD3ZK8M00000000000000000"})
    assert answer.status == 400
    assert answer.getheader("content-type") == "application/problem+json"
    assert json.load(answer)["code"] == "unsupported"
