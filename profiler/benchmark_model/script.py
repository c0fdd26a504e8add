"""One shell script a batch: runs the tool on model after model, and says how the device was.

What comes back is cut into sections by a word that nobody can guess, so that nothing that the tool
prints, about a model that may be anybody's, is taken for a word of the script's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ...devices.files import split_files
from ...tables.errors import AgentError

_MOST_PRINTED = 100_000
"""Bytes of one run of the tool that are read: without its profiler it prints some thousands."""

_TICKS = 100  # a second, in what Linux tells programs on every processor (USER_HZ)

# Of mksh, dash and busybox. Only programs that it waits for count as its children's time.
_SCRIPT = f"""
sign=$1 folder=$2 repeats=$3 before=$4 program=$5 arguments=$6
shift 6
cd "$folder" || exit 3
echo "$sign began $(date -u +%Y-%m-%dT%H:%M:%S+00:00)"
while [ "$repeats" -gt 0 ]; do
    for model in "$@"; do
        # Words of our own making, split at spaces: none of them holds any.
        $before "$program" --graph="$model" $arguments >printed 2>&1 </dev/null
        status=$?
        head -c {_MOST_PRINTED} printed
        echo
        echo "$sign ran $status"
    done
    repeats=$((repeats - 1))
done
grep -sH '' /proc/uptime /proc/loadavg /proc/meminfo /proc/cpuinfo \\
    /sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq \\
    /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor \\
    /sys/class/thermal/thermal_zone*/temp /dev/null
read -r line </proc/stat && echo "/proc/stat:$line"
read -r line </proc/$$/stat && echo "/proc/self/stat:$line"
echo "$sign ended"
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of the tool.

    Attributes:
        status: that it exited with; over 128 for the number of a signal that ended it.
        printed: at most the beginning.
    """

    status: int
    printed: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a script came back with.

    Attributes:
        began_at: by the device's clock: UTC, ISO 8601.
        runs: in the order in which they ran.
        files: texts of the kernel's files afterwards, by path.
    """

    began_at: str
    runs: tuple[Ran, ...]
    files: Mapping[str, str]

    @property
    def at_s(self) -> float:
        """When it ended, by a clock that never jumps; AgentError where the kernel has none."""
        words = self.files.get("/proc/uptime", "").split()
        if not words or not re.fullmatch(r"[0-9]{1,12}\.?[0-9]{0,6}", words[0]):
            raise AgentError("the device's kernel does not tell how long it has run")
        return float(words[0])

    @property
    def own_s(self) -> float:
        """How long the script and the tool have run on any processor, in seconds."""
        text = self.files.get("/proc/self/stat", "")
        words = text.rpartition(")")[2].split()
        times = words[11:15]
        if len(times) < 4 or not all(re.fullmatch("[0-9]{1,15}", word) for word in times):
            return 0.0
        return sum(map(int, times)) / _TICKS

    @property
    def busy_s(self) -> float | None:
        """How long all processors have run any program since the start; None if it is not told."""
        name, *words = self.files.get("/proc/stat", "").split()[:9] or [""]
        if name != "cpu" or not all(re.fullmatch("[0-9]{1,18}", word) for word in words):
            return None
        ticks = list(map(int, words))
        return (sum(ticks) - sum(ticks[3:5])) / _TICKS if len(ticks) >= 5 else None


def script_argv(
    sign: str,
    folder: str,
    repeats: int,
    program: str,
    arguments: Sequence[str],
    models: Sequence[str],
    before: Sequence[str] = (),
) -> list[str]:
    """Return the argument vector that runs the tool on models, in turns.

    Args:
        sign: a word that nobody can guess.
        folder: of the models on the device.
        repeats: how often to go through all models.
        program: path of the tool.
        arguments: of it, without spaces.
        models: names of files in the folder.
        before: words that stand before the program, without spaces.
    """
    words = [" ".join(before), program, " ".join(arguments)]
    return ["sh", "-c", _SCRIPT, "sh", sign, folder, str(repeats), *words, *models]


def read_report(sign: str, printed: str, count: int) -> Report:
    """Take apart what a script printed.

    Args:
        sign: of the script.
        printed: all of it.
        count: of runs that there have to be.

    Raises:
        AgentError: it is anything else.
    """
    mark = re.escape(sign)
    pieces = re.split(rf"^{mark} (began \S{{1,40}}|ran \d{{1,3}}|ended)\n", printed, flags=re.M)
    # Texts and signs take turns, a text first.
    texts, signs = pieces[::2], pieces[1::2]
    kinds = [word.split()[0] for word in signs]
    if kinds != ["began", *["ran"] * count, "ended"]:
        raise AgentError(
            f"the script that runs benchmark_model came back with {len(kinds)} of "
            f"{count + 2} signs; is there space left on the device?"
        )
    began_at = signs[0].split()[1]
    try:
        datetime.fromisoformat(began_at)
    except ValueError as error:
        raise AgentError(f"the device's clock shows {began_at!r}") from error
    runs = [
        Ran(int(word.split()[1]), text) for word, text in zip(signs[1:-1], texts[1:-2], strict=True)
    ]
    return Report(began_at, tuple(runs), split_files(texts[-2]))
