"""Outputs of benchmark_model as people have published them, shortened where ``…`` would stand."""

from __future__ import annotations

# github.com/google-ai-edge/LiteRT, build instructions ("Example output"): LiteRT's tool.
LITERT = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Num threads: [4]
INFO: [litert/tools/benchmark_litert_model.cc:137] Loading model from: blaze_face_short_range.tflite
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: The input model file size (MB): 0.229746
INFO: Initialized session in 5.757ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=526 first=2125 curr=969 min=910 max=2125 avg=949.861 std=68 p5=915 median=939 p95=990

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=1054 first=1015 curr=942 min=910 max=1102 avg=947.132 std=23 p5=915 median=942 p95=991

INFO: [./litert/tools/benchmark_litert_model.h:72]\x20
========== BENCHMARK RESULTS ==========
INFO: [./litert/tools/benchmark_litert_model.h:73] Model initialization: 5.76 ms
INFO: [./litert/tools/benchmark_litert_model.h:79] Inference (avg):      0.95 ms (1054 runs)
INFO: [./litert/tools/benchmark_litert_model.h:103]\x20
Memory Usage:
INFO: [./litert/tools/benchmark_litert_model.h:105] Init footprint:       4.06 MB
INFO: [./litert/tools/benchmark_litert_model.h:107] Overall footprint:    7.07 MB
INFO: [./litert/tools/benchmark_litert_model.h:117] ======================================

I0000 00:00:1758455106.022223   62590 accelerator_registry.cc:40] DestroyAccelerator: name=CpuAccelerator
"""  # noqa: E501

# github.com/ArmDeveloperEcosystem/arm-learning-paths, litert-sme/4-benchmark.md (CC BY 4.0):
# LiteRT's tool on an Android phone with SME2, --use_profiler=true.
LITERT_PROFILE = """\
INFO: Initialized session in 4.478ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=1055 first=1033 curr=473 min=443 max=1033 avg=465.319 std=18 p5=459 median=463 p95=478

INFO: Running benchmark for at least 1000 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=2112 first=463 curr=459 min=442 max=979 avg=464.545 std=13 p5=460 median=462 p95=478

INFO: [./litert/tools/benchmark_litert_model.h:179]\x20
============================== Run Order ==============================
\t                             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t        LiteRT::Run[buffer registration]\t    0.020\t    0.014\t  3.309%\t  3.309%\t     0.000\t        1\tLiteRT::Run[buffer registration]/0
\t                         AllocateTensors\t    0.291\t    0.291\t  0.022%\t  3.331%\t   452.000\t        0\tAllocateTensors/0
\t                     Static Reshape (NC)\t    0.085\t    0.003\t  0.739%\t  4.070%\t     0.000\t        1\tDelegate/Static Reshape (NC):0
\t         Fully Connected (NC, PF32) GEMM\t    0.538\t    0.382\t 92.948%\t 97.018%\t     0.000\t        1\tDelegate/Fully Connected (NC, PF32) GEMM:1
\t                LiteRT::Run[Buffer sync]\t    0.013\t    0.012\t  2.982%\t100.000%\t     0.000\t        1\tLiteRT::Run[Buffer sync]/0

============================== Top by Computation Time ==============================
\t                             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t         Fully Connected (NC, PF32) GEMM\t    0.538\t    0.382\t 92.948%\t 92.948%\t     0.000\t        1\tDelegate/Fully Connected (NC, PF32) GEMM:1

Number of nodes executed: 5
============================== Summary by node type ==============================
\t                             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]
\t         Fully Connected (NC, PF32) GEMM\t        1\t     0.382\t    93.171%\t    93.171%\t     0.000\t        1

Timings (microseconds): count=3166 first=947 curr=406 min=390 max=947 avg=411.071 std=14
Memory (bytes): count=0
5 nodes observed
"""  # noqa: E501

# github.com/tensorflow/tensorflow/issues/62775: TensorFlow Lite's tool of version 2.15.
TFLITE = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Num threads: [1]
INFO: Graph: [1x_LSTM_64_float32.tflite]
INFO: Enable op profiling: [1]
INFO: #threads used for CPU inference: [1]
INFO: Loaded model 1x_LSTM_64_float32.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: The input model file size (MB): 0.330964
INFO: Initialized session in 0.63ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=132 first=3678 curr=3790 min=3270 max=5473 avg=3751.66 std=334

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=261 first=3937 curr=3959 min=3190 max=6333 avg=3790.92 std=358

INFO: Inference timings in us: Init: 630, First inference: 3678, Warmup (avg): 3751.66, Inference (avg): 3790.92
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your discretion.
"""  # noqa: E501

# github.com/google/XNNPACK/issues/999: TensorFlow Lite's tool of 2021 on a Raspberry Pi.
TFLITE_OLD = """\
STARTING!
Log parameter values verbosely: [0]
Num threads: [4]
Graph: [yolo_best_recall_int8_static.tflite]
Enable op profiling: [1]
#threads used for CPU inference: [4]
Loaded model yolo_best_recall_int8_static.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
The input model file size (MB): 3.67827
Initialized session in 18.777ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=9 first=64791 curr=56295 min=54873 max=65831 avg=57758.2 std=4065

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=58154 curr=53809 min=53077 max=60727 avg=55043.2 std=1562

Inference timings in us: Init: 18777, First inference: 64791, Warmup (avg): 57758.2, Inference (avg): 55043.2
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your discretion.
Memory footprint delta from the start of the tool (MB): init=8.97656 overall=18.7227
"""  # noqa: E501

