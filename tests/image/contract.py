"""The image and the function's archive, and the contracts of AgentCore and Lambda kept by what is in them.

Run by run.sh in mount and network namespaces of its own, so that the container's fixed address is free and
nothing outside can be reached.
"""

import argparse
import fcntl
import gzip
import hashlib
import io
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from pathlib import Path

from wire import Line, WebSocket, ask, events

USER = 65532
IMAGE_LIMIT = 40_000_000
ARCHIVE_LIMIT = 12_000_000
SESSION = {"x-amzn-bedrock-agentcore-runtime-session-id": "session-0123456789-0123456789-0123456789"}
QUESTION = {"action": "ask", "question": "Should we ship on Friday?"}
REHEARSAL = {"MAGI_MODEL": "rehearsal", "MAGI_REHEARSAL_PACE": "instant"}


class Image:
    """An OCI archive with one image."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
        self.size = sum(map(len, self.files.values()))
        (entry,) = json.loads(self.files["index.json"])["manifests"]
        self.manifest = json.loads(self.blob(entry))
        self.config = json.loads(self.blob(self.manifest["config"]))
        self.layers = [gzip.decompress(self.blob(layer)) for layer in self.manifest["layers"]]

    def blob(self, descriptor):
        content = self.files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert hashlib.sha256(content).hexdigest() == descriptor["digest"].split(":")[1]
        assert len(content) == descriptor["size"]
        return content

    def members(self):
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                for member in archive:
                    yield member, archive.extractfile(member).read() if member.isfile() else b""


class Program:
    """A program in a read-only root of its own, as a user who owns nothing there."""

    def __init__(self, root, command, env):
        self.root, self.log = root, tempfile.TemporaryFile()
        # The machine's kernel runs the image's binary through qemu, the one file that is not the image's.
        emulator = [] if os.uname().machine == "aarch64" else ["/.qemu"]
        if emulator:
            shutil.copy(shutil.which("qemu-aarch64-static"), root / ".qemu")
        mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && root=$0 && shift'
        enter = f'{mount} && exec chroot --userspec={USER}:{USER} --groups={USER} "$root" "$@"'
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", enter, str(root), "-", *emulator, *command],
            env={"PATH": os.environ["PATH"], **env}, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.kill()
        self.process.wait()
        if kind:
            self.log.seek(0)
            print("it said:\n" + self.log.read().decode(errors="replace")[-4000:], file=sys.stderr)

    def ready(self, port=8080):
        """Waits until the port answers, for at most a minute: qemu translates the whole start."""
        for _ in range(600):
            assert self.process.poll() is None, f"it ended with {self.process.returncode} at its start"
            try:
                return ask(port, "GET", "/ping")
            except ConnectionError:
                time.sleep(0.1)
        raise AssertionError("it never listened")

    def facts(self):
        """What the kernel says of the process: its status fields and the options of its root mount."""
        proc = Path(f"/proc/{self.process.pid}")
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
        mounts = [line.split() for line in (proc / "mountinfo").read_text().splitlines()]
        (options,) = [mount[5] for mount in mounts if mount[4] == "/"]
        return status, options.split(",")


class RuntimeApi:
    """Lambda's runtime API, as much as one function needs: one invocation is handed out, its answer is read."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.idle = []

    def take(self):
        """The next request, on a new connection or on one kept alive: its connection, first line and headers."""
        while True:
            ready, _, _ = select.select([self.listener, *(line.socket for line in self.idle)], [], [], 60)
            assert ready, "the function asked nothing for a minute"
            if self.listener in ready:
                self.idle.append(Line.of(self.listener.accept()[0]))
                continue
            (line, *_) = [line for line in self.idle if line.socket in ready]
            self.idle.remove(line)
            if line.socket.recv(1, socket.MSG_PEEK):
                return line, *line.head()

    def answer(self, line, status, body=b"", headers=None):
        fields = {"content-length": str(len(body)), **(headers or {})}
        head = f"HTTP/1.1 {status}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
        line.socket.sendall(head.encode() + b"\r\n" + body)
        self.idle.append(line)

    def invoke(self, event):
        """Hands out the event: the first line, headers and pieces of the answer, after which it asks for the next."""
        line, first, _ = self.take()
        assert first == "GET /2018-06-01/runtime/invocation/next HTTP/1.1", first
        fields = {
            "Lambda-Runtime-Aws-Request-Id": "11111111-2222-3333-4444-555555555555",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 120_000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:magi",
            "Content-Type": "application/json",
        }
        self.answer(line, "200 OK", json.dumps(event).encode(), fields)
        line, first, headers = self.take()
        pieces = list(line.body(headers))
        self.answer(line, "202 Accepted")
        _, after, _ = self.take()
        assert after == "GET /2018-06-01/runtime/invocation/next HTTP/1.1", after
        return first, headers, pieces


