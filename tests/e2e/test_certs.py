"""``stsfix certs`` as an operator meets it: the whole list, its exit code, and nothing changed."""

from __future__ import annotations

import json
import re

import pytest

from lab_keys import shared_keys
from reports import validator
from stsfix.lab.lab import Lab
from stsfix.lab.vmdir.reader import dump
from stsfix_command import Command

pytestmark = [pytest.mark.e2e, pytest.mark.lab]


class Bench:
    """A running lab and the command beside it."""

    def __init__(self, lab, folder, *, expired):
        self.lab = lab
        self.expired = expired
        lab.write_config(folder)
        self.stsfix = Command(folder)

    def state(self):
        """Return what must not change: directories, stores, files and power of every node."""
        return {
            fqdn: (
                dump(node.disk.directory, "") if node.disk.directory else None,
                [node.disk.vecs.entries(store) for store in node.disk.vecs.names()],
                dict(node.disk.files),
                self.lab.machines[fqdn].power,
            )
            for fqdn, node in self.lab.nodes.items()
        }


@pytest.fixture(scope="module", params=["expired", "healthy"])
def bench(request, tmp_path_factory):
    """A domain with external PSCs whose STS certificate has expired, and one that is sound."""
    with Lab.build("external-psc", request.param, speed=2000, keys=shared_keys()) as lab:
        lab.wait_settled()
        folder = tmp_path_factory.mktemp("certs")
        yield Bench(lab, folder, expired=request.param == "expired")


def test_every_store_of_every_node_is_listed(bench):
    """80 columns, no colour, every store and alias that the lab has; nothing is changed."""
    before = bench.state()

    ended = bench.stsfix.run("certs")

    shown = " ".join(ended.out.split())
    assert ended.code == (2 if bench.expired else 0)
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "\x1b" not in ended.out
    assert "NOT READ" not in ended.out
    for node in bench.lab.nodes.values():
        assert f"{node.disk.fqdn} ({node.disk.role})" in shown
        for store in node.disk.vecs.names():
            assert store in shown
            for entry in node.disk.vecs.entries(store):
                assert entry.alias in shown or not entry.certificates
    assert bench.state() == before


def test_document_is_by_its_schema_and_complete(bench):
    """What the schema promises, and one row for each certificate of each entry of each store."""
    ended = bench.stsfix.run("certs", "--json")

    found = ended.json()
    assert list(validator("certs-1").iter_errors(found)) == []
    assert found["exit_code"] == ended.code
    rows = {
        (row["node"], row["where"])
        for row in found["certificates"]
        if row["place"] == "certificate store"
    }
    assert rows == {
        (node.disk.fqdn, f"{store} {entry.alias}")
        for node in bench.lab.nodes.values()
        for store in node.disk.vecs.names()
        for entry in node.disk.vecs.entries(store)
        if b"BEGIN CERTIFICATE" in entry.certificates
    }
    assert {row["known"] for row in found["extensions"] if row["sha1"]} <= {"known", "unknown"}
    assert "PRIVATE KEY" not in json.dumps(found)


def test_expired_first_and_soon(bench):
    """The first certificate is the one that ends first; a far look calls all of them soon."""
    by_end = bench.stsfix.run("certs", "--expired", "--soon", "3650")

    words = [line.split()[0] for line in by_end.out.splitlines() if line.strip()]
    states = [word for word in words if word in {"EXPIRED", "soon", "ok"}]
    assert by_end.code == (2 if bench.expired else 1)
    assert states[0] == ("EXPIRED" if bench.expired else "soon")
    assert "ok" not in states


@pytest.mark.parametrize("words", [("--soon", "-1"), ("--soon", "x"), ("extra",)])
def test_wrong_words_are_refused(bench, words):
    """The command line is checked before anybody is asked."""
    ended = bench.stsfix.run("certs", *words)

    assert ended.code == 64


def test_a_wrong_password_is_no_good_news(bench):
    """What could not be read is said, tried once, and the exit code is not 0."""
    secrets = bench.stsfix.folder / "secrets.toml"
    before = secrets.read_text("utf-8")
    wrong = re.sub(r"(?m)^sso = .*$", 'sso = "not the password"', before)
    assert wrong != before
    secrets.write_text(wrong, "utf-8")
    try:
        ended = bench.stsfix.run("certs")
    finally:
        secrets.write_text(before, "utf-8")

    assert ended.code in {1, 2}
    assert "NOT READ" in ended.out
    assert "not the password" not in ended.out + ended.err
