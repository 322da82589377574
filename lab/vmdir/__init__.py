"""vmdir of the lab: an LDAP server that behaves as a real vmdird was measured to."""
