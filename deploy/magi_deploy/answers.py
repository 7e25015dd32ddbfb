"""A made-up account for dry runs: it remembers what it is told and answers as AWS's models say."""

import hashlib
import io
import json
import uuid
import zipfile
from dataclasses import dataclass

from .pieces import release_name
from .plan import Plan

ACCOUNT = "111122223333"
PART_BYTES = 10 * 1024 * 1024


class Refusal(Exception):
    """What AWS refuses."""

    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass
class Reply:
    """The HTTP answer, as far as botocore looks at it here."""

    status_code: int

    @property
    def headers(self):
        return {}


class World:
    """An account in which nothing is, or in which a deployment is."""

    def __init__(self, region):
        self.region = region
        self.stacks = {}
        self.objects = {}
        self.layers = set()
        self.images = set()

    def deploy(self, plan, stacks):
        """Pretends that a deployment with an older and a newer release is there: its stacks' names by part."""
        self.stacks = dict.fromkeys(stacks.values())
        page = io.BytesIO()
        with zipfile.ZipFile(page, "w") as archive:
            archive.writestr("index.html", "<!doctype html>")
        names, digests, kept = [], [], {}
        for older in ("0" * 64, "1" * 64):
            record = {
                "plan": plan.kept(),
                "code": f"code/{older}.zip" if plan.has_function else None,
                "image": f"{self.repository(plan)}@sha256:{older}" if plan.has_runtime else None,
                "page": None if plan.site == "none" else f"page/{older}.zip",
                "templates": {part: f"templates/{older}-{part}.yaml" for part in stacks if part != "artefacts"},
            }
            # As a store reads it back: JSON knows no tuples.
            record = json.loads(json.dumps(record))
            name = release_name(record)
            kept[f"releases/{name}.json"] = json.dumps({"release": name, **record}).encode()
            kept[f"page/{older}.zip"] = page.getvalue()
            names.insert(0, name)
            digests.append(f"sha256:{older}")
        kept["releases/current.json"] = json.dumps({"releases": names}).encode()
        self.objects[f"{plan.name.lower()}-artefacts"] = kept
        self.images = set(digests) if plan.has_runtime else set()

    def repository(self, plan):
        return f"{ACCOUNT}.dkr.ecr.{self.region}.amazonaws.com/{plan.repository_name}"

    def answer(self, service, operation, params):
        """Answers one call."""
        return getattr(self, f"{service}_{operation}".replace("-", "_"))(params)

    # identity

    def sts_GetCallerIdentity(self, _):
        return {"Account": ACCOUNT, "UserId": "AIDAMADEUP", "Arn": f"arn:aws:iam::{ACCOUNT}:user/dry-run"}

    # stacks

    def cloudformation_DescribeStacks(self, params):
        name = params["StackName"]
        if name not in self.stacks:
            raise Refusal("ValidationError", f"Stack with id {name} does not exist")
        stack = {"StackName": name, "CreationTime": 0, "StackStatus": "UPDATE_COMPLETE"}
        return {"Stacks": [{**stack, "Outputs": self.outputs(name)}]}

    def cloudformation_CreateStack(self, params):
        self.stacks[params["StackName"]] = fingerprint(params)
        return {"StackId": params["StackName"]}

    def cloudformation_UpdateStack(self, params):
        if self.stacks[params["StackName"]] == fingerprint(params):
            raise Refusal("ValidationError", "No updates are to be performed.")
        return self.cloudformation_CreateStack(params)

    def cloudformation_DeleteStack(self, params):
        self.stacks.pop(params["StackName"], None)
        return {}

    def outputs(self, stack):
        name, _, part = stack.rpartition("--")
        made = {
            "artefacts": {
                "Bucket": f"{name.lower()}-artefacts",
                "RepositoryUri": f"{ACCOUNT}.dkr.ecr.{self.region}.amazonaws.com/{name.lower()}/magi",
                "RepositoryArn": f"arn:aws:ecr:{self.region}:{ACCOUNT}:repository/{name.lower()}/magi",
            },
            "site": {
                "Origin": "https://d111111abcdef8.cloudfront.net",
                "Bucket": f"{name.lower()}-site",
                "AppId": "d2222222abcdef",
            },
        }.get(part) or {
            "FunctionUrl": f"https://abcdefghij.lambda-url.{self.region}.on.aws/",
            "IdentityPool": f"{self.region}:00000000-0000-0000-0000-000000000000",
            "RuntimeArn": f"arn:aws:bedrock-agentcore:{self.region}:{ACCOUNT}:runtime/magi-ABCDEFGHIJ",
            "RuntimeVersion": "1",
            "UserPool": f"{self.region}_MADEUP",
            "UserPoolClient": "madeupclient",
            "DashboardName": stack,
        }
        return [{"OutputKey": key, "OutputValue": value} for key, value in made.items()]

    # files

    def bucket(self, params):
        return self.objects.setdefault(params["Bucket"], {})

    def s3_HeadObject(self, params):
        if params["Key"] not in self.bucket(params):
            raise Refusal("404", "Not Found", 404)
        return {"ContentLength": len(self.bucket(params)[params["Key"]])}

    def s3_GetObject(self, params):
        if params["Key"] not in self.bucket(params):
            raise Refusal("NoSuchKey", "The specified key does not exist.", 404)
        return {"Body": io.BytesIO(self.bucket(params)[params["Key"]])}

    def s3_PutObject(self, params):
        self.bucket(params)[params["Key"]] = params["Body"]
        return {"ETag": '"made-up"'}

    def s3_ListObjectsV2(self, params):
        return {"IsTruncated": False, "Contents": [{"Key": key} for key in sorted(self.bucket(params))]}

    def s3_DeleteObjects(self, params):
        for entry in params["Delete"]["Objects"]:
            self.bucket(params).pop(entry["Key"], None)
        return {}

    # images

    def ecr_BatchCheckLayerAvailability(self, params):
        state = {True: "AVAILABLE", False: "UNAVAILABLE"}
        digests = params["layerDigests"]
        layers = [{"layerDigest": one, "layerAvailability": state[one in self.layers]} for one in digests]
        return {"layers": layers}

    def ecr_InitiateLayerUpload(self, _):
        return {"uploadId": str(uuid.UUID(int=len(self.layers) + 1)), "partSize": PART_BYTES}

    def ecr_UploadLayerPart(self, params):
        return {"uploadId": params["uploadId"], "lastByteReceived": params["partLastByte"]}

    def ecr_CompleteLayerUpload(self, params):
        self.layers.update(params["layerDigests"])
        return {"uploadId": params["uploadId"], "layerDigest": params["layerDigests"][0]}

    def ecr_DescribeImages(self, params):
        wanted = params["imageIds"][0]["imageDigest"]
        if wanted not in self.images:
            raise Refusal("ImageNotFoundException", "The image does not exist")
        return {"imageDetails": [{"imageDigest": wanted}]}

    def ecr_PutImage(self, params):
        self.images.add(params["imageDigest"])
        return {"image": {"imageId": {"imageDigest": params["imageDigest"]}}}

    def ecr_ListImages(self, _):
        images = [{"imageDigest": digest} for digest in sorted(self.images)]
        return {"imageIds": images} if images else {}

    def ecr_BatchDeleteImage(self, params):
        self.images -= {entry["imageDigest"] for entry in params["imageIds"]}
        return {"imageIds": params["imageIds"]}

    # Amplify

    def amplify_CreateDeployment(self, _):
        url = f"https://aws-amplify-{self.region}.s3.{self.region}.amazonaws.com/made-up"
        return {"jobId": "1", "fileUploadUrls": {}, "zipUploadUrl": url}

    def amplify_StartDeployment(self, _):
        return {"jobSummary": self.job("PENDING")}

    def amplify_GetJob(self, _):
        return {"job": {"summary": self.job("SUCCEED"), "steps": []}}

    def job(self, status):
        kept = {"jobId": "1", "jobArn": "made-up", "commitId": "", "commitMessage": ""}
        return {**kept, "commitTime": 0, "startTime": 0, "status": status, "jobType": "MANUAL"}

    # watching

    def cloudwatch_DescribeAlarms(self, _):
        return {"MetricAlarms": []}


def fingerprint(params):
    """What tells one state of a stack from another."""
    kept = {key: params.get(key) for key in ("TemplateURL", "TemplateBody", "Parameters")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def pretended(name, region, topology, site):
    """The plan of the deployment that a dry run pretends to find."""
    plan = Plan(name=name, region=region, topology=topology, site=site)
    return plan.with_changes(
        {
            "model": "bedrock:global.anthropic.claude-sonnet-4-6",
            "guests": plan.has_function,
            "origins": ("https://council.example.org",) if site == "none" else (),
        }
    )
