"""The `Registrations` port: one body, in memory, on the lab's vmdir of three ages, and on slapd."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from directory_worlds import OLD, other_root
from sts_material import NODE, leaf
from stsfix.lab import pki
from stsfix.remediation.errors import DirectoryFaultError, EntryChangedError
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.renewal.trust_anchors import replacements

NEW_USER = pki.der(leaf("new-user"))


def test_an_account_gets_another_certificate_and_subject(world, directory):
    """Both are read back, the old certificate is gone, and repeating it is no write."""
    ports = directory.registrations
    user = ports.read_solution_user("machine-1")
    assert user is not None
    assert user.certificates == OLD.chain[:1]

    ports.replace_certificate(user, NEW_USER, "CN=machine,OU=mID-1")
    ports.replace_certificate(user, NEW_USER, "cn=machine,ou=mid-1")

    with closing(world.directory()) as another:
        found = another.registrations.read_solution_user("machine-1")
    assert found is not None
    assert found.certificates == (NEW_USER,)
    assert found.subject == "CN=machine,OU=mID-1"


def test_a_subject_that_stays_is_not_written(directory):
    """As dir-cli does: the STS finds the account by it."""
    ports = directory.registrations
    user = ports.read_solution_user("machine-1")
    assert user is not None

    ports.replace_certificate(user, NEW_USER, user.subject.upper())

    found = ports.read_solution_user("machine-1")
    assert found is not None
    assert (found.certificates, found.subject) == ((NEW_USER,), user.subject)


def test_an_account_that_somebody_else_changed_is_left_alone(directory):
    """What was seen is what is replaced."""
    ports = directory.registrations
    user = ports.read_solution_user("machine-1")
    assert user is not None
    ports.replace_certificate(user, NEW_USER, user.subject)

    with pytest.raises(EntryChangedError):
        ports.replace_certificate(user, pki.der(leaf("third")), user.subject)

    found = ports.read_solution_user("machine-1")
    assert found is not None
    assert found.certificates == (NEW_USER,)


def test_an_account_that_is_not_there(directory):
    """It reads as none, and cannot be written."""
    ports = directory.registrations
    assert ports.read_solution_user("nobody") is None
    user = ports.read_solution_user("machine-1")
    assert user is not None

    with pytest.raises(DirectoryFaultError) as caught:
        ports.replace_certificate(replace(user, name="nobody"), NEW_USER, "CN=x")

    assert caught.value.code == 32


def test_an_endpoint_names_the_new_certificate(world, directory):
    """Only the value that was the node's old certificate changes; repeating it is no write."""
    ports = directory.registrations
    (anchors,) = [a for a in ports.read_trust_anchors() if a.certificates == OLD.chain[:1]]
    olds = frozenset({fingerprint(OLD.chain[0])})
    (made,) = replacements([anchors], NODE, olds=olds, new=NEW_USER)

    ports.replace_trust_anchors(made)
    ports.replace_trust_anchors(made)

    with closing(world.directory()) as another:
        (found,) = another.registrations.read_trust_anchors()
    assert found.certificates == (NEW_USER,)
    assert found.uri == anchors.uri
    assert directory.read_certificates().registrations[0].endpoints[0].trust == (NEW_USER,)


def test_an_endpoint_that_somebody_else_changed_is_left_alone(directory):
    """Another value than the one that was seen is somebody's."""
    ports = directory.registrations
    (anchors,) = ports.read_trust_anchors()
    olds = frozenset({fingerprint(OLD.chain[0])})
    (made,) = replacements([anchors], NODE, olds=olds, new=NEW_USER)
    (other,) = replacements([anchors], NODE, olds=olds, new=pki.der(leaf("third")))
    ports.replace_trust_anchors(other)

    with pytest.raises(EntryChangedError):
        ports.replace_trust_anchors(made)


def test_a_trusted_root_is_added_and_removed_again(directory):
    """Nothing else goes, and removing what is not there is fine."""
    ports = directory.registrations
    before = ports.read_roots()
    directory.add_trusted_root(other_root())
    assert ports.read_roots() == before | {other_root()}

    ports.remove_root(other_root())
    ports.remove_root(other_root())

    assert ports.read_roots() == before
