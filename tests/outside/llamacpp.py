"""Serves a tiny model with llama.cpp's own server: `llamacpp.py FOLDER PORT`.

The model is honest llama architecture whose attention does nothing and whose output matrix is a table of
successors, so it always speaks the same written answer; the tokenizer, the chat template, the parsing of
reasoning and tool calls and every byte of HTTP are llama.cpp's.
"""

import sys
import time
from pathlib import Path

import gguf
import numpy
import xllamacpp

# One token each, all different. Whatever the prompt ends with (a newline) is followed by the first.
# It votes in its text although it is offered a tool, as small models do.
ANSWER = [
    "<think>\n", "What", " could", " break", "?", "費用", "と", "期限", ".", "\n</think>\n\n",
    "Yes", ":", " the", " plan", " is", " reversible", " .", "案は", "可逆", "で", "、", "危険は",
    "限られ", "ている", "。", "\n\n```", "json\n", '{"reasoning"', ': "', "bounded", " risk", " and ",
    "可逆性", '", "', "decision", '": "APPROVED"', "}", "\n```",
]  # fmt: skip

# The form that Qwen and Hermes models share, cut to what is needed.
TEMPLATE = r"""
{%- if tools %}{{- '<|im_start|>system\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>' }}
{%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
{{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}{%- endif %}
{%- for message in messages %}
{%- if message.role in ["user", "system"] or (message.role == "assistant" and not message.tool_calls) %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == "assistant" %}{{- '<|im_start|>assistant' }}
{%- if message.reasoning_content %}{{- '\n<think>\n' + message.reasoning_content + '\n</think>\n' }}{%- endif %}
{%- if message.content %}{{- '\n' + message.content }}{%- endif %}
{%- for tool_call in message.tool_calls %}{%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
{{- '\n<tool_call>\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}
{%- elif message.role == "tool" %}{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}
""".strip()

CONTEXT = 16_384  # tokens per answer; the prompt is bytes to this tokenizer
NORMAL, UNKNOWN, CONTROL, UNUSED, BYTE = 1, 2, 3, 5, 6


def write(path):
    pieces = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    pieces += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    first = len(pieces)
    pieces += [(piece.replace(" ", "\u2581"), NORMAL) for piece in ANSWER]
    while len(pieces) % 32:
        pieces.append((f"<unused{len(pieces)}>", UNUSED))
    size, heads, inner = len(pieces), 4, 32

    model = gguf.GGUFWriter(path, "llama")
    model.add_name("one written answer")
    model.add_context_length(CONTEXT)
    model.add_embedding_length(size)
    model.add_block_count(1)
    model.add_feed_forward_length(inner)
    model.add_head_count(heads)
    model.add_head_count_kv(heads)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_rope_dimension_count(size // heads)
    model.add_vocab_size(size)
    model.add_file_type(0)
    model.add_tokenizer_model("llama")
    model.add_token_list([piece.encode() for piece, _ in pieces])
    # Written pieces score so low that a prompt is always cut into bytes.
    model.add_token_scores([-1000.0 - n if kind == NORMAL else 0.0 for n, (_, kind) in enumerate(pieces)])
    model.add_token_types([kind for _, kind in pieces])
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)
    model.add_unk_token_id(0)
    model.add_add_bos_token(True)
    model.add_add_space_prefix(False)
    model.add_chat_template(TEMPLATE)

    def zeros(name, *shape):
        model.add_tensor(name, numpy.zeros(shape, numpy.float32))

    follows = numpy.zeros((size, size), numpy.float32)
    follows[first, 3 + ord("\n")] = 5
    for n in range(len(ANSWER) - 1):
        follows[first + n + 1, first + n] = 5
    follows[2, first + len(ANSWER) - 1] = 5
    model.add_tensor("token_embd.weight", numpy.eye(size, dtype=numpy.float32))
    model.add_tensor("output_norm.weight", numpy.ones(size, numpy.float32))
    model.add_tensor("output.weight", follows)
    model.add_tensor("blk.0.attn_norm.weight", numpy.ones(size, numpy.float32))
    model.add_tensor("blk.0.ffn_norm.weight", numpy.ones(size, numpy.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        zeros(f"blk.0.{name}.weight", size, size)
    zeros("blk.0.ffn_gate.weight", inner, size)
    zeros("blk.0.ffn_up.weight", inner, size)
    zeros("blk.0.ffn_down.weight", size, inner)
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


def serve(path, port):
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 4 * CONTEXT
    params.n_parallel = 4
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.use_jinja = True
    params.hostnames = ["127.0.0.1"]
    params.port = port
    server = xllamacpp.Server(params)
    print("listening on", server.listening_address, flush=True)
    # Bounded: a run of the tests that lost its hold of this process does not leave it behind.
    time.sleep(900)


if __name__ == "__main__":
    file = Path(sys.argv[1]) / "answer.gguf"
    write(file)
    serve(file, int(sys.argv[2]))