# github.com/tensorflow/tensorflow/issues/27948: TensorFlow Lite's tool of 2019; tables had a column
# more, and one inference has no statistics.
TFLITE_2019 = """\
Initialized session in 253.8ms
Running benchmark for at least 1 iterations and at least 0.5 seconds
count=1 curr=980043

Running benchmark for at least 50 iterations and at least 1 seconds
count=50 first=948543 curr=944078 min=944078 max=955061 avg=947350 std=2060

============================== Run Order ==============================
\t             [node type]\t          [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t       DEPTHWISE_CONV_2D\t            0.000\t  538.139\t  536.830\t 56.668%\t 56.668%\t     0.000\t        1\t[srnetwork/Conv/Relu]
\t                 CONV_2D\t          536.833\t   20.081\t   20.083\t  2.120%\t 58.788%\t     0.000\t        1\t[srnetwork/Conv_1/Relu]
\t                 CONV_2D\t          556.918\t   36.430\t   36.419\t  3.844%\t 62.632%\t     0.000\t        1\t[srnetwork/Conv_2/Relu]

"""  # noqa: E501

# A file of --profiling_output_csv_file, from the test of somebody's parser of such files (its
# repository is not named where it was found).
CSV = """\
Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
node type, start, first, avg_ms, %, cdf%, mem KB, times called, name
AllocateTensors, 0, 0.029, 0.029, 100%, 100%, 0, 1, AllocateTensors/0

Number of nodes executed: 1
============================== Summary by node type ==============================
node type, count, avg_ms, avg %, cdf %, mem KB, times called
AllocateTensors, 1, 0.029, 100%, 100%, 0, 1

Timings (microseconds): count=1 curr=29
Memory (bytes): count=0
1 nodes observed


Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
node type, start, first, avg_ms, %, cdf%, mem KB, times called, name
CONV_2D, 0, 0.11, 0.0930388, 44.8994%, 44.8994%, 0, 1, [sequential_11/conv2d_33/Conv2D]:0
ELU, 0.0931277, 0.034, 0.0300884, 14.5203%, 59.4197%, 0, 1, [sequential_11/conv2d_33/Elu]:1
FULLY_CONNECTED, 0.207017, 0, 0.000406285, 0.196068%, 99.8348%, 0, 1, [dense_23/MatMul]:10
SOFTMAX, 0.207468, 0.001, 0.000342312, 0.165195%, 100%, 0, 1, [Identity]:11

============================== Top by Computation Time ==============================
node type, start, first, avg_ms, %, cdf%, mem KB, times called, name
CONV_2D, 0, 0.11, 0.0930388, 44.8994%, 44.8994%, 0, 1, [sequential_11/conv2d_33/Conv2D]:0

"""

# As the tools write their usage (Flags::Usage in tflite/tools/command_line_flags.cc).
HELP_TFLITE = """\
ERROR: usage: /data/local/tmp/benchmark_model <flags>
Flags:
\t--num_runs=50                                    \tint32\toptional\texpected number of runs, see also min_secs, max_secs
\t--min_secs=1                                     \tfloat\toptional\tminimum number of seconds to rerun for
\t--max_secs=150                                   \tfloat\toptional\tmaximum number of seconds to rerun for
\t--num_threads=-1                                 \tint32\toptional\tnumber of threads
\t--warmup_runs=1                                  \tint32\toptional\tminimum number of runs performed on initialization
\t--warmup_min_secs=0.5                            \tfloat\toptional\tminimum number of seconds to rerun for
\t--graph=                                         \tstring\toptional\tgraph file name
\t--enable_op_profiling=false                      \tbool\toptional\tenable op profiling
\t--op_profiling_output_mode=stdout                \tstring\toptional\tOutput mode for op profiling results.
\t--op_profiling_output_file=                      \tstring\toptional\tOutput file for op profiling results.
\t--profiling_output_csv_file=                     \tstring\toptional\tFile path to export profile data as CSV
\t--use_xnnpack=false                              \tbool\toptional\texplicitly apply the XNNPACK delegate.
\t--use_gpu=false                                  \tbool\toptional\tuse gpu
ERROR: Benchmarking failed.
"""  # noqa: E501

HELP_LITERT = """\
ERROR: usage: ./benchmark_model <flags>
Flags:
\t--num_runs=50          \tint32\toptional\texpected number of runs, see also min_secs, max_secs
\t--min_secs=1           \tfloat\toptional\tminimum number of seconds to rerun for
\t--max_secs=150         \tfloat\toptional\tmaximum number of seconds to rerun for
\t--num_threads=-1       \tint32\toptional\tnumber of threads
\t--warmup_runs=1        \tint32\toptional\tminimum number of runs performed on initialization
\t--warmup_min_secs=0.5  \tfloat\toptional\tminimum number of seconds to rerun for
\t--graph=               \tstring\toptional\tThe path to the model file.
\t--use_cpu=true         \tbool\toptional\tWhether to use CPU accelerator.
\t--use_gpu=false        \tbool\toptional\tWhether to use GPU accelerator.
\t--use_npu=false        \tbool\toptional\tWhether to use NPU accelerator.
\t--use_profiler=false   \tbool\toptional\tWhether to use profiler.
\t--result_file_path=    \tstring\toptional\tFile path to save the benchmark result.
"""

PRINTED = {
    "litert": LITERT,
    "litert with profile": LITERT_PROFILE,
    "tflite": TFLITE,
    "tflite 2021": TFLITE_OLD,
    "tflite 2019": TFLITE_2019,
}
