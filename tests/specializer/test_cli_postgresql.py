from __future__ import annotations

from sartor.tables import Condition, Operator, Provenance, Store, Window

from ..server import Server
from .chain import sartor

PROVENANCE = Provenance("pi", (), Condition("litert"), "2.3.0", "ab12", "1", "1", "2026", "0.1.0")
ONE = Operator.parse("dense/8x1x1/out=1/none/float32")


def test_a_url_is_a_store_like_any_other_and_its_password_is_not_shown(lab: Server) -> None:
    lab.execute("DROP ROLE IF EXISTS locked; CREATE ROLE locked LOGIN PASSWORD 'needle'")
    lab.execute("GRANT USAGE, CREATE ON SCHEMA public TO locked")
    url = lab.url(user="locked", password="needle")
    with Store.open(url) as store:
        store.create("mine", PROVENANCE)
        store.add_window("mine", ONE, Window(0, (1000.0,), 0, 100.0, "2026"))
    listed = sartor("tables", "--store", url)
    assert listed.exit_code == 0
    assert "mine" in listed.stdout
    assert "***@" in listed.stdout
    assert "needle" not in listed.stdout
    refused = sartor("tables", "remove", "mine", "--store", url.replace("needle", "n33dle"))
    assert "does not let you in" in refused.complaint
    assert "n33dle" not in refused.complaint


def test_help_says_that_a_url_is_taken() -> None:
    helped = " ".join(sartor("tables", "--help").stdout.replace("│", " ").split())
    assert "a URL of a PostgreSQL database, postgresql+psycopg://USER@HOST/DATABASE" in helped
