"""A real deliberation prints the line that the templates' dashboard and alarms are made of."""

import json
import os
import subprocess

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
        last = Magi(address.rstrip("/")).deliberate(QUESTION)[-1]
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
