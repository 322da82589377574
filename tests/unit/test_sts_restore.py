"""What putting an export back would do: add first, delete only ours, harm nobody."""

from __future__ import annotations

from dataclasses import replace

import sts_material
from stsfix.remediation.directory import dn
from stsfix.remediation.directory.sts_export import StsMaterial
from stsfix.remediation.directory.sts_restore import plan_restore
from stsfix.remediation.pki.certificates import fingerprint

OLD, NEW, OTHER = (sts_material.credential(name) for name in ("old", "new", "other"))
OURS = frozenset({fingerprint(NEW.chain[0])})


def pair(index, made):
    """Return a credential and its chain under a number."""
    name = dn.credential_name(index)
    credential = StsMaterial(
        kind="credential",
        dn=dn.credential("vsphere.local", index),
        object_classes=("vmwSTSTenantCredential",),
        cn=name,
        certificates=made.chain,
        key=made.key_pkcs8,
    )
    chain = replace(
        credential,
        kind="chain",
        dn=dn.chain("vsphere.local", index),
        cn=dn.chain_name(index),
        key=None,
    )
    return credential, chain


def names(entries):
    """Return what they are, shortly."""
    return [entry.cn for entry in entries]


def test_after_a_repair_the_old_pair_comes_back_before_ours_goes():
    """Chains are added before credentials, and deleted after them."""
    plan = plan_restore(pair(1, OLD), pair(2, NEW), OURS)

    assert names(plan.add) == ["TrustedCertChain-1", "TenantCredential-1"]
    assert names(plan.remove) == ["TenantCredential-2", "TrustedCertChain-2"]
    assert plan.conflicts == ()


def test_beside_each_other_only_ours_goes():
    """Before the old ones were retired nothing has to be added."""
    plan = plan_restore(pair(1, OLD), (*pair(1, OLD), *pair(2, NEW)), OURS)

    assert plan.add == ()
    assert names(plan.remove) == ["TenantCredential-2", "TrustedCertChain-2"]


def test_what_is_there_already_is_done():
    """Repeating it does nothing; the case of a DN means nothing."""
    upper = tuple(replace(entry, dn=entry.dn.upper()) for entry in pair(1, OLD))

    assert plan_restore(pair(1, OLD), upper, OURS).is_done


def test_an_entry_that_was_replaced_is_a_conflict():
    """One DN with other certificates or another key is never overwritten."""
    other_key = replace(pair(1, OLD)[0], key=OTHER.key_pkcs8)

    for present in (pair(1, OTHER), (other_key, pair(1, OLD)[1])):
        assert "TenantCredential-1" in plan_restore(pair(1, OLD), present, OURS).conflicts[0]


def test_somebody_elses_later_credential_is_a_conflict():
    """It would go on signing, and it is not ours to delete."""
    plan = plan_restore(pair(1, OLD), (*pair(2, NEW), *pair(3, OTHER)), OURS)

    assert len(plan.conflicts) == 1
    assert "TenantCredential-3" in plan.conflicts[0]


def test_somebody_elses_chain_stays():
    """Trust that others added is left alone."""
    plan = plan_restore(pair(1, OLD), (*pair(2, NEW), pair(3, OTHER)[1]), OURS)

    assert plan.conflicts == ()
    assert "TrustedCertChain-3" not in names(plan.remove)


def test_a_domain_that_had_no_credential_is_not_put_back_to_that():
    """Nothing to sign with is no state to return to."""
    assert plan_restore((), pair(2, NEW), OURS).conflicts
