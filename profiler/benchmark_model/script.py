"""One shell script a batch: runs the tool on model after model, and says how the device was.

What comes back is cut into sections by a word that nobody can guess, so that nothing that the tool
prints, about a model that may be anybody's, is taken for a word of the script's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...devices.kinds import KINDS
from ...devices.kinds.linux import STATE
from ...devices.question import Answer, read_answer, script_of
from ...tables.errors import AgentError

MOST_PRINTED = 100_000
"""Bytes of one run of the tool that are read: without its profiler it prints some thousands."""

_TICKS = 100  # a second, in what Linux tells programs on every processor (USER_HZ)

_WATCHES = ("stat_before", "stat")
_STATE = replace(
    STATE, programs=tuple(asked for asked in STATE.programs if asked[0] not in _WATCHES)
)
"""What is asked for health, but for watching the device for half a second."""

# Of mksh, dash and busybox. Only programs that it waits for count as its children's time.
_SCRIPT = f"""
sign=$1 folder=$2 repeats=$3 most=$4 before=$5 program=$6 arguments=$7
shift 7
cd "$folder" || exit 3
echo "$sign began"
while [ "$repeats" -gt 0 ]; do
    for model in "$@"; do
        # Words of our own making, split at spaces: none of them holds any.
        $before "$program" --graph="$model" $arguments >printed 2>&1 </dev/null
        status=$?
        head -c "$most" printed
        echo
        echo "$sign ran $status"
    done
    repeats=$((repeats - 1))
done
sed -n 's/^cpu/:times:cpu/p' /proc/stat
read -r line </proc/uptime && echo ":uptime:$line"
read -r line </proc/$$/stat && echo ":own:$line"
{script_of(_STATE, *(kind.state for kind in KINDS))}
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
        runs: in the order in which they ran.
        state: what the device said of itself afterwards.
    """

    runs: tuple[Ran, ...]
    state: Answer

    @property
    def at_s(self) -> float:
        """When it ended, by a clock that never jumps; AgentError where the kernel has none."""
        words = self.state.get("uptime", "").split()
        if not words or not re.fullmatch(r"[0-9]{1,12}\.?[0-9]{0,6}", words[0]):
            raise AgentError("the device's kernel does not tell how long it has run")
        return float(words[0])

    @property
    def own_s(self) -> float:
        """How long the script and the tool have run on any processor, in seconds."""
        words = self.state.get("own", "").rpartition(")")[2].split()
        times = words[11:15]
        if len(times) < 4 or not all(re.fullmatch("[0-9]{1,15}", word) for word in times):
            return 0.0
        return sum(map(int, times)) / _TICKS

    def busy_s(self, cores: Sequence[int] = ()) -> float | None:
        """Tell how long processors have run any program since the start; None if it is not told.

        Args:
            cores: those that count; none for all.
        """
        wanted = {f"cpu{core}" for core in cores} or {"cpu"}
        total, found = 0, 0
        for line in self.state.get("times", "").splitlines():
            name, *words = line.split()[:9] or [""]
            if name in wanted and all(re.fullmatch("[0-9]{1,18}", word) for word in words):
                ticks = list(map(int, words))
                total, found = total + sum(ticks) - sum(ticks[3:5]), found + 1
        return total / _TICKS if found else None


def script_argv(
    sign: str,
    folder: str,
    repeats: int,
    program: str,
    arguments: Sequence[str],
    models: Sequence[str],
    before: Sequence[str] = (),
    most_printed: int = MOST_PRINTED,
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
        most_printed: bytes of each run that are read.
    """
    words = [" ".join(before), program, " ".join(arguments)]
    counts = [str(repeats), str(most_printed)]
    return ["sh", "-c", _SCRIPT, "sh", sign, folder, *counts, *words, *models]


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
    pieces = re.split(rf"^{mark} (began|ran \d{{1,3}}|ended)\n", printed, flags=re.M)
    # Texts and signs take turns, a text first.
    texts, signs = pieces[::2], pieces[1::2]
    kinds = [word.split()[0] for word in signs]
    if kinds != ["began", *["ran"] * count, "ended"]:
        raise AgentError(
            f"the script that runs benchmark_model came back with {len(kinds)} of "
            f"{count + 2} signs; is there space left on the device?"
        )
    runs = [
        Ran(int(word.split()[1]), text) for word, text in zip(signs[1:-1], texts[1:-2], strict=True)
    ]
    return Report(tuple(runs), read_answer(texts[-2]))
