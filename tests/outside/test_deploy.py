"""The deploy script: every call it would make, in every topology, is one that AWS's own models take.

Nothing here reaches the network: a dry run is the script itself over clients that stop before sending.
"""

import io
import json
import re
import socket
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

from magi_deploy import answers, cli, cloud, costs, pieces, stacks, steps, store, verbs
from magi_deploy import plan as plans
from magi_deploy.errors import Refused

TOPOLOGIES = plans.TOPOLOGIES
SITES = plans.SITES
MODEL = "bedrock:global.anthropic.claude-sonnet-4-6"
JUDGE = "bedrock:amazon.nova-pro-v1:0"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a dry run opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


@pytest.fixture(autouse=True)
def honest_answers(monkeypatch):
    """Every made-up answer has the shape that AWS's models give it."""
    session = botocore.session.get_session()
    answer = answers.World.answer

    def checked(self, service, operation, params):
        given = answer(self, service, operation, params)
        shape = session.get_service_model(service).operation_model(operation).output_shape
        if shape is not None:
            report = ParamValidator().validate(given, shape)
            assert not report.has_errors(), f"{service} {operation}: {report.generate_report()}"
        return given

    monkeypatch.setattr(answers.World, "answer", checked)


def program(machine=183):
    return b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HH", 2, machine) + b"\0" * 44


def function_zip(path, name="bootstrap", mode=0o755, machine=183):
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (0o100000 | mode) << 16
        archive.writestr(info, program(machine))
    return path


def oci_archive(path, architecture="arm64", spoil=None, layer=b"layer"):
    def named(data):
        return {"digest": f"sha256:{pieces.sha256(data)}", "size": len(data)}

    config = json.dumps({"os": "linux", "architecture": architecture}).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": named(config),
            "layers": [named(layer)],
        }
    ).encode()
    files = {"blobs/" + named(data)["digest"].replace(":", "/"): data for data in (config, layer, manifest)}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [named(manifest)]}).encode()
    if spoil == "blob":
        files["blobs/" + named(layer)["digest"].replace(":", "/")] = b"other"
    if spoil == "index":
        del files["index.json"]
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def built(tmp_path):
    return {
        "code": str(function_zip(tmp_path / "function.zip")),
        "image": str(oci_archive(tmp_path / "image.tar")),
    }


def flags(topology, site, built):
    """The flags of a deployment in this topology, with what it needs and nothing else."""
    plan = plans.Plan(name="x", region="us-east-1", topology=topology, site=site)
    given = ["--topology", topology, "--site", site, "--model", MODEL]
    given += ["--code", built["code"], "--guests"] if plan.has_function else []
    given += ["--image", built["image"]] if plan.has_runtime else []
    given += ["--origin", "https://council.example.org"] if site == "none" else []
    return given


def run(capsys, *argv):
    """Runs the command line dry; returns its calls as (service, operation, parameters)."""
    code = cli.main([*argv, "--region", "ap-northeast-1", "--dry-run"])
    out, err = capsys.readouterr()
    assert code == 0, err
    calls = []
    for line in out.splitlines():
        _, service, operation, *rest = line.split(maxsplit=3)
        calls.append((service, operation, rest[0] if rest else ""))
    return calls


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("verb", ["deploy", "update", "rollback", "destroy", "status"])
def test_every_call_of_every_verb_is_one_of_aws(capsys, built, verb, topology, site):
    """botocore refuses unknown operations, members and types before it writes a request."""
    argv = [verb, "council"]
    if verb == "deploy":
        argv += flags(topology, site, built)
    else:
        argv += ["--pretend", f"{topology}:{site}"]
    if verb == "update":
        argv += ["--log-days", "7", "--caspar-model", "bedrock:amazon.nova-lite-v1:0"]
    calls = run(capsys, *argv)
    names = {(service, operation) for service, operation, _ in calls}
    assert len(calls) >= 5
    assert (("cloudformation", "CreateStack") in names) == (verb == "deploy")
    assert (("cloudformation", "UpdateStack") in names) == (verb in ("update", "rollback"))
    assert (("cloudformation", "DeleteStack") in names) == (verb == "destroy")
    if verb in ("deploy", "rollback", "update"):
        assert (("amplify", "StartDeployment") in names) == (site == "amplify")
        last = [parameters for service, operation, parameters in calls if operation == "PutObject"][-1]
        assert "releases/current.json" in last, "the release is in force before it is said to be"


