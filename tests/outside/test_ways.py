"""One question over every way through the cloud, put by AWS's own Python SDK as it is by default: the ends are alike.

boto3 has no client for a Function URL: its signer signs there, and its own HTTP session sends.
"""

import datetime
import json
import os
import subprocess
import urllib.request
import uuid

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.response import StreamingBody
from conftest import process
from test_agentcore import Cloud, events

# CASPAR rejects, the others approve.
MODEL = "bedrock:fake-ways+by-role+tool"
QUESTION = "Should we ship on Friday?"
ASK = {"action": "ask", "question": QUESTION, "preset": "default"}
SESSION_HEADER = "x-amzn-bedrock-agentcore-runtime-session-id"

# What every way has to end in.
VOTES = {"caspar": "REJECTED", "balthasar": "APPROVED", "melchior": "APPROVED"}
COUNTED = {"approved": 2, "rejected": 1, "abstained": 0}


@pytest.fixture(scope="module")
def cloud(folder):
    log = folder / "cloud-of-ways.log"
    command = [os.environ["MAGI_EMULATOR_BIN"], "cloud", "--json", "--magi", os.environ["MAGI_BIN"]]
    command += ["--model", MODEL]
    with process(command, log, stdout=subprocess.PIPE, text=True) as child:
        first = child.stdout.readline()
        assert first, log.read_text()[-4000:]
        yield Cloud(json.loads(first))


@pytest.fixture(scope="module")
def deployer(cloud):
    return Credentials(cloud.env["AWS_ACCESS_KEY_ID"], cloud.env["AWS_SECRET_ACCESS_KEY"])


@pytest.fixture(scope="module")
def guest(cloud):
    """The keys of a guest of the identity pool, fetched without any keys, as a page's."""
    pool = boto3.client(
        "cognito-identity",
        region_name=cloud.env["AWS_REGION"],
        endpoint_url=cloud.env["AWS_ENDPOINT_URL_COGNITO_IDENTITY"],
    )
    identity = pool.get_id(IdentityPoolId=cloud.env["MAGI_CLOUD_IDENTITY_POOL"])["IdentityId"]
    assert identity.startswith(cloud.env["AWS_REGION"] + ":")
    given = pool.get_credentials_for_identity(IdentityId=identity)
    assert given["IdentityId"] == identity
    keys = given["Credentials"]
    left = keys["Expiration"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta() < left <= datetime.timedelta(hours=1)
    return Credentials(keys["AccessKeyId"], keys["SecretKey"], keys["SessionToken"])


def by_function_url(cloud, keys, url, session):
    """The answer of a Function URL to the question, signed for Lambda where there are keys."""
    headers = {"content-type": "application/json", SESSION_HEADER: session}
    request = AWSRequest("POST", url + "/invocations", headers, json.dumps(ASK), stream_output=True)
    if keys:
        SigV4Auth(keys, "lambda", cloud.env["AWS_REGION"]).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, StreamingBody(answer.raw, None)


def over_gateway(cloud, keys, session):
    status, body = by_function_url(cloud, keys, cloud.env["MAGI_CLOUD_GATEWAY_URL"], session)
    assert status == 200, body.read()
    return list(events({"response": body}))


def over_direct(cloud, keys, session):
    status, body = by_function_url(cloud, keys, cloud.env["MAGI_CLOUD_DIRECT_URL"], session)
    assert status == 200, body.read()
    return list(events({"response": body}))


def over_agentcore(cloud, keys, session):
    client = cloud.client(
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
    )
    answer = client.invoke_agent_runtime(
        agentRuntimeArn=cloud.arn,
        qualifier="DEFAULT",
        runtimeSessionId=session,
        contentType="application/json",
        accept="text/event-stream",
        payload=json.dumps(ASK).encode(),
    )
    return list(events(answer))


def calls(cloud):
    """How many calls the models have had so far."""
    ledger = cloud.env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] + "/ledger"
    with urllib.request.urlopen(ledger, timeout=5) as reply:
        return len(json.load(reply)["entries"])


def outcome(seen):
    """Votes, tally and verdict of a whole deliberation, without what differs from one to the next."""
    assert seen[0]["type"] == "start"
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    votes = {event["agentId"]: event["data"]["decision"] for event in seen if event["type"] == "agent_complete"}
    [tally] = [event["data"] for event in seen if event["type"] == "tally"]
    [judged] = [event["data"] for event in seen if event["type"] == "judge_complete"]
    last = seen[-1]
    assert last["type"] == "complete", seen[-3:]
    verdict = {
        name: last["data"][name]
        for name in ("status", "missing", "final_decision", "overruled", "judge_agrees", "voting_result")
    }
    # The fake draws each score anew.
    judge = (judged["final_decision"], sorted(judged["sage_scores"]))
    return {"votes": votes, "tally": tally, "judge": judge, "verdict": verdict}


@pytest.fixture
def session():
    return f"outside-{uuid.uuid4()}"


def test_every_way_ends_in_the_same_votes_tally_and_verdict(cloud, deployer, session, magi):
    own = {name: value for name, value in cloud.env.items() if name.startswith("AWS_")}
    server = magi(**own, AWS_EC2_METADATA_DISABLED="true", MAGI_MODEL=MODEL)
    ways = {
        "function URL and AgentCore": lambda: over_gateway(cloud, deployer, session),
        "AgentCore": lambda: over_agentcore(cloud, deployer, session),
        "function URL": lambda: over_direct(cloud, deployer, session),
        "single binary": lambda: server.deliberate(QUESTION, preset="default"),
    }
    ends = {}
    for name, asked in ways.items():
        before = calls(cloud)
        ends[name] = outcome(asked())
        assert calls(cloud) - before == 4, f"{name}: three sages and the judge are asked, once each"
    first = ends["single binary"]
    for name, end in ends.items():
        assert end == first, name
    assert first["votes"] == VOTES
    assert first["judge"] == ("APPROVED", sorted(VOTES))
    assert {word: first["tally"][word] for word in COUNTED} == COUNTED
    assert first["tally"]["agreement"] == "2-1-0"
    assert first["verdict"]["voting_result"].items() >= COUNTED.items()
    assert first["verdict"]["status"] == "completed"
    assert first["verdict"]["final_decision"] == "APPROVED"


@pytest.mark.parametrize("way", [over_gateway, over_direct, over_agentcore])
def test_a_guest_of_the_identity_pool_signs_the_call(cloud, guest, session, way):
    end = outcome(way(cloud, guest, session))
    assert end["votes"] == VOTES
    assert end["verdict"]["final_decision"] == "APPROVED"


@pytest.mark.parametrize("url", ["MAGI_CLOUD_GATEWAY_URL", "MAGI_CLOUD_DIRECT_URL"])
def test_a_function_url_takes_no_call_that_is_not_signed_right(cloud, guest, session, url):
    without_token = Credentials(guest.access_key, guest.secret_key)
    wrong = Credentials(guest.access_key, "not the secret", guest.token)
    before = calls(cloud)
    for keys in (None, without_token, wrong):
        status, body = by_function_url(cloud, keys, cloud.env[url], session)
        assert status == 403, body.read()
    assert calls(cloud) == before, "a refused call reaches no model"


def test_agentcore_takes_a_guests_key_with_its_token_only(cloud, guest, session):
    with pytest.raises(ClientError) as refused:
        over_agentcore(cloud, Credentials(guest.access_key, guest.secret_key), session)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
