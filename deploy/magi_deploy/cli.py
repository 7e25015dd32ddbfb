"""The command line."""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from . import answers, pieces, verbs
from . import plan as plans
from .cloud import Cloud, DryCloud
from .errors import Refused

PAGE = Path(__file__).resolve().parents[2] / "crates" / "magi-server" / "page"
ROLES = ("caspar", "balthasar", "melchior", "solomon")


@dataclass(frozen=True)
class Files:
    """The pieces that were given."""

    code: pieces.Piece | None = None
    image: pieces.Image | None = None
    page: pieces.Piece | None = None


def parser():
    top = argparse.ArgumentParser(
        prog="magi-deploy",
        description="Deploys MAGI on AWS. docs/topologies.md says which topology is for whom.",
    )
    verbs_of = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (
        ("deploy", "make a deployment, or change it to exactly this"),
        ("update", "change what the flags say, and keep everything else"),
        ("rollback", "put an earlier release in force again"),
        ("destroy", "remove everything, releases and logs too"),
        ("status", "say what is there"),
    ):
        one = verbs_of.add_parser(verb, help=text, description=text)
        one.add_argument("name", metavar="NAME", help="the deployment's name")
        one.add_argument("--region", default=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))
        one.add_argument(
            "--dry-run", action="store_true", help="check and print every call of AWS, and make none"
        )
        one.add_argument(
            "--pretend",
            metavar="TOPOLOGY:SITE",
            help="in a dry run: the deployment to find (default: none for deploy, else gateway:cloudfront)",
        )
        if verb in ("deploy", "update"):
            add_plan(one, verb)
        if verb == "rollback":
            one.add_argument("--to", metavar="RELEASE", help="which one (default: the one before)")
        if verb == "destroy":
            one.add_argument("--yes", action="store_true", help="yes, everything")
    return top


def add_plan(one, verb):
    """The flags of a plan; in an update those not given change nothing."""
    absent = argparse.SUPPRESS
    if verb == "deploy":
        one.add_argument("--topology", choices=plans.TOPOLOGIES, required=True)
        one.add_argument("--site", choices=plans.SITES, default=absent, help="where the page is (cloudfront)")
    files = one.add_argument_group("pieces")
    files.add_argument("--code", metavar="ZIP", help="the function's archive, from `make lambda`")
    files.add_argument("--image", metavar="TAR", help="the container image as OCI archive, from `make image`")
    files.add_argument("--page", metavar="DIR", help="the built page (the one in this repository)")
    add = one.add_argument_group("settings").add_argument
    add("--model", default=absent, help="the model of every role: bedrock:MODEL, or rehearsal")
    for role in ROLES:
        add(f"--{role}-model", default=absent, metavar="MODEL", help=f"the model of {role} alone")
    add("--model-arn", dest="model_arns", action="append", default=absent, help="one more that may be invoked")
    add("--price", dest="prices", action="append", default=absent, metavar="MODEL=IN/OUT", help="USD per million tokens")
    add("--budget-usd", default=absent, help="what one deliberation may cost at most")
    add("--origin", dest="origins", action="append", default=absent, help="one more origin whose page may ask")
    add("--guests", action=argparse.BooleanOptionalAction, default=absent, help="everybody may ask")
    add("--identity-provider", default=absent, help="a Cognito user pool whose users may ask with keys")
    add("--identity-client", default=absent, help="its client")
    add("--issuer", default=absent, help="agentcore: your issuer's discovery document")
    add("--client", dest="clients", action="append", default=absent, help="agentcore: a client of your issuer")
    add("--function-memory", type=int, default=absent, metavar="MB")
    add("--function-timeout", type=int, default=absent, metavar="SECONDS")
    add("--max-concurrency", type=int, default=absent, metavar="N", help="questions at a time; 0 for the account's limit")
    add("--idle-timeout", type=int, default=absent, metavar="SECONDS", help="of a session of the runtime")
    add("--max-lifetime", type=int, default=absent, metavar="SECONDS", help="of a session of the runtime")
    add("--log-days", type=int, default=absent, metavar="DAYS")
    add("--cost-alarm", type=float, default=absent, metavar="USD", help="model cost within an hour that rings")
    add("--alarm-email", default=absent)


def changes(given):
    """What the flags say of a plan."""
    said = vars(given)
    fields = [key for key in plans.Plan.__dataclass_fields__ if key not in ("name", "region", "role_models")]
    found = {key: said[key] for key in fields if key in said}
    found.update({key: tuple(found[key]) for key in plans.LISTS if key in found})
    roles = {role: said[f"{role}_model"] for role in ROLES if f"{role}_model" in said}
    return found, roles


def read_files(given, default_page=None):
    """Reads the pieces that were named."""
    page = given.page or default_page
    return Files(
        code=pieces.read_code(given.code) if given.code else None,
        image=pieces.read_image(given.image) if given.image else None,
        page=pieces.read_page(page) if page else None,
    )


def cloud_of(given):
    """The account, or for a dry run one that is made up."""
    if not given.dry_run:
        if given.pretend:
            raise Refused("--pretend is for --dry-run")
        return Cloud(given.region)
    world = answers.World(given.region)
    pretend = given.pretend or (None if given.verb == "deploy" else "gateway:cloudfront")
    if pretend:
        topology, _, site = pretend.partition(":")
        if topology not in plans.TOPOLOGIES or site not in plans.SITES:
            plans.refuse("--pretend", pretend, "TOPOLOGY:SITE such as direct:amplify")
        plan = answers.pretended(given.name, given.region, topology, site)
        world.deploy(plan, {part: verbs.stack(given.name, part) for part in verbs.parts(plan)})
    return DryCloud(given.region, world)


def run(given):
    """Does what was asked; returns what to print."""
    plans.check_name(given.name)
    plans.check_region(given.region)
    if given.verb == "deploy":
        said, roles = changes(given)
        plan = plans.Plan(name=given.name, region=given.region, role_models=roles, **said)
        plans.check(plan)
        if not plan.prices and plan.model != "rehearsal":
            print("no --price: cost will not be told, and the cost alarm is left out", file=sys.stderr)
        files = read_files(given, None if plan.site == "none" else PAGE)
        verbs.needed(plan, files)
        return verbs.deploy(cloud_of(given), plan, files)
    if given.verb == "update":
        said, roles = changes(given)
        files = read_files(given)
        return verbs.update(cloud_of(given), given.name, said, roles, files)
    if given.verb == "rollback":
        return verbs.rollback(cloud_of(given), given.name, given.to)
    if given.verb == "destroy":
        if not given.yes and not given.dry_run:
            raise Refused(f"this removes everything of {given.name}, releases and logs too: add --yes")
        verbs.destroy(cloud_of(given), given.name)
        return {"destroyed": given.name}
    return verbs.status(cloud_of(given), given.name)


def main(argv=None):
    """Runs the command line; returns the exit code: 0, 1 for a failure of AWS, 2 for a wrong command."""
    given = parser().parse_args(argv)
    try:
        done = run(given)
    except Refused as refused:
        print(f"magi-deploy: {refused}", file=sys.stderr)
        return 2
    except (ClientError, BotoCoreError, OSError) as error:
        print(f"magi-deploy: {error}", file=sys.stderr)
        return 1
    if given.dry_run:
        print("nothing was called: every line above was checked against the models of AWS's SDK", file=sys.stderr)
    else:
        print(json.dumps(done, indent=2, default=str))
    return 0
