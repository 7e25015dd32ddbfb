"""Counts what each topology asks of its operator, from a dry run of the deployment and its templates."""

import io
import re

from . import answers, cloud, pieces, verbs
from . import plan as plans
from .cli import PAGE, Files

# What is watched, by the type of resource that writes a log or rings.
LOG = "AWS::Logs::LogGroup"
ALARM = "AWS::CloudWatch::Alarm"
ROLE = "AWS::IAM::Role"

HEADS = {
    "en": ("", "gateway", "agentcore", "direct"),
    "ja": ("", "gateway", "agentcore", "direct"),
}
ROWS = {
    "en": {
        "commands": "commands a person types",
        "steps": "steps in the founding document's units",
        "artefacts": "artefacts to build",
        "calls": "AWS calls of a first deployment",
        "stacks": "stacks",
        "resources": "resources",
        "types": "kinds of resource",
        "roles": "IAM roles",
        "logs": "log groups to read",
        "alarms": "alarms",
        "hops": "hops of our own between page and model",
    },
    "ja": {
        "commands": "人が打つコマンド",
        "steps": "出発点の文書の単位で数えた手順",
        "artefacts": "ビルドする成果物",
        "calls": "初回デプロイの AWS 呼び出し",
        "stacks": "スタック",
        "resources": "リソース",
        "types": "リソースの種類",
        "roles": "IAM ロール",
        "logs": "読むロググループ",
        "alarms": "アラーム",
        "hops": "ページとモデルの間にある自前の段",
    },
}


def counted(topology):
    """Deploys into a made-up account, with the smallest pieces that there can be, and counts."""
    plan = plans.Plan(name="council", region="us-east-1", topology=topology, model="rehearsal")
    plan = plan.with_changes({"guests": plan.has_function})
    files = Files(
        code=pieces.Piece(b"", "code/none.zip") if plan.has_function else None,
        image=pieces.Image(b"{}", pieces.MANIFESTS[0], {"sha256:none": b"-"}) if plan.has_runtime else None,
        page=pieces.read_page(PAGE),
    )
    account = cloud.DryCloud(plan.region, answers.World(plan.region), io.StringIO())
    account.say = lambda _: None
    verbs.deploy(account, plan, files)
    calls = [line.split(maxsplit=3) for line in account.out.getvalue().splitlines()]
    types = [kind for template in templates(plan) for kind in template]
    artefacts = [piece for piece in (files.code, files.image) if piece is not None]
    return {
        "commands": len(artefacts) + 1,
        "steps": len(units(plan)),
        "artefacts": len(artefacts),
        # Files of the page are one upload each: their number says nothing of the topology.
        "calls": sum('"Bucket": "council-site"' not in " ".join(call) for call in calls),
        "stacks": sum(call[2] == "CreateStack" for call in calls),
        "resources": len(types),
        "types": len(set(types)),
        "roles": types.count(ROLE),
        "logs": types.count(LOG),
        "alarms": types.count(ALARM),
        "hops": int(plan.has_function) + int(plan.has_runtime),
    }


def units(plan):
    """The steps as the founding document counts them: build, push and register a container; the
    function it counts as part of the page's deployment, here it is built and uploaded."""
    found = ["deploy the page"]
    if plan.has_runtime:
        found += ["build the container", "push it", "register the runtime"]
    if plan.has_function:
        found += ["build the function", "upload it"]
    return found


def templates(plan):
    """The types of the resources of each template of a deployment."""
    for file in ("artefacts.yaml", verbs.SITE_TEMPLATES[plan.site], f"{plan.topology}.yaml"):
        text = (verbs.TEMPLATES / file).read_text()
        resources = text.split("\nResources:\n")[1].split("\nOutputs:\n")[0]
        blocks = re.split(r"^  (?=\w+:$)", resources, flags=re.MULTILINE)[1:]
        kept = [block for block in blocks if plan.has_runtime or "Condition: HasImage" not in block]
        yield re.findall(r"^    Type: (\S+)$", "".join(kept), flags=re.MULTILINE)


def table(language="en"):
    """The counts of all topologies as a table."""
    columns = {topology: counted(topology) for topology in plans.TOPOLOGIES}
    lines = [f"| {' | '.join(HEADS[language])} |", "|---|---|---|---|"]
    for key, words in ROWS[language].items():
        cells = [str(columns[topology][key]) for topology in plans.TOPOLOGIES]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)
