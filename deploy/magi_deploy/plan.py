"""What is to be deployed, read from flags and checked before the first call."""

import json
import re
from dataclasses import asdict, dataclass, field, replace

from .errors import Refused

TOPOLOGIES = ("gateway", "agentcore", "direct")
SITES = ("cloudfront", "amplify", "none")

# Prefixes of inference profiles that route to models of several regions.
PROFILES = ("us", "eu", "apac", "jp", "au", "us-gov", "global")

RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653)

# Flags that may be given several times.
LISTS = ("origins", "model_arns", "prices", "clients")

HAS_FUNCTION = {"gateway": True, "agentcore": False, "direct": True}
HAS_RUNTIME = {"gateway": True, "agentcore": True, "direct": False}


@dataclass(frozen=True)
class Plan:
    """Everything a release is made of but its files. Kept with the release."""

    name: str
    region: str
    topology: str
    site: str = "cloudfront"
    origins: tuple = ()
    model: str = ""
    role_models: dict = field(default_factory=dict)
    model_arns: tuple = ()
    prices: tuple = ()
    budget_usd: str = ""
    guests: bool = False
    identity_provider: str = "none"
    identity_client: str = "none"
    issuer: str = ""
    clients: tuple = ()
    function_memory: int = 256
    function_timeout: int = 240
    max_concurrency: int = 0
    idle_timeout: int = 120
    max_lifetime: int = 3600
    log_days: int = 30
    cost_alarm: float = 5.0
    alarm_email: str = ""

    @property
    def has_function(self):
        return HAS_FUNCTION[self.topology]

    @property
    def has_runtime(self):
        return HAS_RUNTIME[self.topology]

    @property
    def runtime_name(self):
        """AgentCore takes no hyphen."""
        return self.name.replace("-", "_")

    @property
    def repository_name(self):
        return f"{self.name.lower()}/magi"

    @property
    def models(self):
        return [self.model, *self.role_models.values()]

    def kept(self):
        """The plan as a release keeps it."""
        return asdict(self)

    @staticmethod
    def of(kept):
        """The plan of a kept release; what a newer program added has its default."""
        lists = LISTS
        known = {key: kept[key] for key in Plan.__dataclass_fields__ if key in kept}
        return Plan(**{key: tuple(value) if key in lists else value for key, value in known.items()})

    def with_changes(self, changes):
        """The plan with what the flags of an update say."""
        return replace(self, **changes)


def refuse(flag, given, expected):
    raise Refused(f"{flag} is `{given}`: expected {expected}")


def check_name(name):
    """The name becomes stacks, a function, a runtime, a repository and a dimension of metrics."""
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*", name) or len(name) > 40:
        refuse("NAME", name, "a letter, then letters, digits and single hyphens, at most 40 characters")


def check_region(region):
    if not region:
        raise Refused("no region: give --region, or set AWS_REGION")
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]", region):
        refuse("--region", region, "a region's name such as us-east-1")


def check(plan):
    """Refuses a plan that AWS, or the page, would refuse later."""
    check_name(plan.name)
    check_region(plan.region)
    check_models(plan)
    check_numbers(plan)
    check_site(plan)
    check_callers(plan)
    if plan.alarm_email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", plan.alarm_email):
        refuse("--alarm-email", plan.alarm_email, "an address such as ops@example.org")


def check_models(plan):
    if not plan.model:
        raise Refused("no model: give --model, for example bedrock:global.anthropic.claude-sonnet-4-6")
    for model in plan.models:
        if model != "rehearsal" and not re.fullmatch(r"bedrock:[^\s,]+", model):
            refuse("--model", model, "bedrock:MODEL, or rehearsal")
    for arn in plan.model_arns:
        if not re.fullmatch(r"arn:[a-z-]+:bedrock:[a-z0-9*-]*:[0-9]*:[^\s,*]+", arn):
            refuse("--model-arn", arn, "the ARN of one Bedrock model or inference profile")
    for price in plan.prices:
        if not re.fullmatch(r"[^\s=]+=[0-9]+(\.[0-9]+)?/[0-9]+(\.[0-9]+)?", price):
            refuse("--price", price, "MODEL=IN/OUT in USD per million tokens, such as bedrock:amazon.nova-lite-v1:0=0.06/0.24")
    unknown = sorted(set(plan.models) - {"rehearsal"} - {price.partition("=")[0] for price in plan.prices})
    if plan.budget_usd and unknown:
        raise Refused(f"--budget-usd holds only where every price is known: give --price {unknown[0]}=IN/OUT")
    if plan.budget_usd and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", plan.budget_usd):
        refuse("--budget-usd", plan.budget_usd, "a number of USD such as 0.50")


