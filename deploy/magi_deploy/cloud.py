"""Calls of AWS: one place through which all of them go, in earnest or only told."""

import json
import sys
import time
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from . import answers
from .errors import Refused

# Seconds between two looks at something that takes minutes.
LOOK = 5


class Cloud:
    """The account in earnest."""

    is_dry = False

    def __init__(self, region, session=None):
        self.region = region
        self.session = session or boto3.Session(region_name=region)
        self.partition = self.session.get_partition_for_region(region)
        self.clients = {}

    def client(self, service):
        if service not in self.clients:
            config = Config(retries={"mode": "standard", "max_attempts": 5})
            self.clients[service] = self.session.client(service, region_name=self.region, config=config)
        return self.clients[service]

    def call(self, service, operation, **params):
        """Makes one call. Raises `ClientError` where AWS refuses."""
        try:
            return getattr(self.client(service), operation)(**params)
        except BotoCoreError as error:
            raise Refused(f"{service} {operation}: {error}") from error

    def put(self, url, data):
        """Sends an archive to an address that AWS has signed."""
        if urlsplit(url).scheme != "https":
            raise Refused(f"AWS named an address for the upload that is not https: {url}")
        request = Request(url, data=data, method="PUT", headers={"content-type": "application/zip"})
        with urlopen(request, timeout=300) as reply:  # an answer other than 2xx raises
            reply.read()

    def wait(self, look):
        """Looks until there is an answer."""
        while (found := look()) is None:
            time.sleep(LOOK)
        return found

    def say(self, text):
        print(text, file=sys.stderr)


class DryCloud(Cloud):
    """No account at all: every call is checked against AWS's own models, printed, and answered with a
    made-up answer. Nothing leaves this machine."""

    is_dry = True

    # AWS's models are read once, however many dry runs there are in a process.
    models = botocore.loaders.create_loader()

    def __init__(self, region, world, out=None):
        session = botocore.session.get_session()
        session.register_component("data_loader", self.models)
        session.set_credentials("none", "none")
        super().__init__(region, boto3.Session(botocore_session=session, region_name=region))
        self.world = world
        self.out = out or sys.stdout
        self.n_calls = 0

    def client(self, service):
        fresh = service not in self.clients
        client = super().client(service)
        if fresh:
            # botocore has checked and written the request by then, and sends it after.
            client.meta.events.register("provide-client-params", self.tell)
            client.meta.events.register("before-call", self.answer)
        return client

    def tell(self, params, model, **_):
        self.n_calls += 1
        line = f"{self.n_calls:3} {model.service_model.service_name} {model.name} {shown(params)}"
        print(line.rstrip(), file=self.out)
        # A copy: botocore goes on to change what it was given.
        self.asked = dict(params)

    def answer(self, model, **_):
        try:
            answer = self.world.answer(model.service_model.service_name, model.name, self.asked)
        except answers.Refusal as refusal:
            answer = {"Error": {"Code": refusal.code, "Message": refusal.message}}
            return answers.Reply(refusal.status), answer
        return answers.Reply(200), answer

    def put(self, url, data):
        self.n_calls += 1
        print(f"{self.n_calls:3} https PUT {url} <{len(data)} bytes>", file=self.out)

    def wait(self, look):
        while (found := look()) is None:
            pass
        return found


def shown(params):
    """Parameters on one line; bytes as their number."""
    return json.dumps(params, default=lambda data: f"<{len(data)} bytes>", ensure_ascii=False) if params else ""


def code_of(error):
    """The name AWS gives a refusal."""
    return error.response.get("Error", {}).get("Code", "")


__all__ = ["ClientError", "Cloud", "DryCloud", "code_of"]
