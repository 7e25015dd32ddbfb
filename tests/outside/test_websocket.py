"""Clients of other people's on our WebSocket: the same events down, the same verbs up, and nothing lost.

Every test runs with PyPI's `websockets` and with npm's `ws`, against a real `magi serve` or behind AgentCore.
"""

import base64
import contextlib
import http.server
import json
import os
import random
import subprocess
import threading
import time
import urllib.request
import uuid

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import process, wait_for
from sockets import CLIENTS, Reader, Refused, is_over

QUESTION = "Should we ship on Friday?"
FRAME = 16 * 1024

clients = pytest.mark.parametrize("client", sorted(CLIENTS))


def fake(fakes, model):
    return {"OPENAI_BASE_URL": fakes.openai, "OPENAI_API_KEY": "k", "MAGI_MODEL": f"openai:{model}"}


def post(magi, path, body, headers=()):
    request = urllib.request.Request(
        magi.base + path,
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", **dict(headers)},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def ask(magi, **more):
    return post(magi, "/v1/deliberations", {"question": QUESTION, **more})["id"]


def sse(magi, deliberation):
    """What server-sent events say: ids, and the bytes behind `data: `."""
    entries, cursor = [], None
    with urllib.request.urlopen(f"{magi.base}/v1/deliberations/{deliberation}/events", timeout=60) as reply:
        for line in reply:
            line = line.decode().removesuffix("\n")
            if line.startswith("id: "):
                cursor = line.removeprefix("id: ")
            elif line.startswith("data: "):
                entries.append((cursor, line.removeprefix("data: ")))
    assert is_over(entries)
    return entries


def ws(magi, path="/ws"):
    return magi.base.replace("http://", "ws://") + path


def one(magi, deliberation, after=None):
    query = f"?after={after}" if after else ""
    return ws(magi, f"/v1/deliberations/{deliberation}/ws{query}")


def kinds(entries):
    return [json.loads(event)["type"] for _, event in entries]


@clients
def test_the_same_events_come_down_byte_for_byte(magi, fakes, client):
    magi = magi(**fake(fakes, "fake-same+by-role+reasoning+len-200+tps-400"))
    with Reader(client, ws(magi)) as reader:
        reader.say("ask", question=QUESTION, ref=7)
        answer = reader.answer(7)
        assert answer["type"] == "answer", answer
        live = reader.rest()
        assert reader.step() == {"type": "end", "id": answer["data"]["id"]}
    assert live == sse(magi, answer["data"]["id"])
    with Reader(client, one(magi, answer["data"]["id"])) as reader:
        assert reader.rest() == live
        assert reader.closed() == 1000
    assert max(reader.sizes) < FRAME


class Long(http.server.BaseHTTPRequestHandler):
    """A vendor whose every answer is 100 KB of characters of four bytes, in one token."""

    protocol_version = "HTTP/1.1"
    PROSE = "😀𠮷" * 12_500
    VOTE = '\n```json\n{"reasoning": "so much", "decision": "APPROVED", "confidence": 0.5}\n```'

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for text in (self.PROSE, self.VOTE):
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            self.event({"choices": [choice]})
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, body):
        event = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "long", **body}
        self.wfile.write(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def long_vendor():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Long) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@clients
def test_every_frame_is_below_16_kib_also_of_an_answer_of_100_kb(magi, long_vendor, client):
    magi = magi(OPENAI_BASE_URL=long_vendor, OPENAI_API_KEY="k", MAGI_MODEL="openai:long")
    with Reader(client, ws(magi)) as reader:
        reader.say("ask", question=QUESTION, ref=1)
        deliberation = reader.answer(1)["data"]["id"]
        entries = reader.rest()
    assert max(reader.sizes) < FRAME
    assert entries == sse(magi, deliberation)
    said = [json.loads(event) for _, event in entries]
    said = [event["data"]["text"] for event in said if event["type"] == "agent_chunk"]
    assert sum(map(len, said)) >= 3 * len(Long.PROSE)
    assert any(len(text) > FRAME for text in said), "no event was longer than a frame"


@clients
def test_a_backlog_comes_in_fewer_than_250_frames_a_second(magi, fakes, client):
    magi = magi(**fake(fakes, "fake-much+by-role+len-3000"))
    deliberation = ask(magi)
    whole = sse(magi, deliberation)
    began = time.monotonic()
    with Reader(client, one(magi, deliberation)) as reader:
        assert reader.rest() == whole
    took = time.monotonic() - began
    n_frames = len(reader.sizes)
    # A busy machine only makes it slower: that it is never faster is the server's doing.
    assert n_frames > 100 and n_frames / took < 250, (n_frames, took)
    print(f"{client}: {len(whole)} events in {n_frames} frames, {n_frames / took:.0f} a second")