def check_numbers(plan):
    bounds = (
        ("--function-memory", plan.function_memory, 128, 10240),
        ("--function-timeout", plan.function_timeout, 30, 900),
        ("--max-concurrency", plan.max_concurrency, 0, 100000),
        ("--idle-timeout", plan.idle_timeout, 60, 28800),
        ("--max-lifetime", plan.max_lifetime, 60, 28800),
    )
    for flag, value, least, most in bounds:
        if not least <= value <= most:
            refuse(flag, value, f"{least} to {most}")
    if plan.idle_timeout > plan.max_lifetime:
        refuse("--idle-timeout", plan.idle_timeout, f"at most --max-lifetime, {plan.max_lifetime}")
    if plan.log_days not in RETENTIONS:
        refuse("--log-days", plan.log_days, f"one of {', '.join(map(str, RETENTIONS))}")
    if not plan.cost_alarm > 0:
        refuse("--cost-alarm", plan.cost_alarm, "more than 0 USD an hour")


def check_site(plan):
    for origin in plan.origins:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]+)?", origin):
            refuse("--origin", origin, "a scheme and a host exactly as browsers write it, without a path")
    if plan.site == "none" and plan.has_function and not plan.origins:
        raise Refused("--site none leaves no page that may ask: give its --origin")


def check_callers(plan):
    users = plan.identity_provider != "none"
    if users != (plan.identity_client != "none"):
        raise Refused("--identity-provider and --identity-client go together: give both, or neither")
    if users and not re.fullmatch(r"cognito-idp\.[a-z0-9-]+\.amazonaws\.com/[\w-]+_\w+", plan.identity_provider):
        refuse("--identity-provider", plan.identity_provider, "cognito-idp.REGION.amazonaws.com/POOL")
    if plan.has_function:
        if plan.issuer or plan.clients:
            raise Refused("--issuer and --client belong to the topology agentcore")
        if not plan.guests and not users:
            raise Refused(
                "nobody could ask: give --guests (everybody who opens the page may), "
                "or --identity-provider and --identity-client"
            )
        return
    if plan.guests or users:
        raise Refused("the topology agentcore takes tokens: leave out --guests and --identity-provider")
    if bool(plan.issuer) != bool(plan.clients):
        raise Refused("--issuer and --client go together: give both, or neither to make a user pool")
    if plan.issuer and not re.fullmatch(r"https://[^\s?#]+/\.well-known/openid-configuration", plan.issuer):
        refuse("--issuer", plan.issuer, "https://.../.well-known/openid-configuration")


def prices_of(plan):
    """The prices as the program reads them, or nothing."""
    if not plan.prices:
        return ""
    table = {}
    for price in plan.prices:
        model, _, per_million = price.partition("=")
        read, written = per_million.split("/")
        table[model] = {"input": float(read), "output": float(written)}
    return json.dumps(table, separators=(",", ":"), sort_keys=True)


def resources_of_models(plan, partition, account):
    """The ARNs that may be invoked: the profile called, and the model behind it in every region."""
    arns = list(plan.model_arns)
    for model in plan.models:
        if model == "rehearsal":
            continue
        called = model.removeprefix("bedrock:")
        if called.startswith("arn:"):
            arns.append(called)
            continue
        prefix, _, rest = called.partition(".")
        if prefix in PROFILES:
            arns.append(f"arn:{partition}:bedrock:{plan.region}:{account}:inference-profile/{called}")
            # A profile chooses the region; of a global one the ARN names none.
            arns.append(f"arn:{partition}:bedrock:*::foundation-model/{rest}")
        else:
            arns.append(f"arn:{partition}:bedrock:{plan.region}::foundation-model/{called}")
    # A policy must name something; rehearsal calls no model, and there is none of this name.
    return sorted(set(arns)) or [f"arn:{partition}:bedrock:{plan.region}::foundation-model/none"]
