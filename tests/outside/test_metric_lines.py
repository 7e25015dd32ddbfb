"""A real deliberation prints the line that the templates' dashboard and alarms are made of."""

import http.server
import json
import os
import queue
import subprocess
import threading
import time

from conftest import Magi, process
from test_templates import metrics_of_the_program

QUESTION = "Should we move the release to Monday?"


def test_an_ended_deliberation_prints_one_line_of_metrics(tmp_path):
    env = {
        "HOME": str(tmp_path),
        "MAGI_DATA_DIR": str(tmp_path / "data"),
        "MAGI_METRICS_EMF": "on",
        "MAGI_DEPLOYMENT": "shop",
        "MAGI_REHEARSAL_PACE": "instant",
    }
    command = [os.environ["MAGI_BIN"], "serve", "--port", "0"]
    with process(command, tmp_path / "magi.log", env, stdout=subprocess.PIPE, text=True) as child:
        address = next(line for line in child.stdout if "http://" in line).split()[-1]
        last = Magi(address.rstrip("/"), child).deliberate(QUESTION)[-1]
        line = next(line for line in child.stdout if line.startswith("{"))
    printed = json.loads(line)
    namespace, dimension, metrics = metrics_of_the_program()
    [directive] = printed["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == (namespace, [[dimension]])
    assert printed[dimension] == "shop"
    named = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert named.items() <= metrics.items()
    assert {"Deliberations", "Degraded", "Failed", "FirstToken", "Duration"} <= named.keys()
    assert all(isinstance(printed[name], (int, float)) for name in named)
    assert printed["trace_id"] == last["trace_id"]
    assert (printed["status"], printed["Deliberations"]) == (last["data"]["status"], 1)
    assert printed["Duration"] == last["data"]["execution_time"]
    assert "release" not in line, "a word of the question was told"


EVENT = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/invocations",
    "rawQueryString": "",
    "headers": {"content-type": "application/json", "accept": "text/event-stream"},
    "requestContext": {
        "accountId": "111122223333",
        "apiId": "abcdefghij",
        "domainName": "abcdefghij.lambda-url.us-east-1.on.aws",
        "domainPrefix": "abcdefghij",
        "http": {
            "method": "POST",
            "path": "/invocations",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "test",
        },
        "requestId": "00000000-0000-4000-8000-000000000000",
        "routeKey": "$default",
        "stage": "$default",
        "time": "23/Nov/2026:01:02:03 +0000",
        "timeEpoch": 1795395723004,
    },
    "body": json.dumps({"action": "ask", "question": QUESTION}),
    "isBase64Encoded": False,
}


class Runtime(http.server.BaseHTTPRequestHandler):
    """Lambda's runtime API with one invocation. When the function has ended its answer it looks at once
    what the function had printed by then: Lambda may freeze it from that moment."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.server.given.is_set():
            self.server.over.wait()
            return self.close_connection
        self.server.given.set()
        body = json.dumps(EVENT).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("lambda-runtime-aws-request-id", "1")
        self.send_header("lambda-runtime-deadline-ms", str(int(time.time() * 1000) + 60_000))
        self.send_header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:111122223333:function:council")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = b""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.answers.put((self.path, body, self.server.printed()))
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()


def test_a_function_prints_it_before_its_answer_ends(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Runtime)
    server.daemon_threads = True
    server.given, server.over, server.answers = threading.Event(), threading.Event(), queue.Queue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {
        "HOME": str(tmp_path),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "council",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "MAGI_STATE_KEY": "a key of the tests, long enough to be one",
        "MAGI_DEPLOYMENT": "council",
        "MAGI_REHEARSAL_PACE": "instant",
    }
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def printed():
        text = b""
        try:
            while part := os.read(reading, 65536):
                text += part
        except BlockingIOError:
            pass
        return text.decode()

    server.printed = printed
    try:
        with process([os.environ["MAGI_BIN"], "lambda"], tmp_path / "lambda.log", env, stdout=writing):
            path, body, lines = server.answers.get(timeout=60)
            server.over.set()
    finally:
        server.shutdown()
        server.server_close()
        os.close(writing)
        os.close(reading)
    assert path.endswith("/response"), body
    assert b'"type":"complete"' in body
    found = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    assert [line["Deliberations"] for line in found if "_aws" in line] == [1]