def test_a_wrong_call_would_be_seen():
    """The check above can fail: the models refuse what is not in them."""
    dry = cloud.DryCloud("us-east-1", answers.World("us-east-1"), io.StringIO())
    with pytest.raises(Refused, match="Unknown parameter"):
        dry.call("cloudformation", "create_stack", StackName="x", TemplateUrl="https://example.org")
    with pytest.raises(Refused, match="Missing required parameter"):
        dry.call("ecr", "put_image", repositoryName="x")


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_parameters_and_outputs_are_the_templates(capsys, built, topology):
    """What the script gives a template is what it takes, all that has no default, and within its bounds."""
    from cfnlint.decode import cfn_yaml

    for site in SITES:
        made = [
            json.loads(parameters)
            for _, operation, parameters in run(capsys, "deploy", "council", *flags(topology, site, built))
            if operation == "CreateStack"
        ]
        for stack in made:
            part = stack["StackName"].rpartition("--")[2]
            file = {"artefacts": "artefacts.yaml", "site": verbs.SITE_TEMPLATES.get(site)}.get(part, f"{topology}.yaml")
            template = cfn_yaml.load(str(verbs.TEMPLATES / file))
            taken = template["Parameters"]
            given = {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack["Parameters"]}
            assert given.keys() <= taken.keys(), file
            assert {key for key, one in taken.items() if "Default" not in one} <= given.keys(), file
            for key, value in given.items():
                within(taken[key], value, f"{file} {key}")
            world = answers.World("us-east-1")
            outputs = {entry["OutputKey"] for entry in world.outputs(stack["StackName"])}
            assert template["Outputs"].keys() <= outputs, file


def within(parameter, value, what):
    if "AllowedPattern" in parameter:
        assert re.fullmatch(parameter["AllowedPattern"], value), f"{what}: {value}"
    if "AllowedValues" in parameter:
        assert value in [str(one) for one in parameter["AllowedValues"]], f"{what}: {value}"
    if "MinValue" in parameter:
        assert float(parameter["MinValue"]) <= float(value), f"{what}: {value}"
    if "MaxValue" in parameter:
        assert float(value) <= float(parameter["MaxValue"]), f"{what}: {value}"


def dry(world):
    return cloud.DryCloud(world.region, world, io.StringIO())


def made(topology, site, built, world, **changes):
    plan = plans.Plan(name="council", region="us-east-1", topology=topology, site=site, model=MODEL)
    plan = plan.with_changes({"guests": plan.has_function, **changes})
    files = cli.Files(
        code=pieces.read_code(built["code"]) if plan.has_function else None,
        image=pieces.read_image(built["image"]) if plan.has_runtime else None,
        page=pieces.read_page(cli.PAGE) if site != "none" else None,
    )
    return verbs.deploy(dry(world), plan, files)


def told(account):
    return account.out.getvalue()


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_doing_it_again_changes_nothing(built, topology, monkeypatch):
    world = answers.World("us-east-1")
    first = made(topology, "cloudfront", built, world)
    before = {bucket: dict(objects) for bucket, objects in world.objects.items()}
    images = set(world.images)
    again = made(topology, "cloudfront", built, world)
    assert again == first
    assert (world.objects, world.images) == (before, images)
    releases = json.loads(world.objects["council-artefacts"]["releases/current.json"])["releases"]
    assert releases == [first["release"]]


def test_a_release_goes_back_with_all_its_parts(built, tmp_path):
    """Function, image, page, settings and templates of the older release are in force again."""
    world = answers.World("us-east-1")
    first = made("gateway", "cloudfront", built, world)
    stack, page = dict(world.stacks), dict(world.objects["council-site"])
    newer = {
        "code": str(function_zip(tmp_path / "newer.zip", mode=0o711)),
        "image": str(oci_archive(tmp_path / "newer.tar", layer=b"newer")),
    }
    second = made("gateway", "cloudfront", newer, world, log_days=7)
    assert second["release"] != first["release"]
    assert world.stacks["council"] != stack["council"]
    world.objects["council-site"]["index.html"] = b"of the newer release"
    back = verbs.rollback(dry(world), "council", None)
    assert back["release"] == first["release"]
    assert (world.stacks, world.objects["council-site"]) == (stack, page)
    with pytest.raises(Refused, match="no earlier release"):
        verbs.rollback(dry(world), "council", None)
    forth = verbs.rollback(dry(world), "council", second["release"])
    assert forth["release"] == second["release"]


