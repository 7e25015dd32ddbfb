"""deploy, update, rollback, destroy, status."""

import json
from pathlib import Path

from . import pieces, stacks, store
from . import plan as plans
from .cloud import ClientError, code_of
from .errors import Refused
from .store import Store

TEMPLATES = Path(__file__).resolve().parent.parent / "cloudformation"
SITE_TEMPLATES = {"cloudfront": "site.yaml", "amplify": "site-amplify.yaml"}
ENDPOINT = "live"


def stack(name, part):
    """A stack's name; two hyphens, which a deployment's own name cannot have."""
    return name if part == "door" else f"{name}--{part}"


def parts(plan):
    """The stacks of a deployment, in the order in which they are made."""
    return ["artefacts", *(["site"] if plan.site != "none" else []), "door"]


def needed(plan, files, is_update=False):
    """Refuses a deployment that lacks a piece, or was given one that it has no place for."""
    for flag, piece, wanted, make in (
        ("--code", files.code, plan.has_function, "make lambda"),
        ("--image", files.image, plan.has_runtime, "make image"),
        ("--page", files.page, plan.site != "none", "make page"),
    ):
        if wanted and piece is None and not is_update:
            raise Refused(f"the topology {plan.topology} needs {flag}: `{make}` builds it")
        if piece is not None and not wanted:
            raise Refused(f"{flag} has no place in the topology {plan.topology} with --site {plan.site}")


def deploy(cloud, plan, files):
    """Makes the deployment, or changes it to this plan and these pieces."""
    plans.check(plan)
    needed(plan, files)
    account = cloud.call("sts", "get_caller_identity")["Account"]
    artefacts, kept = foundation(cloud, plan)
    earlier = kept.releases()
    if earlier:
        same_kind(plan, plans.Plan.of(kept.release(earlier[0])["plan"]))
    record = {
        "plan": plan.kept(),
        "code": kept.put_once(files.code.key, files.code.data) if files.code else None,
        "image": image(cloud, plan, artefacts, files.image) if files.image else None,
        "page": kept.put_once(files.page.key, files.page.data) if files.page else None,
        "templates": templates(kept, plan),
    }
    return put_in_force(cloud, kept, account, artefacts, record, earlier)


def update(cloud, name, changes, roles, files):
    """Changes what the flags say and keeps everything else as the release in force has it."""
    kept, earlier = existing(cloud, name)
    current = kept.release(earlier[0])
    plan = plans.Plan.of(current["plan"]).with_changes(changes)
    plan = plan.with_changes({"role_models": {**plan.role_models, **roles}})
    plans.check(plan)
    needed(plan, files, is_update=True)
    account = cloud.call("sts", "get_caller_identity")["Account"]
    artefacts, kept = foundation(cloud, plan)
    record = {
        "plan": plan.kept(),
        "code": kept.put_once(files.code.key, files.code.data) if files.code else current["code"],
        "image": image(cloud, plan, artefacts, files.image) if files.image else current["image"],
        "page": kept.put_once(files.page.key, files.page.data) if files.page else current["page"],
        "templates": templates(kept, plan),
    }
    return put_in_force(cloud, kept, account, artefacts, record, earlier)


def rollback(cloud, name, to):
    """Puts an earlier release in force again: its function, image, page, templates and settings."""
    kept, releases = existing(cloud, name)
    if to is None:
        if len(releases) < 2:
            raise Refused(f"{name} has no earlier release to go back to")
        to = releases[1]
    record = kept.release(to)
    record.pop("release")
    plan = plans.Plan.of(record["plan"])
    account = cloud.call("sts", "get_caller_identity")["Account"]
    artefacts, kept = foundation(cloud, plan)
    # What came after it is no step to go back to; it is kept, and `--to` still finds it.
    earlier = releases[releases.index(to) + 1 :] if to in releases else releases
    return put_in_force(cloud, kept, account, artefacts, record, earlier)


def foundation(cloud, plan):
    """The stack of artefacts, which every release stands on."""
    body = (TEMPLATES / "artefacts.yaml").read_text()
    parameters = {
        "NeedsImage": "true" if plan.has_runtime else "false",
        "RepositoryName": plan.repository_name,
    }
    made = stacks.apply(cloud, stack(plan.name, "artefacts"), parameters, body=body)
    return made, Store(cloud, made["Bucket"])