def unpacked(image, room):
    root = Path(tempfile.mkdtemp(dir=room))
    root.chmod(0o755)
    for layer in image.layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            archive.extractall(root, filter="tar") if hasattr(tarfile, "tar_filter") else archive.extractall(root)
    return root


def container(image, room, more):
    config = image.config["config"]
    env = dict(pair.split("=", 1) for pair in config["Env"] if not pair.startswith("PATH="))
    return Program(unpacked(image, room), config["Entrypoint"], {**env, **more})


def whole(seen, mode="rehearsal"):
    """What any stream of a deliberation must be, from its start to its verdict."""
    kinds = [event["type"] for _, event in seen]
    assert kinds[0] == "start" and seen[0][1]["data"]["mode"] == mode, seen[0]
    assert kinds[-1] == "complete" and kinds.count("complete") == 1, kinds[-3:]
    assert kinds.count("agent_complete") == 3 and kinds.count("agent_chunk") > 10, kinds
    assert [event["seq"] for _, event in seen] == list(range(1, len(seen) + 1)), "a gap in seq"
    return seen[-1][1]["data"]


def is_static_aarch64(binary):
    """ELF for aarch64 that asks for no interpreter and no library."""
    assert binary[:6] == b"\x7fELF\x02\x01" and struct.unpack_from("<H", binary, 18)[0] == 183, "not ELF for aarch64"
    (offset,), (size, count) = struct.unpack_from("<Q", binary, 32), struct.unpack_from("<HH", binary, 54)
    kinds = {struct.unpack_from("<I", binary, offset + at * size)[0] for at in range(count)}
    assert not kinds & {2, 3}, "it is linked dynamically"


def the_image_holds_the_binary_and_the_authorities_alone(image, _room, _options):
    assert (image.config["architecture"], image.config["os"]) == ("arm64", "linux"), image.config
    config = image.config["config"]
    assert config["User"] == f"{USER}:{USER}", config
    assert config["Entrypoint"] == ["/magi", "agentcore"] and not config.get("Cmd"), config
    assert list(config["ExposedPorts"]) == ["8080/tcp"], config
    files = {}
    for member, content in image.members():
        assert (member.uid, member.gid) == (0, 0) and not member.mode & 0o6022, (member.name, oct(member.mode))
        if not member.isdir():
            assert member.isfile(), member.name
            files[member.name] = (member.mode & 0o777, content)
    assert sorted(files) == ["etc/ssl/certs/ca-certificates.crt", "magi"], sorted(files)
    assert files["magi"][0] == 0o755 and files["etc/ssl/certs/ca-certificates.crt"][0] == 0o644
    assert "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" in config["Env"], config["Env"]
    assert files["etc/ssl/certs/ca-certificates.crt"][1].count(b"BEGIN CERTIFICATE") > 50
    is_static_aarch64(files["magi"][1])


def the_archive_holds_bootstrap_alone(_image, _room, options):
    with zipfile.ZipFile(options.function) as archive:
        (entry,) = archive.infolist()
        assert entry.filename == "bootstrap" and entry.external_attr >> 16 == 0o100755, entry
        is_static_aarch64(archive.read(entry))


def no_path_of_this_machine_is_in_the_binary(image, _room, _options):
    (binary,) = [content for member, content in image.members() if member.name == "magi"]
    for path in {os.getcwd(), str(Path.home() / ".cargo"), str(Path.home() / ".rustup")}:
        assert path.encode() not in binary, path