@clients
def test_every_verb_goes_up_and_is_answered(magi, fakes, client):
    magi = magi(**fake(fakes, "fake-verbs+by-role+len-400+tps-100"))
    with Reader(client, ws(magi)) as reader:

        def say(verb, mark, **more):
            reader.say(verb, ref=mark, **more)
            answer = reader.answer(mark)
            assert (answer["type"], answer["action"]) == ("answer", verb), answer
            return answer["data"]

        first = say("ask", 0, question=QUESTION)["id"]
        assert say("pause", 1) == {"id": first, "changed": True}
        assert say("pause", 2) == {"id": first, "changed": False}
        assert say("resume", 3) == {"id": first, "changed": True}
        assert say("note", 4, text="The release was announced.") == {"id": first, "changed": True}
        reader.read(lambda entries: any('"type":"agent_chunk"' in event for _, event in entries))
        assert say("retry", 5, agent="caspar", attempt=1) == {"id": first, "changed": True}
        assert say("retry", 6, agent="caspar", attempt=1) == {"id": first, "changed": False}
        assert say("stop", 7, agent="melchior") == {"id": first, "changed": True}
        assert say("stop", "all") == {"id": first, "changed": True}
        stopped = reader.rest()
        assert kinds(stopped)[-1] == "cancelled"
        assert {"paused", "resumed", "note"} <= set(kinds(stopped))
        assert stopped == sse(magi, first)
        assert say("stop", 8, id=first) == {"id": first, "changed": False}
        # A verb that starts a linked one makes the socket follow it.
        reader.entries.clear()
        forked = say("fork", 9, id=first)
        assert forked["changed"] and forked["id"] != first
        say("stop", 10)
        assert reader.rest()[0][0].startswith(forked["id"])


@clients
def test_a_reader_that_is_cut_at_random_loses_doubles_and_reorders_nothing(magi, fakes, client):
    cuts, seed = int(os.environ.get("MAGI_WS_CUTS", "25")), int(os.environ.get("MAGI_SEED", "20261130"))
    chance = random.Random(seed)
    magi = magi(**fake(fakes, "fake-cut+by-role+reasoning+len-250+tps-300"))
    n_cuts, n_deliberations = 0, 0
    while n_cuts < cuts:
        deliberation = ask(magi)
        entries = []
        while not is_over(entries):
            after = entries[-1][0] if entries else None
            with Reader(client, one(magi, deliberation, after)) as reader:
                if n_cuts < cuts:
                    least = chance.randrange(0, 120)
                    got = reader.read(lambda so_far: len(so_far) >= least or is_over(so_far))
                    reader.client.cut()
                    n_cuts += not is_over(got)
                else:
                    got = reader.rest()
                entries += got
        assert entries == sse(magi, deliberation), f"seed {seed}"
        n_deliberations += 1
    print(f"{client}: {n_cuts} cuts over {n_deliberations} deliberations, seed {seed}: nothing lost or doubled")


@clients
def test_both_sides_ping(magi, fakes, client):
    magi = magi(**fake(fakes, "fake+by-role"))
    with Reader(client, ws(magi)) as reader:
        reader.client.ping()
        reader.client.wait_for("ponged")
        # The server pings a socket that was silent for 15 s, and hears the answer.
        reader.client.wait_for("pinged")
        reader.say("capabilities", ref=1)
        assert reader.answer(1)["data"]["code"] == "unsupported"


@clients
def test_pages_of_other_origins_are_refused(magi, fakes, client):
    allowed = "https://page.example"
    magi = magi(MAGI_CORS_ORIGINS=allowed, **fake(fakes, "fake"))
    for origin in (None, magi.base, allowed):
        with Reader(client, ws(magi), [("Origin", origin)] if origin else []) as reader:
            reader.say("nothing", ref=1)
            assert reader.answer(1)["data"]["code"] == "unsupported"
    for origin in ("https://evil.example", "null", allowed + ".evil.example", "http://page.example", "http://localhost:1"):
        with pytest.raises(Refused) as refused:
            Reader(client, ws(magi), [("Origin", origin)])
        if refused.value.problem:
            assert refused.value.problem["code"] == "forbidden_origin"
        assert refused.value.status == 403, origin


