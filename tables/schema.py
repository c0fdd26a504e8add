"""What the store of measurements looks like inside: ten tables."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from .text import AnyText

SCHEMA_VERSION = 4
"""Goes up with every change that an older Sartor would misread; ``migration`` has each step."""

METADATA = MetaData()

META = Table(
    "sartor",
    METADATA,
    Column("schema_version", Integer, nullable=False),
    comment="One row; tells a store of Sartor from any other database.",
)

LATENCY_TABLES = Table(
    "latency_tables",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("provenance", Text, nullable=False, comment="Provenance.to_json"),
)

SUBJECTS = Table(
    "subjects",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("table_id", ForeignKey(LATENCY_TABLES.c.id, ondelete="CASCADE"), nullable=False),
    Column("text", Text, nullable=False, comment="str(subject)"),
    Column("operators", Text, comment="of a network: the operators' texts, one a line"),
    Column("failure", AnyText, comment="why the latest attempt to measure it failed"),
    UniqueConstraint("table_id", "text"),
)

WINDOWS = Table(
    "windows",
    METADATA,
    Column("subject_id", ForeignKey(SUBJECTS.c.id, ondelete="CASCADE"), nullable=False),
    Column("pass_index", BigInteger, nullable=False),
    Column("samples_us", LargeBinary, nullable=False, comment="little-endian float32"),
    Column("preempted", BigInteger, nullable=False),
    Column("reference_us", Float, nullable=False),
    Column("started_at", AnyText, nullable=False),
    PrimaryKeyConstraint("subject_id", "pass_index"),
)

QUOTATIONS = Table(
    "quotations",
    METADATA,
    Column("subject_id", ForeignKey(SUBJECTS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("latency_ms", Float, nullable=False),
    Column("deviation_ms", Float, comment="standard deviation, where it was published"),
    Column("count", BigInteger, comment="of inferences, where it was published"),
    comment="Since version 2: latencies that others published, without samples.",
)

HEALTH = Table(
    "health",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("table_id", ForeignKey(LATENCY_TABLES.c.id, ondelete="CASCADE"), nullable=False),
    Column("content", AnyText, nullable=False, comment="BatchHealth.to_json"),
    comment="Since version 3: how the device was during each batch.",
)

TRANSFERS = Table(
    "transfers",
    METADATA,
    Column("table_id", ForeignKey(LATENCY_TABLES.c.id, ondelete="CASCADE"), primary_key=True),
    Column("known", Text, nullable=False, comment="tables of other devices, a list of JSON"),
    Column("offset_ms", Float, nullable=False, comment="of a network, beyond its operators"),
    Column("deviation", Float, nullable=False, comment="of typical networks, relative"),
    comment="Since version 3: where the estimates of a table come from.",
)

ESTIMATES = Table(
    "estimates",
    METADATA,
    Column("subject_id", ForeignKey(SUBJECTS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("latency_ms", Float, nullable=False, comment="of a network: what the others say"),
    comment="Since version 3: latencies that were estimated from tables of other devices.",
)

LEASES = Table(
    "leases",
    METADATA,
    Column("table_id", ForeignKey(LATENCY_TABLES.c.id, ondelete="CASCADE"), primary_key=True),
    Column("place", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Text, nullable=False),
    Column("heartbeat_at", Float, nullable=False, comment="Unix time, seconds"),
)

DEVICE_LEASES = Table(
    "device_leases",
    METADATA,
    Column("machine", Text, primary_key=True, comment="what no other running machine has"),
    Column("place", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Text, nullable=False),
    Column("heartbeat_at", Float, nullable=False, comment="Unix time, seconds"),
    comment="Since version 4: who is timing on which device.",
)
