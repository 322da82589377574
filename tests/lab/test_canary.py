"""The lab sees files that are left on its nodes, and secrets wherever they are."""

from __future__ import annotations

import base64
import json
import shlex

import pytest

from lab_keys import shared_keys
from stsfix.lab import canary
from stsfix.lab.lab import Lab

pytestmark = pytest.mark.lab

VC1 = "vc1.lab.example"
SECRET = "pä\"ss' $word & <1>"


@pytest.mark.parametrize(
    "text",
    [
        f"user root password {SECRET}\n",
        json.dumps({"password": SECRET}),
        repr([SECRET]),
        f"login -p {shlex.quote(SECRET)}",
        "&lt;1&gt; is p&#228;".replace("p&#228;", "") + "pä&quot;ss&#x27; $word &amp; &lt;1&gt;",
        "https://host/?p=p%C3%A4%22ss%27%20%24word%20%26%20%3C1%3E",
        *(
            base64.b64encode(f"{'x' * before}{SECRET} and more".encode()).decode()
            for before in range(3)
        ),
        SECRET.encode().hex(),
    ],
)
def test_a_secret_is_found_in_every_disguise(text):
    """Quoted, escaped or encoded, alone or inside of something."""
    found = canary.find([SECRET], [("here", text.encode()), ("there", b"nothing")])

    assert found == ["here"]


def test_what_is_left_on_a_node_is_seen():
    """A file by guest operations, a folder by a shell; what was installed is none."""
    with Lab.build("embedded", "healthy", speed=2000, keys=shared_keys()) as lab:
        node = lab.nodes[VC1]
        before = canary.leftovers(lab)
        node.write_file("root", lab.passwords.nodes[VC1], "/root/x.sh", b"#!/bin/bash\n", 0o600)
        node.disk.folders.add("/tmp/tmp.abc")
        lab.set_power(VC1, "cut")
        lab.set_power(VC1, "on")
        lab.wait_settled()
        after = canary.leftovers(lab)

    assert before == []
    assert after == [f"{VC1}: /root/x.sh", f"{VC1}: /tmp/tmp.abc"]


def test_secrets_on_a_node_are_found_where_they_are(tmp_path):
    """In an argument list, in a file of the node, in a file of ours."""
    with Lab.build("embedded", "healthy", speed=2000, keys=shared_keys()) as lab:
        password = lab.passwords.nodes[VC1]
        clean = canary.find([password], canary.texts_of_nodes(lab))
        lab.nodes[VC1].argv_log.add(["tool", "--password", password])
        lab.nodes[VC1].write_file("root", password, "/tmp/x", password.encode(), 0o600)
        found = canary.find([password], canary.texts_of_nodes(lab))
    (tmp_path / "run.log").write_text(f"login with {password}\n", encoding="utf-8")
    (tmp_path / "secrets.toml").write_text(password, encoding="utf-8")
    ours = canary.texts_below(tmp_path, leave_out=["secrets.toml"])

    assert clean == []
    assert found[-1] == f"{VC1}: /tmp/x"
    assert len(found) == 2
    assert canary.find([password], ours) == [str(tmp_path / "run.log")]
