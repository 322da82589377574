#!/usr/bin/env bash
# Says which peers tests were skipped for, and why.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -s .peers/skipped ]; then
    echo "Peers that are missing here; the tests that need them were skipped:"
    sed 's/^/  /' .peers/skipped
else
    echo "No peer is missing: slapd, ldap-utils, openssh-server, xmlsec1, wine64, vcsim."
fi
