"""What becomes of a collection when something goes wrong: a table for docs/faults.md.

    python benchmarks/faults.py > docs/faults.md      # a quarter of an hour, as root

Each fault happens for real: to a collection over OpenSSH, behind a link in a network namespace, and
to one on a phone, which is Debian's adbd with the bundle on it. Afterwards every window has to be
there, and once; where the user has to run the same command again, the sentence is what they read.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from sartor.benchmarks.arguments import documented_parser
from sartor.tests.profiler.faults.cases import AGAIN, FAULTS, PLAN, Fault, Outcome, play
from sartor.tests.profiler.faults.stage import Stage, adb_stage, asking_stage, ssh_stage
from sartor.tests.real.adbd import why_no_phone
from sartor.tests.real.link import why_no_link
from sartor.tests.real.sshd import why_no_sshd

TITLE = f"""# What may go wrong

`python benchmarks/faults.py` lets each of these happen, for real, to a collection of {PLAN.windows}
windows over OpenSSH (behind a link in a network namespace of its own) and on a phone (Debian's
`adbd`, with Sartor's bundle). Nothing was lost and nothing was there twice, every time: all
{PLAN.windows} windows were there in the end, each once. Either the collection went on by itself, or
the same command had to be run again, and measured only what was missing.
"""


def outcomes() -> Iterator[Outcome]:
    """Let everything happen on every stage."""
    stages: tuple[AbstractContextManager[Stage], ...] = (ssh_stage(), adb_stage(), asking_stage())
    for one in stages:
        with one as stage:
            for fault in FAULTS:
                if stage.kind in fault.kinds:
                    yield checked(fault, stage)


def checked(fault: Fault, stage: Stage) -> Outcome:
    """Let one thing happen; an error if that costs anything."""
    sys.stderr.write(f"{stage.kind}: {fault.name}\n")
    with tempfile.TemporaryDirectory(prefix="sartor-faults-") as name:
        outcome = play(fault, stage, Path(name) / "store.db")
    if outcome.recovered != fault.recovers:
        sys.exit(f"faults: {fault.name} was to be mended {fault.recovers}: {outcome}")
    return outcome


def plain(sentence: str) -> str:
    """Leave out of a sentence what is another each time, and what a table takes ill."""
    short = re.sub(r"/tmp/\S*?/(?=[^/\s]+[\s:;,.)])", "…/", sentence)  # noqa: S108 (a pattern)
    return re.sub(r"127\.0\.0\.1:\d+", "SERIAL", short).replace("|", "\\|")


def table(found: list[Outcome]) -> str:
    """Write outcomes as Markdown, a line for each fault."""
    lines = ["| what happens | over SSH | over ADB | what the user reads |", "|---|---|---|---|"]
    for fault in FAULTS:
        mine = {outcome.kind.split(",")[0]: outcome for outcome in found if outcome.fault is fault}
        how = [mine[kind].recovered if kind in mine else "–" for kind in ("SSH", "ADB")]
        # The sentences differ in names only; where one transport noticed nothing, the other did.
        said = next((outcome.said for outcome in mine.values() if outcome.said), ())
        ended = AGAIN in how
        sentence = plain(said[-1 if ended else 0]) if said else "nothing"
        bold = (f"**{word}**" if word == AGAIN else word for word in how)
        lines.append(f"| {' | '.join((fault.name, *bold, sentence))} |")
    return "\n".join(lines)


def main() -> None:
    """Let everything happen, and print the table."""
    documented_parser(__doc__).parse_args()
    if why := why_no_sshd() or why_no_link() or why_no_phone():
        sys.exit(f"faults: {why}")
    print(TITLE)
    print(table(list(outcomes())))


if __name__ == "__main__":
    main()