def test_an_update_keeps_what_it_is_not_told(built):
    world = answers.World("us-east-1")
    made(
        "direct",
        "amplify",
        built,
        world,
        budget_usd="0.5",
        prices=(f"{MODEL}=3/15", f"{JUDGE}=0.8/3.2"),
        role_models={"solomon": JUDGE},
    )
    account = dry(world)
    verbs.update(account, "council", {"function_timeout": 300}, {}, cli.Files())
    changed = [line for line in told(account).splitlines() if " UpdateStack " in line and '"council"' in line]
    sent = json.loads(changed[0].split("UpdateStack ")[1])
    given = {entry["ParameterKey"]: entry["ParameterValue"] for entry in sent["Parameters"]}
    assert given["FunctionTimeout"] == "300"
    assert (given["BudgetUsd"], given["SolomonModel"]) == ("0.5", JUDGE)
    assert json.loads(given["Prices"])[JUDGE] == {"input": 0.8, "output": 3.2}
    assert given["CodeKey"].startswith("code/")


def test_destroy_leaves_nothing_and_may_be_repeated(built):
    world = answers.World("us-east-1")
    made("gateway", "cloudfront", built, world)
    verbs.destroy(dry(world), "council")
    assert not world.stacks and not world.images and not any(world.objects.values())
    verbs.destroy(dry(world), "council")


def test_a_failed_stack_says_which_resource_and_leaves_the_release(built, monkeypatch):
    world = answers.World("us-east-1")
    first = made("direct", "none", built, world, origins=("https://a.example",))
    describe = answers.World.cloudformation_DescribeStacks

    def failed(self, params):
        found = describe(self, params)
        if params["StackName"] == "council":
            found["Stacks"][0]["StackStatus"] = "UPDATE_ROLLBACK_COMPLETE"
        return found

    def events(_self, params):
        kept = {"StackId": "x", "StackName": params["StackName"], "Timestamp": 0}
        rows = [
            ("council", "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_COMPLETE", None),
            ("FunctionErrors", "AWS::CloudWatch::Alarm", "UPDATE_FAILED", "Resource update cancelled"),
            ("Function", "AWS::Lambda::Function", "UPDATE_FAILED", "MemorySize is above the quota"),
            ("council", "AWS::CloudFormation::Stack", "UPDATE_IN_PROGRESS", None),
            ("Function", "AWS::Lambda::Function", "CREATE_FAILED", "an older story"),
        ]
        return {
            "StackEvents": [
                {
                    **kept,
                    "EventId": str(n),
                    "LogicalResourceId": resource,
                    "ResourceType": kind,
                    "ResourceStatus": status,
                    **({"ResourceStatusReason": why} if why else {}),
                }
                for n, (resource, kind, status, why) in enumerate(rows)
            ]
        }

    monkeypatch.setattr(answers.World, "cloudformation_DescribeStacks", failed)
    monkeypatch.setattr(answers.World, "cloudformation_DescribeStackEvents", events, raising=False)
    with pytest.raises(Refused, match="Function: MemorySize is above the quota"):
        verbs.update(dry(world), "council", {"function_memory": 9000}, {}, cli.Files())
    releases = json.loads(world.objects["council-artefacts"]["releases/current.json"])["releases"]
    assert releases == [first["release"]]


def test_a_stillborn_stack_is_removed_and_made_anew(monkeypatch):
    world = answers.World("us-east-1")
    world.stacks["council"] = None
    describe = answers.World.cloudformation_DescribeStacks

    def stillborn(self, params):
        found = describe(self, params)
        if self.stacks["council"] is None:
            found["Stacks"][0]["StackStatus"] = "ROLLBACK_COMPLETE"
        return found

    monkeypatch.setattr(answers.World, "cloudformation_DescribeStacks", stillborn)
    account = dry(world)
    stacks.apply(account, "council", {}, body="{}")
    operations = [line.split()[2] for line in told(account).splitlines()]
    assert operations.index("DeleteStack") < operations.index("CreateStack")


def test_a_large_layer_goes_up_in_parts(tmp_path):
    layer = bytes(answers.PART_BYTES * 2 + 5)
    image = pieces.read_image(oci_archive(tmp_path / "large.tar", layer=layer))
    account = dry(answers.World("us-east-1"))
    uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/council/magi"
    assert store.push(account, "council/magi", uri, image) == f"{uri}@{image.digest}"
    parts = [json.loads(line.split("UploadLayerPart ")[1]) for line in told(account).splitlines() if "UploadLayerPart" in line]
    ends = [(part["partFirstByte"], part["partLastByte"]) for part in parts if part["partLastByte"] > 100]
    size = answers.PART_BYTES
    assert ends == [(0, size - 1), (size, 2 * size - 1), (2 * size, 2 * size + 4)]
    assert store.push(account, "council/magi", uri, image) == f"{uri}@{image.digest}"
    assert told(account).count("PutImage") == 1


