"""Sartor's own bundles, built for tests: from the pinned sources, kept between runs."""

from __future__ import annotations

import pytest

from sartor.profiler.provision.bundle import Bundle, build_bundle
from sartor.tables.errors import RuntimeMissingError

from .cache import cache_folder


def built_bundle(architecture: str = "x86_64", runtime: str = "litert") -> Bundle:
    """Return a bundle; the test is skipped where its sources are not to be had."""
    try:
        return build_bundle(runtime, architecture, cache_folder() / "bundles")
    except RuntimeMissingError as error:
        pytest.skip(f"no bundle can be built here: {error}")