def the_sizes_are_held(image, _room, options):
    archive = os.path.getsize(options.function)
    print(f"  image {image.size} bytes of at most {IMAGE_LIMIT}, archive {archive} of at most {ARCHIVE_LIMIT}")
    if options.sizes:
        assert image.size < IMAGE_LIMIT and archive < ARCHIVE_LIMIT


def the_container_answers_and_streams(image, room, _options):
    with container(image, room, REHEARSAL) as program:
        status, headers, body = program.ready()
        assert status == 200 and headers["content-type"].startswith("application/json"), (status, headers)
        assert json.loads(body)["status"] == "Healthy", body
        line = Line(8080)
        line.send("POST", "/invocations", json.dumps(QUESTION).encode(), {"content-type": "application/json", **SESSION})
        first, fields = line.head()
        assert first.split()[1] == "200" and fields["content-type"].startswith("text/event-stream"), (first, fields)
        whole(list(events(line.body(fields))))
        line.close()


def the_container_pings_while_it_streams(image, room, _options):
    # At a model's pace the deliberation takes seconds: the ping comes between two of its events.
    with container(image, room, {"MAGI_MODEL": "rehearsal"}) as program:
        program.ready()
        line = Line(8080)
        line.send("POST", "/invocations", json.dumps(QUESTION).encode(), {"content-type": "application/json", **SESSION})
        first, fields = line.head()
        stream = events(line.body(fields))
        seen = [next(stream)]
        status, _, body = ask(8080, "GET", "/ping")
        assert status == 200 and json.loads(body)["status"] in ("Healthy", "HealthyBusy"), body
        whole(seen + list(stream))
        line.close()


def the_container_speaks_websocket(image, room, _options):
    with container(image, room, REHEARSAL) as program:
        program.ready()
        web = WebSocket(8080, "/ws", SESSION)
        web.say(QUESTION)
        seen = []
        parts = ""
        while not seen or seen[-1][1]["type"] not in ("complete", "error", "cancelled"):
            message = web.next()
            if message["type"] == "events":
                seen += [(item["id"], item["event"]) for item in message["events"]]
            elif message["type"] == "part":
                parts += message["text"]
                if message["part"] == message["parts"]:
                    seen.append((message["id"], json.loads(parts)))
                    parts = ""
            else:
                assert message["type"] == "answer", message
        whole(seen)


def a_bad_body_is_refused_with_its_field(image, room, _options):
    with container(image, room, REHEARSAL) as program:
        program.ready()
        status, _, body = ask(8080, "POST", "/invocations", {"action": "nonsense"}, SESSION)
        assert b"action" in body and b"nonsense" in body, (status, body)


def the_container_is_its_own_user_on_a_read_only_root(image, room, _options):
    with container(image, room, REHEARSAL) as program:
        program.ready()
        status, options = program.facts()
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(USER)}, (status["Uid"], status["Gid"])
        assert int(status["CapEff"], 16) == 0, status["CapEff"]
        assert "ro" in options, options
        ask(8080, "POST", "/invocations", QUESTION, SESSION)
        owned = [path for path in program.root.rglob("*") if path.lstat().st_uid == USER]
        assert not owned, owned


def sigterm_ends_the_container(image, room, _options):
    with container(image, room, REHEARSAL) as program:
        program.ready()
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(timeout=60) == 0, program.process.returncode


def models_are_asked_over_http(image, room, _options):
    vendors = subprocess.Popen([os.environ["MAGI_EMULATOR_BIN"], "vendors", "--listen", "127.0.0.1:8718"], stdout=subprocess.PIPE)
    try:
        vendors.stdout.readline()
        more = {"MAGI_MODEL": "openai:fake+tool", "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:8718/v1"}
        with container(image, room, more) as program:
            program.ready()
            status, _, body = ask(8080, "POST", "/invocations", QUESTION, SESSION)
            assert status == 200, body
            whole(list(events([body])), mode="live")
    finally:
        vendors.kill()
        vendors.wait()


def url_event(path, value):
    """A Function URL's event, payload version 2.0."""
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "abc.lambda-url.us-east-1.on.aws", **SESSION},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abc", "domainName": "abc.lambda-url.us-east-1.on.aws",
            "domainPrefix": "abc", "requestId": "22222222-2222-3333-4444-555555555555", "routeKey": "$default",
            "stage": "$default", "time": "23/Nov/2026:01:02:03 +0000", "timeEpoch": 1795395723000,
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
        },
        "body": json.dumps(value), "isBase64Encoded": False,
    }