@clients
def test_a_token_is_wanted_in_a_header_or_as_a_subprotocol(magi, fakes, client):
    token = "correct-horse-battery-staple"
    magi = magi(MAGI_TRUST="token", MAGI_TOKEN=token, **fake(fakes, "fake"))
    name = "base64UrlBearerAuthorization"
    coded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    wrong = base64.urlsafe_b64encode(b"another-token-altogether").decode().rstrip("=")
    bearer = [("Authorization", f"Bearer {token}")]
    with Reader(client, ws(magi), bearer) as reader:
        reader.say("ask", question=QUESTION, ref=1)
        assert reader.answer(1)["type"] == "answer"
    # A page of any origin may come in with a token: there is nothing that a browser adds by itself.
    by_page = [("Origin", "https://page.example")]
    with Reader(client, ws(magi), by_page, [f"{name}.{coded}", name]) as reader:
        assert reader.client.protocol == name
    for url, headers, protocols in [
        (ws(magi), [], []),
        (ws(magi), [("Authorization", "Bearer wrong-token-of-some-length")], []),
        (ws(magi), [], [f"{name}.{wrong}", name]),
        (ws(magi, f"/ws?token={token}"), [], []),
    ]:
        with pytest.raises(Refused) as refused:
            Reader(client, url, headers, protocols)
        assert refused.value.status == 401


@clients
def test_a_slow_socket_falls_behind_is_heard_and_catches_up(magi, fakes, client):
    # More than the system's buffers hold, so that the server has to wait.
    magi = magi(MAGI_WRITE_STALL="1h", **fake(fakes, "fake-slow+by-role+len-4000+tps-2000"))
    deliberation = ask(magi)
    with Reader(client, ws(magi)) as slow:
        slow.say("events", id=deliberation)
        slow.read(lambda entries: entries)
        slow.client.pause()
        # Others read to the end meanwhile, and a verb of the slow one is heard though it reads nothing.
        whole = sse(magi, deliberation)
        other = ask(magi)
        slow.say("stop", id=other, ref="late")
        assert kinds(sse(magi, other))[-1] == "cancelled"
        slow.client.resume()
        assert slow.answer("late")["data"] == {"id": other, "changed": True}
        assert slow.rest() == whole


@clients
def test_bad_messages_are_answered_and_the_stream_goes_on(magi, fakes, client):
    magi = magi(**fake(fakes, "fake-bad+by-role+len-300+tps-60"))
    deliberation = ask(magi)
    bad = [
        (b"\x00\x01\x02", "bad_request", "text"),
        (b'{"action":"stop"}', "bad_request", "text"),
        ("not JSON", "bad_json", "JSON"),
        ("[" * 5000, "bad_json", ""),
        ("[]", "bad_request", "object"),
        ('{"action":"dance","ref":3}', "unsupported", "stop, retry, note"),
        ('{"action":"stop","agent":"adam","ref":4}', "bad_request", "adam"),
        ('{"action":"note","ref":5}', "bad_request", "text"),
        ("x" * (1024 * 1024 + 1), "too_large", "1 MiB"),
        (b"x" * (4 * 1024 * 1024), "too_large", "1 MiB"),
    ]
    with Reader(client, one(magi, deliberation)) as reader:
        for message, code, words in bad:
            before = len(reader.others)
            reader.client.send(message)
            while len(reader.others) == before:
                reader.step()
            answer = reader.others[-1]
            assert (answer["type"], answer["data"]["code"]) == ("error", code), answer
            assert words in answer["error"], answer
        reader.say("stop", ref=9)
        assert reader.answer(9)["data"]["changed"] is True
        assert reader.rest() == sse(magi, deliberation)


