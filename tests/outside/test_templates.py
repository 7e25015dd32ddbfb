"""The CloudFormation templates: what cfn-lint finds, and what it does not look for."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint.decode import cfn_yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "cloudformation"
FILES = sorted(FOLDER.glob("*.yaml"))
TOPOLOGIES = ("gateway", "agentcore", "direct")
RUNTIME_NAME = r"[a-zA-Z][a-zA-Z0-9_]{0,47}"

# Resources with a `*` that no narrower one can replace, and why.
WIDE = {
    "ecr:GetAuthorizationToken": "the action knows no resource",
    "logs:DescribeLogGroups": "it lists, and a list has no resource of its own",
}
# A star that stands for a part of a name: the rest of it is ours.
PARTLY = re.compile(r"/aws/bedrock-agentcore/runtimes/\$\{RuntimeName\}-\*(:log-stream:\*)?$|\$\{Bucket\.Arn\}/\*$")


def load(name):
    return cfn_yaml.load(str(FOLDER / f"{name}.yaml"))


def of_type(template, kind):
    return {name: one for name, one in template["Resources"].items() if one["Type"] == kind}


def lint(*paths):
    tool = Path(sys.executable).parent / "cfn-lint"
    command = [str(tool), "--format", "json", "--regions", "us-east-1", "ap-northeast-1", "eu-central-1", "--"]
    done = subprocess.run([*command, *map(str, paths)], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 2, 4, 6, 8, 10, 12, 14), done.stderr
    return json.loads(done.stdout or "[]")


def test_cfn_lint_finds_nothing():
    assert len(FILES) == 6
    assert lint(*FILES) == []


MISTAKES = (
    ("AuthType: AWS_IAM", "AuthType: IAM"),
    ("InvokeMode: RESPONSE_STREAM", "InvokeMode: STREAM"),
    ("ProtocolConfiguration: HTTP", "ProtocolConfiguration: {ServerProtocol: HTTP}"),
    ("NetworkMode: PUBLIC", "NetworkMode: OPEN"),
    ("InvokedViaFunctionUrl: true", "InvokedViaFnUrl: true"),
    ("!GetAtt Runtime.AgentRuntimeVersion", "!GetAtt Runtime.Version"),
)


def test_cfn_lint_would_find_a_mistake(tmp_path):
    text = (FOLDER / "gateway.yaml").read_text()
    wrong = []
    for n, (before, after) in enumerate(MISTAKES):
        assert before in text
        wrong.append(tmp_path / f"{n}.yaml")
        wrong[-1].write_text(text.replace(before, after))
    found = {Path(one["Filename"]).name for one in lint(*wrong)}
    assert found == {path.name for path in wrong}


@pytest.mark.parametrize("topology", ["gateway", "direct"])
def test_every_function_url_streams_is_signed_and_has_both_permissions(topology):
    template = load(topology)
    urls = of_type(template, "AWS::Lambda::Url")
    assert urls
    permissions = [one["Properties"] for one in of_type(template, "AWS::Lambda::Permission").values()]
    for url in urls.values():
        given = url["Properties"]
        assert (given["InvokeMode"], given["AuthType"]) == ("RESPONSE_STREAM", "AWS_IAM")
        function = given["TargetFunctionArn"]["Fn::GetAtt"][0]
        granted = {one["Action"]: one for one in permissions if one["FunctionName"] == {"Ref": function}}
        assert granted.keys() == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
        assert granted["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "AWS_IAM"
        assert granted["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
        for one in granted.values():
            assert one["Principal"] == {"Fn::GetAtt": ["CallerRole", "Arn"]}
        assert given["Cors"]["AllowOrigins"] == {"Ref": "AllowedOrigins"}
        assert "AllowCredentials" not in given["Cors"]
    function = of_type(template, "AWS::Lambda::Function")["Function"]["Properties"]
    assert (function["Runtime"], function["Handler"], function["Architectures"]) == (
        "provided.al2023",
        "bootstrap",
        ["arm64"],
    )


@pytest.mark.parametrize("topology", ["gateway", "direct"])
def test_who_asks_may_do_the_two_actions_and_nothing_else(topology):
    template = load(topology)
    policy = template["Resources"]["CallerPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert [(one["Action"], one["Resource"]) for one in policy] == [
        ("lambda:InvokeFunctionUrl", {"Fn::GetAtt": ["Function", "Arn"]}),
        ("lambda:InvokeFunction", {"Fn::GetAtt": ["Function", "Arn"]}),
    ]
    assert policy[0]["Condition"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
    assert policy[1]["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    role = template["Resources"]["CallerRole"]["Properties"]
    assert "Policies" not in role and "ManagedPolicyArns" not in role
    attached = template["Resources"]["IdentityPoolRoles"]["Properties"]["Roles"]
    assert json.dumps(attached).count("CallerRole") == 2
    trust = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert trust["StringEquals"] == {"cognito-identity.amazonaws.com:aud": {"Ref": "IdentityPool"}}


@pytest.mark.parametrize("topology", ["gateway", "direct"])
def test_the_preflight_lets_through_what_the_page_sends(topology):
    """The page says itself which headers must be allowed, and sets no others."""
    cors = load(topology)["Resources"]["Url"]["Properties"]["Cors"]
    told = (ROOT / "web/page/src/words.en.ts").read_text()
    named = re.search(r"the method POST and the headers (.*?) there\.", told)[1]
    wanted = set(re.split(r", | and ", named))
    assert sorted(cors["AllowHeaders"]) == sorted(wanted)
    source = (ROOT / "web/stream/src/invocations.ts").read_text()
    session = re.search(r"SESSION_HEADER = '([a-z-]+)'", source)[1]
    blocks = re.findall(r"headers(?: =|:) \{(.*?)\}", source, re.DOTALL)
    set_ = {name for block in blocks for name in re.findall(r"['\s]([a-z-]+)'?: ", block)}
    # A browser lets every page set what it accepts.
    assert {session, *set_} - {"accept"} <= wanted
    assert "content-type" in set_
    assert cors["AllowMethods"] == ["POST"]
    assert "x-amzn-bedrock-agentcore-runtime-session-id" in cors["ExposeHeaders"]
    sources = "".join(path.read_text() for path in (ROOT / "web/stream/src").glob("*.ts"))
    read = set(re.findall(r"headers\.get\('([a-z0-9-]+)'\)", sources))
    assert {"date", "x-amzn-errortype"} <= read
    # A browser lets a page read the content type by itself.
    assert read - {"content-type"} <= set(cors["ExposeHeaders"])


@pytest.mark.parametrize("topology", ["gateway", "agentcore"])
def test_the_runtime_is_named_and_ends_as_agentcore_wants_it(topology):
    template = load(topology)
    [runtime] = of_type(template, "AWS::BedrockAgentCore::Runtime").values()
    given = runtime["Properties"]
    assert given["AgentRuntimeName"] == {"Ref": "RuntimeName"}
    assert template["Parameters"]["RuntimeName"]["AllowedPattern"] == RUNTIME_NAME
    lifecycle = template["Parameters"]["IdleTimeout"]
    assert (lifecycle["MinValue"], lifecycle["Default"]) == (60, 120)
    assert lifecycle["Default"] <= template["Parameters"]["MaxLifetime"]["Default"] <= 28800
    assert template["Parameters"]["ImageUri"]["AllowedPattern"].endswith("@sha256:[0-9a-f]{64}")
    [endpoint] = of_type(template, "AWS::BedrockAgentCore::RuntimeEndpoint").values()
    assert re.fullmatch(RUNTIME_NAME, endpoint["Properties"]["Name"])
    assert endpoint["DependsOn"] == "RuntimeLogs", "the log group must be there first"
    allowed = given["RequestHeaderConfiguration"]["RequestHeaderAllowlist"]
    assert 1 <= len(allowed) <= 20
    assert not any(name.lower().startswith(("x-amz-", "x-amzn-")) for name in allowed)
    assert ("AuthorizerConfiguration" in given) == (topology == "agentcore")


def statements(template):
    """Every statement that allows something, with where it stands."""
    for name, resource in template["Resources"].items():
        given = resource["Properties"]
        documents = [given["PolicyDocument"]] if "PolicyDocument" in given else []
        documents += [policy["PolicyDocument"] for policy in given.get("Policies", []) if isinstance(policy, dict)]
        for document in documents:
            for statement in document["Statement"]:
                if statement["Effect"] == "Allow":
                    yield name, statement


def listed(value):
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nobody_may_more_than_is_needed(path):
    template = cfn_yaml.load(str(path))
    for where, statement in statements(template):
        assert "NotAction" not in statement and "NotResource" not in statement, where
        actions = listed(statement["Action"])
        assert not any("*" in action for action in actions), f"{where}: {actions}"
        for resource in listed(statement["Resource"]):
            text = resource if isinstance(resource, str) else str(resource.get("Fn::Sub", ""))
            narrow = "*" not in text or PARTLY.search(text)
            assert narrow or all(action in WIDE for action in actions), f"{where}: {actions} on {text}"
    for name, role in of_type(template, "AWS::IAM::Role").items():
        given = role["Properties"]
        assert "ManagedPolicyArns" not in given, name
        assert "RoleName" not in given, f"{name}: a named role needs a wider capability"
        trusted = given["AssumeRolePolicyDocument"]["Statement"]
        assert all(one["Principal"] != "*" for one in trusted), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_is_kept_for_ever_or_left_open(path):
    template = cfn_yaml.load(str(path))
    for name, group in of_type(template, "AWS::Logs::LogGroup").items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
    for name, function in of_type(template, "AWS::Lambda::Function").items():
        assert function["Properties"]["LoggingConfig"]["LogGroup"] == {"Ref": "FunctionLogs"}, name
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values()), name
        assert "BucketEncryption" in bucket["Properties"], name


def metrics_of_the_program():
    """The names and units that the program prints, from its source."""
    text = (ROOT / "crates/magi-server/src/emf.rs").read_text()
    namespace = re.search(r'NAMESPACE: &str = "(\w+)"', text)[1]
    dimension = re.search(r'DIMENSION: &str = "(\w+)"', text)[1]
    table = re.search(r"METRICS: \[[^\]]+\] = \[(.*?)\];", text, re.DOTALL)[1]
    return namespace, dimension, dict(re.findall(r'\("(\w+)", "(\w+)"\)', table))


def dashboard(template):
    """The dashboard's body, with something in place of what CloudFormation fills in."""
    [board] = of_type(template, "AWS::CloudWatch::Dashboard").values()
    body = board["Properties"]["DashboardBody"]["Fn::Sub"]
    names = {*template["Resources"], *template["Parameters"]}
    for filled in re.findall(r"\$\{([^}]+)\}", body):
        assert filled.startswith("AWS::") or filled.split(".")[0] in names, filled
    return json.loads(re.sub(r"\$\{([^}]+)\}", r"\1", body))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_dashboard_and_alarms_name_the_metrics_that_the_program_prints(topology):
    template = load(topology)
    namespace, dimension, printed = metrics_of_the_program()
    assert len(printed) == 10
    shown = set()
    for widget in dashboard(template)["widgets"]:
        assert widget["width"] + widget["x"] <= 24
        for metric in widget["properties"]["metrics"]:
            names = [part for part in metric if isinstance(part, str)]
            if names[0] == namespace:
                assert names[2:] == [dimension, "AWS::StackName"]
                shown.add(names[1])
    assert shown == printed.keys()
    watched = {
        alarm["Properties"]["MetricName"]: alarm["Properties"]
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["Namespace"] == namespace
    }
    assert watched.keys() == {"Failed", "Cost"}
    for alarm in watched.values():
        assert alarm["Dimensions"] == [{"Name": dimension, "Value": {"Ref": "AWS::StackName"}}]
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "Alarms"}], name
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching", name