def bootstrap_streams_through_the_runtime_api(_image, room, options):
    root = Path(tempfile.mkdtemp(dir=room))
    root.chmod(0o755)
    (root / "var/task").mkdir(parents=True)
    with zipfile.ZipFile(options.function) as archive:
        binary = archive.read("bootstrap")
    (root / "var/task/bootstrap").write_bytes(binary)
    (root / "var/task/bootstrap").chmod(0o755)
    api = RuntimeApi()
    env = {
        # At a model's pace, so that the pieces of the answer are its tokens as they came.
        "MAGI_MODEL": "rehearsal", "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.port}", "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "magi", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/magi",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream", "LAMBDA_TASK_ROOT": "/var/task", "_HANDLER": "bootstrap",
    }
    with Program(root, ["/var/task/bootstrap"], env):
        first, headers, pieces = api.invoke(url_event("/invocations", QUESTION))
        assert first.endswith("/11111111-2222-3333-4444-555555555555/response HTTP/1.1"), first
        assert headers["lambda-runtime-function-response-mode"] == "streaming", headers
        assert headers["content-type"] == "application/vnd.awslambda.http-integration-response", headers
        prelude, body = b"".join(pieces).split(b"\0" * 8, 1)
        prelude = json.loads(prelude)
        assert prelude["statusCode"] == 200, prelude
        assert prelude["headers"]["content-type"].startswith("text/event-stream"), prelude
        whole(list(events([body])))
        assert len(pieces) > 20, f"{len(pieces)} pieces: it was gathered, not streamed"


def every_way_through_the_cloud_ends_in_one_verdict(image, room, _options):
    """The emulated cloud with this binary as its containers and functions: Bedrock, gateway, AgentCore, direct."""
    root = unpacked(image, room)
    binary = f"{root}{image.config['config']['Entrypoint'][0]}"
    if os.uname().machine != "aarch64":
        wrapper = Path(room) / "magi"
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("qemu-aarch64-static")} {binary} "$@"\n')
        wrapper.chmod(0o755)
        binary = wrapper
    # Long enough that qemu's slow start of a function is no part of what is compared.
    demo = subprocess.run(
        [os.environ["MAGI_EMULATOR_BIN"], "demo", "--magi", binary, "--limit", "15s", "--json"],
        capture_output=True, text=True, timeout=240,
    )
    assert demo.returncode == 0, demo.stderr
    ways = {way["way"]: way["outcome"] for way in json.loads(demo.stdout)["ways"]}
    verdicts = [ways[way] for way in ("gateway", "agentcore", "direct", "buffered")]
    assert all(verdict == verdicts[0] and verdict["kind"] == "verdict" for verdict in verdicts), ways
    assert ways["villain"]["kind"] == "refused", ways


TESTS = [
    the_image_holds_the_binary_and_the_authorities_alone,
    the_archive_holds_bootstrap_alone,
    no_path_of_this_machine_is_in_the_binary,
    the_sizes_are_held,
    the_container_answers_and_streams,
    the_container_pings_while_it_streams,
    the_container_speaks_websocket,
    a_bad_body_is_refused_with_its_field,
    the_container_is_its_own_user_on_a_read_only_root,
    sigterm_ends_the_container,
    models_are_asked_over_http,
    bootstrap_streams_through_the_runtime_api,
    every_way_through_the_cloud_ends_in_one_verdict,
]


def loopback_up():
    """A new network namespace has a loopback that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", required=True)
    parser.add_argument("--function", required=True)
    parser.add_argument("--sizes", action="store_true")
    options = parser.parse_args()
    loopback_up()
    image = Image(options.image)
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory() as room:
        os.chmod(room, 0o755)
        for test in TESTS:
            began = time.monotonic()
            try:
                test(image, room, options)
                passed += 1
                said = "ok"
            except Exception:
                failed += 1
                said = "FAILED"
                traceback.print_exc()
            print(f"{test.__name__} ... {said} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"image: {passed} passed, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