def existing(cloud, name):
    """The store and the releases of a deployment that must be there."""
    found = stacks.describe(cloud, stack(name, "artefacts"))
    if found is None:
        raise Refused(f"there is no deployment {name} in {cloud.region}: `deploy` makes one")
    kept = Store(cloud, stacks.outputs(found)["Bucket"])
    releases = kept.releases()
    if not releases:
        raise Refused(f"{name} was never deployed to the end: run `deploy` again")
    return kept, releases


def same_kind(plan, before):
    if (plan.topology, plan.site) != (before.topology, before.site):
        raise Refused(
            f"{plan.name} is deployed as {before.topology} with --site {before.site}: "
            "deploy the other one under another name, or destroy this one first"
        )


def image(cloud, plan, artefacts, read):
    return store.push(cloud, plan.repository_name, artefacts["RepositoryUri"], read)


def templates(kept, plan):
    """Keeps the templates with the release, so that going back means their resources, too."""
    files = {"door": f"{plan.topology}.yaml"}
    if plan.site != "none":
        files["site"] = SITE_TEMPLATES[plan.site]
    keys = {}
    for part, file in sorted(files.items()):
        data = (TEMPLATES / file).read_bytes()
        keys[part] = kept.put_once(f"templates/{pieces.sha256(data)}.yaml", data)
    return keys


def put_in_force(cloud, kept, account, artefacts, record, earlier):
    """Makes a release the one that answers."""
    plan = plans.Plan.of(record["plan"])
    release = kept.keep(record)
    site = {}
    if plan.site != "none":
        url = kept.url(record["templates"]["site"])
        parameters = {"ConnectSources": connect_sources(plan)}
        site = stacks.apply(cloud, stack(plan.name, "site"), parameters, url=url)
    origins = [*([site["Origin"]] if site else []), *plan.origins]
    parameters = door_parameters(cloud, plan, account, artefacts, kept.bucket, record, origins)
    url = kept.url(record["templates"]["door"])
    door = stacks.apply(cloud, stack(plan.name, "door"), parameters, url=url)
    config = json.dumps(page_config(plan, door), indent=2).encode()
    if site:
        page = kept.get(record["page"])
        if page is None:
            raise Refused(f"the release {release} has lost its page, {record['page']}")
        (to_amplify if plan.site == "amplify" else to_bucket)(cloud, site, page, config)
    kept.point([release, *[name for name in earlier if name != release]])
    return {"release": release, "page": origins[0] if origins else None, "config": config.decode(), **door}


def connect_sources(plan):
    """What the page may call, for its Content-Security-Policy."""
    if plan.has_function:
        return f"https://*.lambda-url.{plan.region}.on.aws https://cognito-identity.{plan.region}.amazonaws.com"
    return f"https://bedrock-agentcore.{plan.region}.amazonaws.com"


def door_parameters(cloud, plan, account, artefacts, bucket, record, origins):
    """The parameters of the topology's template."""
    common = {
        "Model": plan.model,
        **{f"{role.capitalize()}Model": model for role, model in plan.role_models.items()},
        "ModelArns": ",".join(plans.resources_of_models(plan, cloud.partition, account)),
        "Prices": plans.prices_of(plan),
        "BudgetUsd": plan.budget_usd,
        "LogRetentionDays": plan.log_days,
        "CostAlarmUsdPerHour": plan.cost_alarm,
        "AlarmEmail": plan.alarm_email,
    }
    function = {
        "CodeBucket": bucket,
        "CodeKey": record["code"],
        "AllowedOrigins": ",".join(origins),
        "FunctionMemory": plan.function_memory,
        "FunctionTimeout": plan.function_timeout,
        "MaxConcurrency": plan.max_concurrency,
        "Guests": "true" if plan.guests else "false",
        "IdentityProvider": plan.identity_provider,
        "IdentityClient": plan.identity_client,
    }
    runtime = {
        "ImageUri": record["image"],
        "RepositoryArn": artefacts.get("RepositoryArn"),
        "RuntimeName": plan.runtime_name,
        "IdleTimeout": plan.idle_timeout,
        "MaxLifetime": plan.max_lifetime,
    }
    tokens = {"DiscoveryUrl": plan.issuer, "AllowedClients": ",".join(plan.clients)}
    return {
        **common,
        **(function if plan.has_function else tokens),
        **(runtime if plan.has_runtime else {}),
    }


