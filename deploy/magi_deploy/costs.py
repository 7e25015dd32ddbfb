"""What a thousand questions cost in each topology, from list prices and what was measured of MAGI."""

# USD, list prices of us-east-1, read on the given day from copies of AWS's pages and price lists.
DATED = "2026-11-23"
CPU_HOUR = 0.0895  # AgentCore Runtime, per vCPU-hour really used
MEMORY_HOUR = 0.00945  # AgentCore Runtime, per GB-hour, from boot until the session ends
MEMORY_LEAST = 0.128  # GB, billed at least
LAMBDA_GB_SECOND = 0.0000133334  # arm64
LAMBDA_REQUEST = 0.0000002

# Measured (docs/performance.md): CPU per 1,000 tokens with one question at a time, and memory.
CPU_PER_TOKEN = 0.2082 / 1000  # seconds
MEMORY = (13.6 + 3148 / 1024) / 1024  # GB, idle and one deliberation

# Assumed: what a question is like. Put yours in.
SECONDS = 30
TOKENS_IN, TOKENS_OUT = 4300, 2100
FUNCTION_GB = 0.25

# USD per million tokens, in and out, of models of Bedrock. Source: price table of litellm 1.109.1.
MODELS = {
    "amazon.nova-micro-v1:0": (0.035, 0.14),
    "amazon.nova-lite-v1:0": (0.06, 0.24),
    "anthropic.claude-haiku-4-5": (1.00, 5.00),
    "anthropic.claude-sonnet-4-6": (3.00, 15.00),
}


def session(idle):
    """One session of the runtime with one question in it, then `idle` seconds until it ends."""
    memory = max(MEMORY, MEMORY_LEAST)
    cpu = TOKENS_OUT * CPU_PER_TOKEN
    return cpu * CPU_HOUR / 3600 + memory * (SECONDS + idle) * MEMORY_HOUR / 3600


def function():
    """One invocation of the function that lasts as long as the answer."""
    return FUNCTION_GB * SECONDS * LAMBDA_GB_SECOND + LAMBDA_REQUEST


def tokens(model):
    """One question's tokens: three sages and the judge together."""
    read, written = MODELS[model]
    return (TOKENS_IN * read + TOKENS_OUT * written) / 1e6


WORDS = {
    "en": {
        "head": ("idle seconds of a session", "gateway", "agentcore", "direct", "two runtimes", "gateway against two runtimes"),
        "named": "{} ({})",
        "default": "AgentCore's default",
        "ours": "ours",
        "none": "stopped at once",
        "models": ("model", "tokens"),
    },
    "ja": {
        "head": ("セッションのアイドル秒数", "gateway", "agentcore", "direct", "ランタイム二つ", "gateway とランタイム二つの差"),
        "named": "{}（{}）",
        "default": "AgentCore の既定",
        "ours": "MAGI の既定",
        "none": "すぐに停止",
        "models": ("モデル", "トークン"),
    },
}


def table(language="en"):
    """USD per 1,000 questions, by how long an idle session lives."""
    words = WORDS[language]
    lines = [f"| {' | '.join(words['head'])} |", "|---|---|---|---|---|---|"]
    for idle, name in ((900, words["default"]), (120, words["ours"]), (60, ""), (0, words["none"])):
        one, both = session(idle), session(idle) + function()
        less = round(100 * (1 - both / (2 * one)))
        cells = [f"{1000 * usd:.3f}" for usd in (both, one, function(), 2 * one)]
        shown = words["named"].format(idle, name) if name else str(idle)
        lines.append(f"| {shown} | {' | '.join(cells)} | {-less:+d} % |")
    lines += ["", f"| {' | '.join(words['models'])} |", "|---|---|"]
    lines += [f"| {model} | {1000 * tokens(model):.2f} |" for model in MODELS]
    return "\n".join(lines)