def test_pieces_that_stand_in_two_templates_are_the_same():
    gateway, agentcore, direct = (load(topology)["Resources"] for topology in TOPOLOGIES)
    # What differs is what the topology is.
    own = {"Function", "FunctionRole", "Runtime", "Dashboard"}
    for one, other in ((gateway, direct), (gateway, agentcore), (agentcore, direct)):
        shared = (one.keys() & other.keys()) - own
        assert len(shared) >= 4
        for name in shared:
            assert one[name] == other[name], name
    for name in ("Function", "Runtime"):
        other = direct if name == "Function" else agentcore
        for key, value in gateway[name]["Properties"].items():
            if key not in ("Environment", "Description"):
                assert other[name]["Properties"][key] == value, f"{name} {key}"


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_what_is_set_for_the_program_are_settings_that_it_has(topology):
    """Each variable of the templates is read by the program, and the numbers stand under the stack's name."""
    template = load(topology)
    sources = "".join(path.read_text() for path in (ROOT / "crates/magi/src").rglob("*.rs"))
    holders = [one["Properties"]["Environment"]["Variables"] for one in of_type(template, "AWS::Lambda::Function").values()]
    holders += [
        one["Properties"]["EnvironmentVariables"]
        for one in of_type(template, "AWS::BedrockAgentCore::Runtime").values()
    ]
    assert holders
    for variables in holders:
        assert variables["MAGI_DEPLOYMENT"] == {"Ref": "AWS::StackName"}
        for name in variables:
            assert f'"{name}"' in sources, f"the program does not read {name}"
            assert not name.startswith("AWS_"), f"{name} is the platform's"
