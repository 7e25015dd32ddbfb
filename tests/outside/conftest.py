"""Starts what the tests talk to: our fakes, LiteLLM's proxy, llama.cpp's server and MAGI itself.

Everything listens on loopback, lives in a temporary folder and is ended by the process it was started as.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TAG = "k3v9x2q8"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(command, log, env=None, **kwargs):
    """Runs a command until the block ends; interrupts it, then kills it by its own handle."""
    with open(log, "wb") as out:
        child = subprocess.Popen(
            command,
            stdout=kwargs.pop("stdout", out),
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={**clean_env(), **(env or {})},
            **kwargs,
        )
        try:
            yield child
        finally:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def clean_env():
    """The environment without anybody's vendor keys or settings."""
    ours = ("OPENAI_", "ANTHROPIC_", "AWS_", "MAGI_", "LITELLM_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def wait_for(url, child, log, seconds=90):
    """Waits until the address answers 200."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=2) as response:
                if response.status == 200:
                    return
        time.sleep(0.1)
    raise RuntimeError(f"{url} never answered; its output:\n{Path(log).read_text()[-4000:]}")


class Fakes:
    """Our fake vendors, as a process."""

    def __init__(self, base):
        self.base = base
        self.openai = base + "/v1"
        self.anthropic = base

    def ledger(self, model):
        from urllib.parse import quote

        with urllib.request.urlopen(f"{self.base}/ledger?model={quote(model)}", timeout=5) as reply:
            return json.load(reply)["entries"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="session")
def fakes(folder):
    log = folder / "emulator.log"
    command = [os.environ["MAGI_EMULATOR_BIN"], "vendors", "--listen", "127.0.0.1:0"]
    with process(command, log, stdout=subprocess.PIPE, text=True) as child:
        first = child.stdout.readline()
        yield Fakes(first.split()[-1])


LITELLM = """
model_list:
  - model_name: mocked-en
    litellm_params:
      model: openai/mocked
      api_key: none
      mock_response: |-
        The plan is reversible and its risks are bounded, so I am for it.

        ```json
        {"reasoning": "Reversible, with bounded risk.", "decision": "APPROVED", "confidence": 0.8}
        ```
  - model_name: mocked-ja
    litellm_params:
      model: openai/mocked
      api_key: none
      mock_response: |-
        この案は撤回でき、危険も限られています。したがって賛成です。

        ```json
        {"reasoning": "撤回でき、危険は限られている。", "decision": "APPROVED", "confidence": 0.8}
        ```
  - model_name: throttled
    litellm_params: {model: openai/mocked, api_key: none, mock_response: litellm.RateLimitError}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*", api_base: "FAKES_OPENAI", api_key: none}
  - model_name: "anthropic/*"
    litellm_params: {model: "anthropic/*", api_base: "FAKES_ANTHROPIC", api_key: none}
litellm_settings: {num_retries: 0, drop_params: true}
router_settings: {num_retries: 0}
general_settings: {master_key: sk-litellm}
"""


@pytest.fixture(scope="session")
def litellm(folder, fakes):
    """LiteLLM's proxy: mocked models of its own, and our fakes behind `openai/*` and `anthropic/*`."""
    config = folder / "litellm.yaml"
    text = LITELLM.replace("FAKES_OPENAI", fakes.openai).replace("FAKES_ANTHROPIC", fakes.anthropic)
    config.write_text(text)
    port = free_port()
    log = folder / "litellm.log"
    command = [str(Path(sys.executable).parent / "litellm"), "--config", str(config)]
    env = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "LITELLM_LOG": "ERROR",
    }
    with process(
        [*command, "--host", "127.0.0.1", "--port", str(port)], log, env=env, cwd=folder
    ) as child:
        base = f"http://127.0.0.1:{port}"
        wait_for(base + "/health/liveliness", child, log)
        yield base


@pytest.fixture(scope="session")
def llamacpp(folder):
    """llama.cpp's server with a model whose weights are one written answer."""
    pytest.importorskip("xllamacpp", reason="no llama.cpp wheel for this machine")
    log = folder / "llamacpp.log"
    port = free_port()
    command = [sys.executable, str(HERE / "llamacpp.py"), str(folder), str(port)]
    with process(command, log, cwd=folder) as child:
        base = f"http://127.0.0.1:{port}"
        wait_for(base + "/v1/models", child, log, seconds=60)
        yield base


class Magi:
    """A running `magi serve`."""

    def __init__(self, base, child):
        self.base = base
        self.child = child

    def deliberate(self, question, **more):
        """Puts a question and reads its events to the last one."""
        request = urllib.request.Request(
            self.base + "/v1/deliberations",
            data=json.dumps({"question": question, **more}).encode(),
            headers={"content-type": "application/json", "accept": "text/event-stream"},
        )
        events = []
        with open_or_say(request) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            for line in reply:
                if line.startswith(b"data: "):
                    events.append(json.loads(line[len("data: ") :]))
        assert events[0]["type"] == "start"
        assert events[-1]["type"] in ("complete", "cancelled", "error"), events[-3:]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return events


def open_or_say(request):
    """Opens a request; a refusal fails the test with the problem that the server described."""
    try:
        return urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as refused:
        raise AssertionError(f"{refused.code}: {refused.read().decode()}") from None


def shown(events, agent, kind="agent_chunk"):
    """The prose (or another delta) of one sage's lane as a reader has it at the end."""
    text = ""
    for event in events:
        if event.get("agentId") == agent:
            if event["type"] == "agent_start":
                text = ""
            elif event["type"] == kind:
                text += event["data"]["text"]
    return text


@pytest.fixture
def magi(tmp_path):
    """Starts `magi serve` with the settings a test gives it."""
    with contextlib.ExitStack() as running:

        def start(**env):
            log = tmp_path / "magi.log"
            home = {"HOME": str(tmp_path), "MAGI_DATA_DIR": str(tmp_path / "data")}
            command = [os.environ["MAGI_BIN"], "serve", "--port", "0"]
            child = running.enter_context(
                process(command, log, {**home, **env}, stdout=subprocess.PIPE, text=True)
            )
            for line in child.stdout:
                if "http://" in line:
                    address = line[line.index("http://") :].split()[0].rstrip("/")
                    return Magi(address, child)
            raise RuntimeError(f"magi ended at once:\n{log.read_text()}")

        yield start
