"""The lock of a device, held by its shell: for devices that have no Python.

It is the same lock as that of ``agent/lock.py``, on the same file, and it says the same about it.
"""

from __future__ import annotations

import math

# flock is given the file explicitly: mksh keeps those that it has opened itself from programs.
_SCRIPT = """
lock=$1 holder=$2 patience=$3
machine=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) || machine=$(uname -n)
file=$lock-$machine.lock
failed() { echo "{\\"event\\": \\"failed\\", \\"error\\": \\"$1\\"}"; exit 1; }
command -v flock >/dev/null || failed "there is no flock"
mkdir -p "${lock%/*}" && : >>"$file" || failed "cannot write"
exec 9>>"$file"
told=
while ! flock -n 9 9>&9; do
    by=$(head -c 200 "$file" | tr -cd 'A-Za-z0-9 ._@:,-')
    by=${by:-another process}
    [ "$by" = "$told" ] || echo "{\\"event\\": \\"waiting\\", \\"by\\": \\"$by\\"}"
    told=$by
    [ "$patience" -gt 0 ] || { echo "{\\"event\\": \\"taken\\", \\"by\\": \\"$by\\"}"; exit 1; }
    sleep 1
    patience=$((patience - 1))
done
printf %s "$holder" >"$file"
echo "{\\"event\\": \\"held\\", \\"machine\\": \\"$machine\\"}"
cat >/dev/null
"""


def shell_lock_argv(lock: str, holder: str, patience_s: float) -> list[str]:
    """Return the argument vector that takes a lock and holds it until its input ends.

    Args:
        lock: path of its file, less what tells machines apart.
        holder: what this process is to be called by those who wait for it.
        patience_s: how long to wait for others, in seconds.
    """
    return ["sh", "-c", _SCRIPT, "sh", lock, holder, str(math.ceil(patience_s))]
