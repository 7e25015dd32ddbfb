"""The bucket of artefacts, and the registry of images."""

import json

from .cloud import ClientError, code_of
from .errors import Refused
from .pieces import release_name

# As many earlier releases as are kept to go back to.
KEPT_RELEASES = 20


class Store:
    """Files named by what they hold, and the releases made of them."""

    def __init__(self, cloud, bucket):
        self.cloud = cloud
        self.bucket = bucket

    def put_once(self, key, data):
        """Keeps a file whose name says what it holds: it is never written twice."""
        try:
            self.cloud.call("s3", "head_object", Bucket=self.bucket, Key=key)
        except ClientError as error:
            if code_of(error) not in ("404", "NoSuchKey", "NotFound"):
                raise
            self.put(key, data)
        return key

    def put(self, key, data):
        self.cloud.call("s3", "put_object", Bucket=self.bucket, Key=key, Body=data)

    def get(self, key):
        """The file, or None."""
        try:
            return self.cloud.call("s3", "get_object", Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                return None
            raise

    def url(self, key):
        return f"https://{self.bucket}.s3.{self.cloud.region}.amazonaws.com/{key}"

    def releases(self):
        """The releases that were in force, the newest first."""
        kept = self.get("releases/current.json")
        return json.loads(kept)["releases"] if kept else []

    def release(self, name):
        kept = self.get(f"releases/{name}.json")
        if kept is None:
            raise Refused(f"there is no release {name}: `status` lists them")
        return json.loads(kept)

    def keep(self, record):
        """Keeps a release. Returns its name."""
        name = release_name(record)
        kept = json.dumps({"release": name, **record}, indent=2, sort_keys=True)
        self.put_once(f"releases/{name}.json", kept.encode())
        return name

    def point(self, releases):
        """Says which release is in force, and which were before."""
        kept = json.dumps({"releases": releases[: KEPT_RELEASES + 1]})
        self.put("releases/current.json", kept.encode())


def push(cloud, repository, uri, image):
    """Puts the image into the registry through its API; what is there already is not sent again."""
    named = f"{uri}@{image.digest}"
    if has_image(cloud, repository, image.digest):
        return named
    cloud.say(f"pushing the image {image.digest[:19]}")
    digests = sorted(image.blobs)
    answer = cloud.call(
        "ecr", "batch_check_layer_availability", repositoryName=repository, layerDigests=digests
    )
    there = {
        layer["layerDigest"] for layer in answer.get("layers", []) if layer["layerAvailability"] == "AVAILABLE"
    }
    for digest in digests:
        if digest not in there:
            push_layer(cloud, repository, digest, image.blobs[digest])
    try:
        cloud.call(
            "ecr",
            "put_image",
            repositoryName=repository,
            imageManifest=image.manifest.decode(),
            imageManifestMediaType=image.media_type,
            imageDigest=image.digest,
            # An image without a tag is what clean-up rules remove first.
            imageTag=image.digest.removeprefix("sha256:")[:16],
        )
    except ClientError as error:
        if code_of(error) != "ImageAlreadyExistsException":
            raise
    return named


def has_image(cloud, repository, digest):
    try:
        cloud.call("ecr", "describe_images", repositoryName=repository, imageIds=[{"imageDigest": digest}])
    except ClientError as error:
        if code_of(error) == "ImageNotFoundException":
            return False
        raise
    return True


def push_layer(cloud, repository, digest, data):
    begun = cloud.call("ecr", "initiate_layer_upload", repositoryName=repository)
    size = begun["partSize"]
    for first in range(0, len(data), size):
        part = data[first : first + size]
        cloud.call(
            "ecr",
            "upload_layer_part",
            repositoryName=repository,
            uploadId=begun["uploadId"],
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    try:
        cloud.call(
            "ecr",
            "complete_layer_upload",
            repositoryName=repository,
            uploadId=begun["uploadId"],
            layerDigests=[digest],
        )
    except ClientError as error:
        if code_of(error) != "LayerAlreadyExistsException":
            raise


def empty_bucket(cloud, bucket):
    """Removes every object, so that the bucket can be removed."""
    while True:
        page = cloud.call("s3", "list_objects_v2", Bucket=bucket)
        keys = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
        if not keys:
            return
        answer = cloud.call("s3", "delete_objects", Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise Refused(f"{bucket} cannot be emptied: {first.get('Key')}: {first.get('Message')}")


def empty_repository(cloud, repository):
    """Removes every image, so that the repository can be removed."""
    while True:
        images = cloud.call("ecr", "list_images", repositoryName=repository).get("imageIds", [])
        if not images:
            return
        answer = cloud.call("ecr", "batch_delete_image", repositoryName=repository, imageIds=images)
        if answer.get("failures"):
            first = answer["failures"][0]
            raise Refused(f"{repository} cannot be emptied: {first.get('failureReason')}")
