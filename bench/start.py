#!/usr/bin/env python3
"""How fast the release binary starts, cold process after cold process, on this machine's own processor:

    bench/start.py BINARY [--runs 20] [--env NAME=VALUE ...]

Prints min, median and max, in milliseconds, of
- spawn -> the first `GET .../invocation/next` of the Lambda function, received whole by a runtime API that is
  already listening;
- spawn -> the first `200` of the container's `/ping`, asked anew every half millisecond.
"""

import argparse
import os
import socket
import statistics
import subprocess
import time


def spawned(command, env):
    began = time.perf_counter()
    return began, subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def to_next(binary, env):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        function = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{listener.getsockname()[1]}", "AWS_LAMBDA_FUNCTION_NAME": "magi",
            "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        }
        began, process = spawned([binary, "lambda"], {**env, **function})
        try:
            connection, _ = listener.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096) or exit("the function closed before it asked")
                took = time.perf_counter() - began
            assert head.startswith(b"GET /2018-06-01/runtime/invocation/next "), head
            return took
        finally:
            process.kill()
            process.wait()


def to_ping(binary, env):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began, process = spawned([binary, "agentcore", "--host", "127.0.0.1", "--port", str(port)], env)
    try:
        while True:
            if process.poll() is not None:
                exit(f"the container ended with {process.returncode} at its start")
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
                    line.sendall(b"GET /ping HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                    if line.recv(4096).startswith(b"HTTP/1.1 200 "):
                        return time.perf_counter() - began
            except ConnectionRefusedError:
                pass
            time.sleep(0.0005)
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    env = dict(pair.split("=", 1) for pair in options.env)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, {options.runs} runs each")
    for name, measure in ("spawn -> first /next", to_next), ("spawn -> /ping", to_ping):
        times = [measure(options.binary, env) * 1000 for _ in range(options.runs)]
        print(f"{name:<22} min {min(times):6.1f}  median {statistics.median(times):6.1f}  max {max(times):6.1f} ms")


if __name__ == "__main__":
    main()
