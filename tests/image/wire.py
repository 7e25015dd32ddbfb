"""HTTP/1.1, SSE and WebSocket by hand, from their specifications: a second opinion on the wire."""

import base64
import json
import os
import socket
import struct


class Line:
    """One connection with a buffer. Every read has a limit, so a hang is a failure."""

    def __init__(self, port):
        self.hold(socket.create_connection(("127.0.0.1", port)))

    @classmethod
    def of(cls, connection):
        """The line of a connection that somebody else opened."""
        line = cls.__new__(cls)
        line.hold(connection)
        return line

    def hold(self, connection):
        connection.settimeout(60)
        self.socket, self.reader = connection, connection.makefile("rb")

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, method, path, body=b"", headers=None):
        fields = {"host": "127.0.0.1", "content-length": str(len(body)), **(headers or {})}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
        self.socket.sendall(head.encode() + b"\r\n" + body)

    def head(self):
        """The first line and the headers of a message, names in lower case."""
        first = self.reader.readline()
        if not first:
            raise ConnectionError("closed before a message")
        headers = {}
        while (line := self.reader.readline().strip()):
            name, value = line.decode().split(":", 1)
            headers[name.strip().lower()] = value.strip()
        return first.decode().strip(), headers

    def body(self, headers):
        """The body in the pieces in which it was sent."""
        if headers.get("transfer-encoding") == "chunked":
            while (size := int(self.reader.readline().split(b";")[0], 16)):
                yield self.reader.read(size)
                self.reader.readline()
            while self.reader.readline().strip():
                pass
        else:
            yield self.reader.read(int(headers.get("content-length", "0")))


def ask(port, method, path, value=None, headers=None):
    """One call: status, headers and the whole body."""
    line = Line(port)
    try:
        body = b"" if value is None else json.dumps(value).encode()
        line.send(method, path, body, {"content-type": "application/json", **(headers or {})})
        first, fields = line.head()
        return int(first.split()[1]), fields, b"".join(line.body(fields))
    finally:
        line.close()


def events(pieces):
    """The events of a stream of bytes: (id, event) for each frame with data."""
    held = b""
    for piece in pieces:
        held += piece
        while b"\n\n" in held:
            frame, held = held.split(b"\n\n", 1)
            fields = dict(line.split(": ", 1) for line in frame.decode().splitlines() if not line.startswith(":"))
            if "data" in fields:
                yield fields.get("id"), json.loads(fields["data"])
    assert not held.strip(), f"the stream ends within a frame: {held!r}"


class WebSocket:
    """A client that sends text and reads text (RFC 6455)."""

    def __init__(self, port, path, headers):
        self.line = Line(port)
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": key}
        self.line.send("GET", path, headers={**upgrade, **headers})
        first, _ = self.line.head()
        assert first.split()[1] == "101", first

    def say(self, value):
        body, mask = json.dumps(value).encode(), os.urandom(4)
        assert len(body) < 126
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))
        self.line.socket.sendall(bytes([0x81, 0x80 | len(body)]) + mask + masked)

    def next(self):
        """The next text message."""
        while True:
            first, length = self.line.reader.read(2)
            if length == 126:
                (length,) = struct.unpack(">H", self.line.reader.read(2))
            assert length < 16384, f"a message of {length} bytes"
            body = self.line.reader.read(length)
            if first & 0x0F == 1:
                return json.loads(body)
            assert first & 0x0F in (9, 10), f"opcode {first & 0x0F}: {body!r}"
