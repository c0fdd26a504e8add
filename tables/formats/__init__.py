"""Files that carry a latency table from one store to another, to other programs, or from others."""

from .flat import to_csv, to_parquet
from .json_lines import (
    from_json_lines,
    read_file,
    read_json_lines,
    to_json_lines,
    write_json_lines,
)

__all__ = [
    "from_json_lines",
    "read_file",
    "read_json_lines",
    "to_csv",
    "to_json_lines",
    "to_parquet",
    "write_json_lines",
]
