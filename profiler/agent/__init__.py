"""The agent: times models on a device, next to the runtime that runs them.

It is pushed as one archive and run there as ``python -m sartor_agent RUNTIME THREADS FOLDER``. It
needs Python 3.9, numpy and one runtime, and nothing else of Sartor. It reads jobs from standard
input and writes events to standard output, one JSON object a line, in the order of the jobs::

    → (started)
    ← {"event": "hello", "agent_version": "1", "runtime": "litert", "runtime_version": "2.3.0", …}
    → {"job": 1, "measure": "a.tflite", "window_ms": 20, "warmup_ms": 5, "keep": false}
    ← {"job": 1, "samples_us": [18.2, …], "preempted": 0, "load_ms": 0.9, "started_at": "…"}
    → {"job": 2, "infer": "b.tflite", "inputs": "x.npy", "outputs": "y.npy", "keep": false}
    ← {"job": 2}
    → {"job": 3, "measure": "broken.tflite", …}
    ← {"job": 3, "error": "ValueError: Model provided has model identifier …"}

Files are relative to ``FOLDER``. A model's file is deleted as soon as it is loaded; a model that is
kept stays loaded for later jobs. When standard input ends, so does the agent, and it removes
``FOLDER``.
"""