@clients
def test_closes_say_why(magi, fakes, client):
    magi = magi(**fake(fakes, "fake-close+by-role+len-2000+tps-20"))
    deliberation = ask(magi)
    # Ours is answered.
    with Reader(client, one(magi, deliberation)) as reader:
        reader.read(lambda entries: entries)
        reader.client.close(1000)
    # A deliberation that is not there is refused before there is a socket.
    with pytest.raises(Refused) as refused:
        Reader(client, one(magi, "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    assert refused.value.status == 404
    with pytest.raises(Refused) as refused:
        Reader(client, one(magi, deliberation, "nonsense"))
    assert refused.value.status == 400
    # A server that stops says so, and the reader comes back to the next one.
    with Reader(client, one(magi, deliberation)) as reader:
        reader.read(lambda entries: entries)
        magi.child.terminate()
        assert reader.closed() == 1001


@contextlib.contextmanager
def container(folder, env):
    """`magi agentcore` on a port of this machine."""
    from conftest import free_port

    port, log = free_port(), folder / "agentcore.log"
    command = [os.environ["MAGI_BIN"], "agentcore", "--host", "127.0.0.1", "--port", str(port)]
    home = {"HOME": str(folder), "MAGI_DATA_DIR": str(folder / "data")}
    with process(command, log, {**home, **env}) as child:
        wait_for(f"http://127.0.0.1:{port}/ping", child, log)
        yield f"ws://127.0.0.1:{port}/ws"


def walk(client, url, headers=(), protocols=()):
    """Asks, is cut, goes on, tells and stops: what a caller does behind AgentCore."""
    with Reader(client, url, headers, protocols) as reader:
        reader.say("ask", question=QUESTION, ref=1)
        deliberation = reader.answer(1)["data"]["id"]
        first = list(reader.read(lambda entries: len(entries) >= 20))
        reader.client.cut()
    with Reader(client, url, headers, protocols) as reader:
        reader.say("events", id=deliberation, after=first[-1][0], ref=2)
        assert reader.answer(2)["type"] == "answer"
        reader.say("note", text="It was announced.", ref=3)
        assert reader.answer(3)["data"] == {"id": deliberation, "changed": True}
        reader.say("stop", ref=4)
        assert reader.answer(4)["data"] == {"id": deliberation, "changed": True}
        entries = first + reader.rest()
        assert max(reader.sizes) < FRAME
    numbers = [json.loads(event)["seq"] for _, event in entries]
    assert numbers == list(range(1, len(entries) + 1))
    assert kinds(entries)[-1] == "cancelled" and "note" in kinds(entries)


@clients
def test_the_containers_socket_asks_goes_on_and_stops(tmp_path, fakes, client):
    with container(tmp_path, fake(fakes, "fake-container+by-role+len-1000+tps-40")) as url:
        walk(client, url)


@pytest.fixture(scope="module")
def cloud(folder):
    log = folder / "cloud-ws.log"
    command = [os.environ["MAGI_EMULATOR_BIN"], "cloud", "--json", "--magi", os.environ["MAGI_BIN"]]
    # Long enough that the judge has not begun when the walk is at its end.
    command += ["--model", "bedrock:fake+by-role+len-1000", "--tps", "40"]
    with process(command, log, stdout=subprocess.PIPE, text=True) as child:
        first = child.stdout.readline()
        assert first, log.read_text()[-4000:]
        yield json.loads(first)


SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"


def plane(cloud, arn):
    escaped = arn.replace(":", "%3A").replace("/", "%2F")
    return f"{cloud['AWS_ENDPOINT_URL_BEDROCK_AGENTCORE']}/runtimes/{escaped}/ws"


@clients
def test_the_same_socket_behind_agentcore_with_signed_headers(cloud, client):
    """SigV4 by botocore, the session in a header: what a caller with AWS credentials sends."""
    url = plane(cloud, cloud["MAGI_CLOUD_RUNTIME_ARN"])
    keys = Credentials(cloud["AWS_ACCESS_KEY_ID"], cloud["AWS_SECRET_ACCESS_KEY"])
    session = f"ws-{uuid.uuid4()}"

    def signed():
        request = AWSRequest("GET", url, headers={SESSION: session})
        SigV4Auth(keys, "bedrock-agentcore", cloud["AWS_REGION"]).add_auth(request)
        return [(name, value) for name, value in request.headers.items() if name.lower() != "host"]

    walk(client, url.replace("http://", "ws://"), signed())


@clients
def test_the_same_socket_behind_agentcore_with_a_browsers_token(cloud, client):
    """OAuth as a browser does it: the token as a subprotocol, the session as a parameter."""
    url = plane(cloud, cloud["MAGI_CLOUD_BEARER_RUNTIME_ARN"])
    name = "base64UrlBearerAuthorization"
    coded = base64.urlsafe_b64encode(cloud["MAGI_CLOUD_BEARER_TOKEN"].encode()).decode().rstrip("=")
    url = url.replace("http://", "ws://") + f"?{SESSION}=ws-{uuid.uuid4()}"
    walk(client, url, protocols=[f"{name}.{coded}", name])
