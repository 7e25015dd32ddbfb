"""CloudFormation stacks: make or change, wait, say what failed, remove."""

from .cloud import ClientError, code_of
from .errors import Refused

DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
# A stack whose making failed can only be removed.
STILLBORN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")


def describe(cloud, name):
    """The stack, or None."""
    try:
        return cloud.call("cloudformation", "describe_stacks", StackName=name)["Stacks"][0]
    except ClientError as error:
        if code_of(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise


def outputs(stack):
    return {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", [])}


def apply(cloud, name, parameters, *, body=None, url=None):
    """Makes the stack, or changes it to what is wanted. Returns its outputs."""
    stack = describe(cloud, name)
    if stack and stack["StackStatus"] in STILLBORN:
        cloud.say(f"{name} was never whole ({stack['StackStatus']}): removing it first")
        remove(cloud, name)
        stack = None
    if stack and stack["StackStatus"].endswith("_IN_PROGRESS"):
        stack = settled(cloud, name)
    wanted = {
        "StackName": name,
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": str(value)} for key, value in sorted(parameters.items())
        ],
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [{"Key": "application", "Value": "magi"}],
        **({"TemplateURL": url} if url else {"TemplateBody": body}),
    }
    cloud.say(f"{'changing' if stack else 'making'} the stack {name}")
    try:
        operation = "update_stack" if stack else "create_stack"
        cloud.call("cloudformation", operation, **wanted)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return outputs(stack)
        raise
    stack = settled(cloud, name)
    if stack["StackStatus"] not in DONE:
        raise Refused(f"the stack {name} is {stack['StackStatus']}: {reason(cloud, name)}")
    return outputs(stack)


def settled(cloud, name):
    """Waits until nothing is in progress. Returns the stack."""

    def look():
        stack = describe(cloud, name)
        if stack is None:
            raise Refused(f"the stack {name} was removed meanwhile")
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    return cloud.wait(look)


def reason(cloud, name):
    """The oldest failure of the newest change: the later ones follow from it."""
    found = "its events say nothing of a failure"
    for event in cloud.call("cloudformation", "describe_stack_events", StackName=name)["StackEvents"]:
        if event["ResourceStatus"].endswith("_FAILED"):
            found = f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
        if event["ResourceType"] == "AWS::CloudFormation::Stack" and event["ResourceStatus"] in (
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
        ):
            break
    return found


def remove(cloud, name):
    """Removes the stack and waits until it is gone. Nothing to do when it is not there."""
    if describe(cloud, name) is None:
        return
    cloud.say(f"removing the stack {name}")
    cloud.call("cloudformation", "delete_stack", StackName=name)

    def look():
        stack = describe(cloud, name)
        if stack is None:
            return True
        if stack["StackStatus"] == "DELETE_FAILED":
            raise Refused(f"the stack {name} is not gone: {reason(cloud, name)}")
        return None

    cloud.wait(look)
