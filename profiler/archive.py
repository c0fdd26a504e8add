"""The agent as one file, ready to be pushed."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

AGENT_PACKAGE = "sartor_agent"


@cache
def agent_archive() -> bytes:
    """Pack the agent's folder as a zip file that Python imports from; always the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((Path(__file__).parent / "agent").glob("*.py")):
            # ZipInfo's default date is 1980, whenever the file was last touched.
            archive.writestr(zipfile.ZipInfo(f"{AGENT_PACKAGE}/{path.name}"), path.read_bytes())
    return content.getvalue()
