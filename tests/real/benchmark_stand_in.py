"""A stand-in for Google's benchmark_model, which is not to be had where these tests run.

It takes the tool's flags and prints what LiteRT's tool prints (see the samples in
``tests/profiler/benchmark_model``), about latencies that it really measures, by LiteRT in Python.
So what is tested with it is our side: how the tool is put on a device, asked, run and understood.
Of the tool itself it shows nothing.
"""

from __future__ import annotations

_SOURCE = """
import os, signal, sys, time
from pathlib import Path

FLAGS = {
    "num_runs": "50", "min_secs": "1", "max_secs": "150", "num_threads": "-1",
    "warmup_runs": "1", "warmup_min_secs": "0.5", "graph": "", "use_cpu": "true",
    "use_gpu": "false", "use_profiler": "false",
}

def say(text):
    print(text, file=sys.stderr, flush=True)

def phase(run, least, seconds, most):
    say(f"INFO: Running benchmark for at least {least} iterations and at least {seconds} seconds "
        f"but terminate if exceeding {most} seconds.")
    took, began = [], time.monotonic()
    while len(took) < least or time.monotonic() - began < seconds:
        if time.monotonic() - began > most:
            break
        start = time.monotonic_ns() // 1000
        run()
        took.append(time.monotonic_ns() // 1000 - start)
    mean = sum(took) / len(took)
    std = int(max(0, sum(each * each for each in took) / len(took) - mean * mean) ** 0.5)
    ordered = sorted(took)
    told = f"count={len(took)} "
    if ordered[0] == ordered[-1]:
        told += f"curr={took[-1]}" + ("(all same)" if len(took) > 1 else "")
    else:
        told += (f"first={took[0]} curr={took[-1]} min={ordered[0]} max={ordered[-1]} "
                 f"avg={mean:.6g} std={std}")
    for name, share in (("p5", 5), ("median", 50), ("p95", 95)):
        told += f" {name}={ordered[len(ordered) * share // 100]}"
    say(f"INFO: {told}\\n")
    return mean

def main(arguments):
    say("INFO: STARTING!")
    told, unknown = dict(FLAGS), []
    for word in arguments:
        name, _, value = word.removeprefix("--").partition("=")
        if name in told and "=" in word:
            told[name] = value
        else:
            unknown.append(word)
    if "--help" in unknown:
        lines = [f"\\t--{name}={value}\\tstring\\toptional\\t..." for name, value in FLAGS.items()]
        say("ERROR: usage: benchmark_model <flags>\\nFlags:\\n" + "\\n".join(lines))
        return 1
    if unknown:
        say("WARN: Unconsumed cmdline flags: " + " ".join(unknown))
    content = Path(told["graph"]).read_bytes()
    if content == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    began = time.monotonic()
    from ai_edge_litert.interpreter import Interpreter
    try:
        interpreter = Interpreter(model_content=content, num_threads=int(told["num_threads"]))
        interpreter.allocate_tensors()
    except ValueError as error:
        say(f"ERROR: Failed to load model {told['graph']}: {error}")
        say("ERROR: Benchmarking failed.")
        return 1
    say(f"INFO: Initialized session in {1e3 * (time.monotonic() - began):.3f}ms.")
    most = float(told["max_secs"])
    phase(interpreter.invoke, int(told["warmup_runs"]), float(told["warmup_min_secs"]), most)
    mean = phase(interpreter.invoke, int(told["num_runs"]), float(told["min_secs"]), most)
    if told["use_profiler"] == "true":
        # It cannot look into a model, so the whole is one row.
        say("=== Run Order ===")
        heads = ("node type", "first", "avg ms", "%", "cdf%", "mem KB", "times called", "Name")
        say("".join(f"\\t[{head}]" for head in heads))
        row = f"{mean / 1e3:.3f}\\t{mean / 1e3:.3f}\\t100.000%\\t100.000%\\t0.000\\t1\\tmodel:0"
        say(f"\\ta whole model\\t{row}\\n")
    return 0

sys.exit(main(sys.argv[1:]))
"""


def stand_in(python: str) -> bytes:
    """Return the program, to be run by a Python that has LiteRT."""
    return f"#!{python}\n{_SOURCE}".encode()