GOOD = ["--topology", "direct", "--site", "cloudfront", "--model", MODEL, "--guests"]
TOKENS = ["--topology", "agentcore", "--model", MODEL]
WRONG = [
    (["bad_name", *GOOD], "NAME is `bad_name`"),
    (["a--site", *GOOD], "NAME is `a--site`"),
    (["x" * 41, *GOOD], "at most 40 characters"),
    (["council", *GOOD, "--model", "openai:gpt"], "--model is `openai:gpt`"),
    (["council", "--topology", "direct", "--guests"], "no model"),
    (["council", *GOOD, "--model-arn", "arn:aws:bedrock:*:*:*"], "--model-arn is"),
    (["council", *GOOD, "--price", f"{MODEL}=3"], "MODEL=IN/OUT"),
    (["council", *GOOD, "--budget-usd", "1"], f"give --price {MODEL}=IN/OUT"),
    (["council", *GOOD, "--price", f"{MODEL}=3/15", "--budget-usd", "1,5"], "--budget-usd is `1,5`"),
    (["council", *GOOD, "--function-timeout", "901"], "--function-timeout is `901`: expected 30 to 900"),
    (["council", *GOOD, "--idle-timeout", "59"], "--idle-timeout is `59`"),
    (["council", *GOOD, "--idle-timeout", "4000"], "at most --max-lifetime"),
    (["council", *GOOD, "--log-days", "8"], "--log-days is `8`"),
    (["council", *GOOD, "--cost-alarm", "0"], "--cost-alarm is `0.0`"),
    (["council", *GOOD, "--origin", "https://a.example/page"], "--origin is"),
    (["council", *GOOD, "--origin", "*"], "--origin is `*`"),
    (["council", *GOOD, "--site", "none"], "give its --origin"),
    (["council", *GOOD[:-1]], "nobody could ask"),
    (["council", *GOOD, "--identity-provider", "x"], "go together"),
    (["council", *GOOD, "--issuer", "https://i.example/.well-known/openid-configuration"], "belong to the topology agentcore"),
    (["council", *TOKENS, "--guests"], "takes tokens"),
    (["council", *TOKENS, "--client", "page"], "go together"),
    (["council", *TOKENS, "--client", "page", "--issuer", "http://i.example"], "--issuer is"),
    (["council", *GOOD, "--alarm-email", "ops"], "--alarm-email is `ops`"),
    (["council", *GOOD], "needs --code: `make lambda` builds it"),
    (["council", *TOKENS], "needs --image: `make image` builds it"),
    (["council", *TOKENS, "--image", "IMAGE", "--code", "CODE"], "--code has no place"),
]


@pytest.mark.parametrize(("argv", "words"), WRONG)
def test_a_wrong_parameter_is_refused_before_the_first_call(capsys, built, argv, words):
    argv = [{"IMAGE": built["image"], "CODE": built["code"]}.get(word, word) for word in argv]
    assert cli.main(["deploy", *argv, "--region", "us-east-1", "--dry-run"]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert out == "", "something was called"


def test_no_region_is_said(capsys):
    assert cli.main(["status", "council", "--dry-run"]) == 2
    assert "give --region, or set AWS_REGION" in capsys.readouterr().err


def test_destroy_asks_for_a_yes(capsys):
    assert cli.main(["destroy", "council", "--region", "us-east-1"]) == 2
    assert "add --yes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: function_zip(path, name="magi"), "no `bootstrap` at its root"),
        (lambda path: function_zip(path, mode=0o644), "not executable"),
        (lambda path: function_zip(path, machine=62), "no program for Linux on arm64"),
        (lambda path: path.write_bytes(b"no zip"), "is no zip archive"),
        (lambda path: None, "cannot be read"),
    ],
)
def test_a_wrong_archive_is_refused(tmp_path, make, words):
    make(tmp_path / "f.zip")
    with pytest.raises(Refused, match=words):
        pieces.read_code(tmp_path / "f.zip")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: oci_archive(path, architecture="amd64"), "is for linux/amd64"),
        (lambda path: oci_archive(path, spoil="blob"), "something else"),
        (lambda path: oci_archive(path, spoil="index"), "no index.json"),
        (lambda path: path.write_bytes(b"no tar" * 200), "no OCI archive"),
    ],
)
def test_a_wrong_image_is_refused(tmp_path, make, words):
    make(tmp_path / "i.tar")
    with pytest.raises(Refused, match=words):
        pieces.read_image(tmp_path / "i.tar")


