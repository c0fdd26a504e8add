"""Files that carry a latency table from one store to another."""

from .json_lines import from_json_lines, read_json_lines, to_json_lines, write_json_lines

__all__ = ["from_json_lines", "read_json_lines", "to_json_lines", "write_json_lines"]