def page_config(plan, door):
    """The page's config.json: where its door is, and how a call is let in."""
    if plan.has_function:
        return {
            "door": "invocations",
            "base": door["FunctionUrl"].rstrip("/"),
            "sign": "sigv4",
            "region": plan.region,
            "service": "lambda",
            "identity_pool": door["IdentityPool"],
        }
    return {"door": "invocations", "runtime": door["RuntimeArn"], "qualifier": ENDPOINT, "sign": "bearer"}


def to_bucket(cloud, site, page, config):
    """Puts the page's files into the bucket; the files of earlier releases stay, for pages still open."""
    cloud.say("putting the page into its bucket")
    for name, data, kind, caching in pieces.files_of_page(page, config):
        cloud.call(
            "s3",
            "put_object",
            Bucket=site["Bucket"],
            Key=name,
            Body=data,
            ContentType=kind,
            CacheControl=caching,
        )


def to_amplify(cloud, site, page, config):
    """Deploys the page's files to Amplify Hosting."""
    cloud.say("deploying the page to Amplify")
    where = {"appId": site["AppId"], "branchName": "main"}
    begun = cloud.call("amplify", "create_deployment", **where)
    cloud.put(begun["zipUploadUrl"], pieces.zip_of_page(page, config))
    cloud.call("amplify", "start_deployment", **where, jobId=begun["jobId"])

    def look():
        job = cloud.call("amplify", "get_job", **where, jobId=begun["jobId"])["job"]["summary"]
        if job["status"] in ("FAILED", "CANCELLED"):
            raise Refused(f"Amplify says {job['status']} of the page's deployment {begun['jobId']}")
        return job["status"] == "SUCCEED" or None

    cloud.wait(look)


def destroy(cloud, name):
    """Removes everything, what is kept too. What is gone already is no matter."""
    artefacts = stacks.describe(cloud, stack(name, "artefacts"))
    site = stacks.describe(cloud, stack(name, "site"))
    stacks.remove(cloud, stack(name, "door"))
    if site is not None:
        bucket = stacks.outputs(site).get("Bucket")
        if bucket:
            emptied(store.empty_bucket, cloud, bucket)
        stacks.remove(cloud, stack(name, "site"))
    if artefacts is not None:
        made = stacks.outputs(artefacts)
        emptied(store.empty_bucket, cloud, made["Bucket"])
        if "RepositoryUri" in made:
            emptied(store.empty_repository, cloud, made["RepositoryUri"].split("/", 1)[1])
        stacks.remove(cloud, stack(name, "artefacts"))


def emptied(how, cloud, what):
    try:
        how(cloud, what)
    except ClientError as error:
        if code_of(error) not in ("NoSuchBucket", "RepositoryNotFoundException"):
            raise


def status(cloud, name):
    """What is there: stacks, release, addresses, alarms that ring."""
    kept, releases = existing(cloud, name)
    plan = plans.Plan.of(kept.release(releases[0])["plan"])
    found = {part: stacks.describe(cloud, stack(name, part)) for part in parts(plan)}
    alarms = cloud.call(
        "cloudwatch", "describe_alarms", AlarmNamePrefix=f"{name}-", StateValue="ALARM"
    ).get("MetricAlarms", [])
    made = {}
    for part in ("site", "door"):
        if found.get(part):
            made.update(stacks.outputs(found[part]))
    return {
        "deployment": name,
        "region": cloud.region,
        "topology": plan.topology,
        "site": plan.site,
        "stacks": {part: entry["StackStatus"] if entry else "missing" for part, entry in found.items()},
        "release": releases[0],
        "earlier": releases[1:],
        "outputs": made,
        "alarms": sorted(alarm["AlarmName"] for alarm in alarms if is_of(alarm["AlarmName"], name)),
    }


def is_of(alarm, name):
    """Tells whether an alarm is this deployment's, and not that of one whose name begins alike."""
    return alarm.removeprefix(f"{name}-").count("-") == 1
