"""AWS's own Python SDK, as it is by default, calls `magi agentcore` behind the emulated data plane."""

import contextlib
import json
import os
import subprocess
import uuid

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import process


class Cloud:
    """`magi-emulator cloud`, and what a client of it needs in its environment."""

    def __init__(self, env):
        self.env = env
        self.arn = env["MAGI_CLOUD_RUNTIME_ARN"]

    def client(self, **more):
        keys = {
            "aws_access_key_id": self.env["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.env["AWS_SECRET_ACCESS_KEY"],
            **more,
        }
        return boto3.client(
            "bedrock-agentcore",
            region_name=self.env["AWS_REGION"],
            endpoint_url=self.env["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"],
            **keys,
        )

    def invoke(self, session, body, **more):
        return self.client().invoke_agent_runtime(
            agentRuntimeArn=self.arn,
            qualifier="DEFAULT",
            runtimeSessionId=session,
            contentType="application/json",
            payload=json.dumps(body).encode(),
            **more,
        )


@pytest.fixture(scope="module")
def cloud(folder):
    log = folder / "cloud.log"
    command = [os.environ["MAGI_EMULATOR_BIN"], "cloud", "--json", "--magi", os.environ["MAGI_BIN"]]
    with process(command, log, stdout=subprocess.PIPE, text=True) as child:
        first = child.stdout.readline()
        assert first, log.read_text()[-4000:]
        yield Cloud(json.loads(first))


@pytest.fixture
def session():
    return f"outside-{uuid.uuid4()}"


def events(answer):
    """The events of a stream, as they are read."""
    for line in answer["response"].iter_lines(chunk_size=1):
        if line.startswith(b"data: "):
            yield json.loads(line[len(b"data: ") :])


def test_a_question_streams_to_its_verdict(cloud, session):
    answer = cloud.invoke(session, {"question": "Should we?"}, accept="text/event-stream")
    assert answer["runtimeSessionId"] == session
    assert answer["contentType"].startswith("text/event-stream")
    seen = list(events(answer))
    assert seen[0]["type"] == "start"
    assert seen[-1]["type"] == "complete", seen[-3:]
    assert seen[-1]["data"]["status"] == "completed"
    assert seen[-1]["data"]["final_decision"] == "APPROVED"
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))


def test_the_same_session_reaches_the_same_process_while_it_streams(cloud, session):
    answer = cloud.invoke(session, {"question": "Should we wait?"}, accept="text/event-stream")
    stream = events(answer)
    start = next(stream)
    deliberation = start["trace_id"]
    body = {"action": "status", "id": deliberation}
    told = json.load(cloud.invoke(session, body)["response"])
    assert told["id"] == deliberation, told
    assert list(stream)[-1]["type"] == "complete"
    # Another session is another process, which has never heard of it.
    other = json.load(cloud.invoke(f"outside-{uuid.uuid4()}", body)["response"])
    assert (other["type"], other["data"]["code"]) == ("error", "not_found"), other


def test_stop_ends_the_session_and_the_next_call_begins_another(cloud, session):
    cloud.invoke(session, {"action": "capabilities"})["response"].read()
    client = cloud.client()
    stopped = client.stop_runtime_session(agentRuntimeArn=cloud.arn, runtimeSessionId=session)
    assert stopped["runtimeSessionId"] == session
    assert stopped["statusCode"] == 200
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.stop_runtime_session(agentRuntimeArn=cloud.arn, runtimeSessionId=session)
    assert cloud.invoke(session, {"action": "capabilities"})["response"].read()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agentRuntimeArn": "ARN-x"}, "ResourceNotFoundException"),
        ({"qualifier": "nowhere"}, "ResourceNotFoundException"),
        ({"runtimeUserId": "ada"}, None),
    ],
)
def test_errors_are_the_ones_that_the_sdk_knows(cloud, session, change, code):
    asked = {"agentRuntimeArn": cloud.arn, "payload": b'{"action":"capabilities"}', **change}
    asked["agentRuntimeArn"] = asked["agentRuntimeArn"].replace("ARN", cloud.arn)
    asked["runtimeSessionId"] = session
    with pytest.raises(ClientError) if code else contextlib.nullcontext() as refused:
        cloud.client().invoke_agent_runtime(**asked)["response"].read()
    if code:
        assert refused.value.response["Error"]["Code"] == code


def test_wrong_keys_are_refused(cloud, session):
    client = cloud.client(aws_secret_access_key="not the secret")
    with pytest.raises(ClientError) as refused:
        client.invoke_agent_runtime(
            agentRuntimeArn=cloud.arn, runtimeSessionId=session, payload=b"{}"
        )
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