def test_models_may_be_invoked_and_no_others():
    plan = plans.Plan(
        name="x",
        region="us-east-1",
        topology="direct",
        model="bedrock:global.anthropic.claude-sonnet-4-6",
        role_models={"solomon": "bedrock:amazon.nova-lite-v1:0"},
        model_arns=("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc",),
    )
    assert plans.resources_of_models(plan, "aws", "111122223333") == [
        "arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-6",
        "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc",
        "arn:aws:bedrock:us-east-1:111122223333:inference-profile/global.anthropic.claude-sonnet-4-6",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
    ]
    plan = plan.with_changes({"model": "rehearsal", "role_models": {}, "model_arns": ()})
    assert plans.resources_of_models(plan, "aws", "1") == ["arn:aws:bedrock:us-east-1::foundation-model/none"]


def test_the_page_is_packed_the_same_way_every_time(tmp_path):
    one = pieces.read_page(cli.PAGE)
    assert one == pieces.read_page(cli.PAGE)
    files = {name: (kind, caching) for name, _, kind, caching in pieces.files_of_page(one.data, b"{}")}
    assert list(files)[-2:] == ["config.json", "index.html"], "what starts the page is put last"
    assert files["index.html"] == ("text/html; charset=utf-8", "no-cache")
    assert files["config.json"] == ("application/json; charset=utf-8", "no-cache")
    assert any(name.startswith("assets/") and "immutable" in caching for name, (_, caching) in files.items())


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_page_is_told_its_way_in_fields_that_it_knows(built, topology):
    source = (ROOT / "web/page/src/config.ts").read_text()
    known = {
        name: re.findall(r"'([^']+)'", re.search(rf"const {name} = \[(.*?)\] as const", source, re.DOTALL)[1])
        for name in ("FIELDS", "DOORS", "SIGNS")
    }
    done = made(topology, "cloudfront", built, answers.World("us-east-1"))
    config = json.loads(done["config"])
    assert config.keys() <= set(known["FIELDS"])
    assert config["door"] in known["DOORS"] and config["sign"] in known["SIGNS"]
    assert all(isinstance(value, str) for value in config.values())
    if topology == "agentcore":
        assert (config["runtime"], config["qualifier"]) == (done["RuntimeArn"], "live")
    else:
        assert config["base"] + "/" == done["FunctionUrl"]
        assert (config["service"], config["identity_pool"]) == ("lambda", done["IdentityPool"])


@pytest.mark.parametrize("language", ["md", "ja.md"])
def test_the_tables_in_the_document_are_the_scripts(language):
    """docs/topologies says what `deploy/count` counts and `deploy/cost` computes."""
    text = (ROOT / f"docs/topologies.{language}").read_text()
    short = "ja" if language == "ja.md" else "en"
    for head, table in (("counted by deploy/count", steps.table), ("computed by deploy/cost", costs.table)):
        kept = text.split(f"<!-- {head} -->\n")[1].split("\n<!-- end -->")[0]
        assert kept == table(short), f"{head}: run it and put its table there"


def test_the_price_of_a_question_is_the_formulas():
    """By hand, for one row: 2,100 tokens, 30 s and 120 s idle, the least memory that is billed."""
    assert costs.session(120) == pytest.approx(0.43722 * 0.0895 / 3600 + 0.128 * 150 * 0.00945 / 3600)
    assert costs.function() == pytest.approx(0.25 * 30 * 0.0000133334 + 0.0000002)
    assert costs.tokens("amazon.nova-lite-v1:0") == pytest.approx(0.000762)
    measured = (ROOT / "docs/performance.md").read_text()
    row = next(line for line in measured.splitlines() if line.startswith("| 1 |"))
    assert f"| {costs.CPU_PER_TOKEN * 1e6:.1f} |" in row, "what is measured has changed: costs.py"


def test_what_the_document_says_of_the_counts_holds():
    """The sentences beside the table: steps, and that the gateway has more of everything than agentcore."""
    gateway, agentcore, direct = (steps.counted(topology) for topology in TOPOLOGIES)
    assert (gateway["steps"], agentcore["steps"], direct["steps"]) == (6, 4, 3)
    assert all(gateway[key] > agentcore[key] for key in gateway if key != "stacks")
    assert {counted["commands"] for counted in (gateway, agentcore, direct)} == {2, 3}
    idle, short = (costs.session(seconds) for seconds in (900, 120))
    assert 0.30 < 1 - (idle + costs.function()) / (2 * idle) < 0.40
    assert short + costs.function() > 2 * short
    questions = 125 / (2 * idle)
    assert 185_000 < questions < 195_000
    dear = [model for model in costs.MODELS if questions * costs.tokens(model) > 125]
    assert dear == list(costs.MODELS)[1:]
