"""Two clients that we did not write, behind one face: PyPI's `websockets` and npm's `ws`.

Both tell what arrives as (kind, value): text, ponged, pinged, closed (code, reason).
"""

import base64
import contextlib
import json
import logging
import os
import queue
import subprocess
import threading
from pathlib import Path

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

# Where `ws` is installed, with the program that drives it.
NODE = Path(os.environ.get("MAGI_WS_CLIENT", Path(__file__).parent / "ws" / "client.mjs"))

# How long anything may take before a test gives up: far above any scheduling.
PATIENCE = 60


class Refused(Exception):
    """The handshake was answered with a status and a body."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.problem = json.loads(body) if body.startswith("{") else body


class Closed(Exception):
    """The socket ended: its code and reason."""

    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class Pings(logging.Handler):
    """`websockets` answers pings by itself and tells of them in its log alone."""

    def __init__(self, tell):
        super().__init__()
        self.tell = tell

    def emit(self, record):
        if record.getMessage().startswith("< PING"):
            self.tell("pinged", None)


class Python:
    """`websockets`, which reads ahead 16 messages at most."""

    def __init__(self, url, headers, protocols):
        self.arrived = queue.Queue()
        logger = logging.Logger("websockets", logging.DEBUG)
        logger.addHandler(Pings(lambda *what: self.arrived.put(what)))
        try:
            self.socket = connect(
                url,
                additional_headers=headers,
                subprotocols=protocols or None,
                # The test pings; the server's own pings are what is looked at.
                ping_interval=None,
                max_size=None,
                compression=None,
                proxy=None,
                logger=logger,
            )
        except InvalidStatus as refused:
            body = refused.response.body or b""
            raise Refused(refused.response.status_code, body.decode()) from None
        self.protocol = self.socket.subprotocol or ""

    def next(self):
        with contextlib.suppress(queue.Empty):
            return self.arrived.get_nowait()
        try:
            return ("text", self.socket.recv(timeout=PATIENCE))
        except ConnectionClosed as closed:
            frame = closed.rcvd
            return ("closed", (frame.code, frame.reason) if frame else (1006, ""))

    def wait_for(self, kind):
        """Waits for what is no message; a ping comes without one being read."""
        what, value = self.arrived.get(timeout=PATIENCE)
        assert what == kind, (what, value)

    def send(self, message):
        self.socket.send(message)

    def ping(self):
        ponged = self.socket.ping()
        threading.Thread(
            target=lambda: ponged.wait(PATIENCE) and self.arrived.put(("ponged", None)), daemon=True
        ).start()

    def pause(self):
        """Nothing is read while nobody asks."""

    resume = pause

    def close(self, code):
        self.socket.close(code)
        assert self.socket.close_code == code

    def cut(self):
        self.socket.socket.shutdown(2)

    def end(self):
        with contextlib.suppress(OSError):
            self.socket.socket.close()


class Node:
    """`ws`, in a process of its own."""

    def __init__(self, url, headers, protocols):
        self.child = subprocess.Popen(
            ["node", str(NODE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.order("open", url=url, headers=dict(headers), protocols=protocols)
        told = self.line()
        if told["is"] == "refused":
            self.end()
            raise Refused(told["status"], told["body"])
        assert told["is"] == "open", told
        self.protocol = told["protocol"]

    def read(self):
        for line in self.child.stdout:
            self.lines.put(json.loads(line))
        self.lines.put({"is": "gone"})

    def line(self):
        return self.lines.get(timeout=PATIENCE)

    def order(self, do, **more):
        self.child.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.child.stdin.flush()

    def next(self):
        told = self.line()
        if told["is"] == "closed":
            return ("closed", (told["code"], told["reason"]))
        assert told["is"] != "gone", self.child.stderr.read()
        return (told["is"], told.get("text"))

    def wait_for(self, kind):
        told = self.line()
        assert told["is"] == kind, told

    def send(self, message):
        if isinstance(message, str):
            self.order("send", text=message)
        else:
            self.order("send", base64=base64.b64encode(message).decode())

    def ping(self):
        self.order("ping")

    def pause(self):
        self.order("pause")

    def resume(self):
        self.order("resume")

    def close(self, code):
        self.order("close", code=code)
        while (told := self.line())["is"] != "closed":
            pass
        assert told["code"] == code, told

    def cut(self):
        self.order("cut")

    def end(self):
        self.child.kill()
        self.child.wait()


CLIENTS = {"websockets": Python, "ws": Node}


class Reader:
    """A client that keeps what it was told of a deliberation: ids and the events' own bytes."""

    def __init__(self, client, url, headers=(), protocols=()):
        self.client = CLIENTS[client](url, list(headers), list(protocols))
        self.entries, self.sizes, self.others = [], [], []
        self.parts = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.end()

    def say(self, action, **more):
        self.client.send(json.dumps({"action": action, **more}))

    def step(self):
        """Takes the next message; returns it where it holds no events."""
        kind, value = self.client.next()
        if kind == "closed":
            raise Closed(*value)
        if kind != "text":
            return {"type": kind}
        self.sizes.append(len(value.encode()))
        message = json.loads(value)
        if message["type"] == "events":
            self.entries += slices(value)
        elif message["type"] == "part":
            self.parts += message["text"]
            if message["part"] == message["parts"]:
                self.entries.append((message["id"], self.parts))
                self.parts = ""
        else:
            self.others.append(message)
            return message
        return None

    def answer(self, mark):
        """Reads to the answer with this mark."""
        while True:
            message = self.step()
            if message and message.get("ref") == mark:
                return message

    def read(self, enough):
        """Reads until `enough` holds of the entries."""
        while not enough(self.entries):
            self.step()
        return self.entries

    def rest(self):
        """Reads to the last event."""
        return self.read(is_over)

    def closed(self):
        """Reads to the close; returns its code."""
        try:
            while True:
                self.step()
        except Closed as closed:
            return closed.code


def slices(text):
    """The ids of a message's events, and each event's text as it stands in the message."""
    decoder = json.JSONDecoder()
    at = len('{"type":"events","events":[')
    found = []
    while text[at] != "]":
        at += len('{"id":"')
        end = text.index('"', at)
        start = end + len('","event":')
        _, stop = decoder.raw_decode(text, start)
        found.append((text[at:end], text[start:stop]))
        # Over the closing brace, and the comma where there is one.
        at = stop + 1
        at += text[at] == ","
    return found


def is_over(entries):
    return bool(entries) and json.loads(entries[-1][1])["type"] in ("complete", "cancelled", "error")
