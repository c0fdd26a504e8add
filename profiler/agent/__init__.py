"""The agent: times models on a device, next to the runtime that runs them.

It is pushed as one archive and run there as ``python -m sartor_agent RUNTIME THREADS FOLDER LOCK
HOLDER PATIENCE_S [CORES]``, with the runtime's options after its name where it has any
(``onnxruntime:optimization=extended``), and with the processor cores that it is to be pinned to
(``4,5,6,7``). It needs Python 3.9, numpy and one runtime, and nothing
else of Sartor. It holds ``LOCK`` (``lock.py``) while it lives, as an agent of ``HOLDER``, so that
there is one agent at a time. It reads jobs from standard input and writes events to standard
output, one JSON object a line, in the order of the jobs::

    → (started)
    ← {"event": "hello", "agent_version": "3", "runtime": "litert", "runtime_version": "2.3.0", …}
    → {"job": 1, "measure": ["a.tflite"], "window_ms": 200, "warmup_ms": 50, "keep": false}
    ← {"job": 1, "windows": [{"samples_us": [18.2, …], "preempted": 0}], "started_s": 71.5, …}
    → {"job": 2, "measure": ["b.tflite", "broken.tflite"], "window_ms": 8, "evict_mb": 20, …}
    ← {"job": 2, "windows": [{"samples_us": …}, {"error": "ValueError: Model provided has …"}], …}
    → {"job": 3, "infer": "c.tflite", "inputs": "x.npy", "outputs": "y.npy", "keep": false}
    ← {"job": 3}
    → {"job": 4, "infer": "gone.tflite", …}
    ← {"job": 4, "error": "ValueError: Could not open …"}

Where the runtime is missing, or cannot run as it was asked to (on a GPU, say), it says so instead
of hello, and what to do where it knows that, and ends::

    ← {"event": "missing", "error": "torch 2.13.0 finds no GPU to run on", "advice": "check …"}

Where another agent does not end, this one says so and ends in its stead::

    ← {"event": "taken", "by": "process 18, an agent of process 17 on lab"}

where it cannot have the cores that it was to be pinned to::

    ← {"event": "unpinned", "error": "Invalid argument; it may use [0, 1]"}

and where there is no folder to be had, or no lock::

    ← {"event": "failed", "error": "No space left on device"}

Moments are told by a clock that never jumps, because that of the day may be wrong by years.

Models of a job with ``evict_mb`` are timed in turns, cold, so much memory being read before each
round; of any other job one after another, each again and again. Files are relative to ``FOLDER``,
and ``3/0.tflite``, ``3/1.tflite``, … may come together as ``3.pack`` (``packs.py``); where there is
no room for them, the answer is ``{"job": 2, "full": "No space left on device"}``. A model's file is
deleted as soon as it is loaded, unless the job is to ``reuse`` it later; a model to ``keep`` stays
loaded for later jobs. When standard input ends, so does the agent, and it removes ``FOLDER``, which
it made when it started; then it also removed what agents that were killed had left beside it.

Where it says hello and with every job that measures comes ``"vitals"``, how the device is just then
(``vitals.py``); two of them tell whether it was disturbed in between.
"""
