#!/usr/bin/env bash
# Installs the implementations nobody here wrote that tests compare with: slapd, OpenLDAP's tools,
# sshd, xmlsec1 and Wine (its cmd.exe) from Debian, and vcsim built from Debian's source. Where it
# cannot, it writes one line with the reason to .peers/skipped and goes on; it never fails and leaves
# no daemon running.
set -uo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin" DEBIAN_FRONTEND=noninteractive
mkdir -p .peers
: >.peers/skipped
log=.peers/install.log
: >"$log"

skip() { printf '%s: %s\n' "$1" "$2" >>.peers/skipped; }

# Prints why packages cannot be installed here, or nothing.
obstacle() {
    if [ "${STSFIX_PEERS:-}" = none ]; then
        echo "not wanted (STSFIX_PEERS=none)"
    elif ! command -v apt-get >/dev/null; then
        echo "this machine has no apt-get"
    elif [ "$(id -u)" != 0 ]; then
        echo "installing it needs root"
    fi
}
why=$(obstacle)

missing=()
for pair in slapd:slapd ldapsearch:ldap-utils sshd:openssh-server xmlsec1:xmlsec1; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
# Debian's package puts no program on the PATH.
[ -x /usr/lib/wine/wine64 ] || missing+=(wine64)

# A package must not start its daemon: invoke-rc.d asks policy-rc.d, and 101 means no.
policy=/usr/sbin/policy-rc.d
install_packages() {
    local made=""
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=yes
    fi
    timeout 300 apt-get -o DPkg::Lock::Timeout=120 update >>"$log" 2>&1
    for package in "$@"; do
        timeout 600 apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends \
            "$package" </dev/null >>"$log" 2>&1 ||
            skip "$package" "apt-get could not install it, see $log"
    done
    [ -z "$made" ] || rm -f "$policy"
}
if [ ${#missing[@]} -gt 0 ]; then
    if [ -n "$why" ]; then
        for package in "${missing[@]}"; do skip "$package" "$why"; done
    else
        echo "installing ${missing[*]}"
        install_packages "${missing[@]}"
    fi
fi

builder=tests/peers/build-vcsim.sh
if [ ! -x .peers/vcsim ]; then
    if [ -n "$why" ]; then
        skip vcsim "$why"
    elif [ ! -e /etc/debian_version ]; then
        skip vcsim "it is built from Debian's source package, and this is no Debian"
    else
        echo "building vcsim"
        timeout 900 bash "$builder" .peers </dev/null >>"$log" 2>&1 && [ -x .peers/vcsim ] ||
            skip vcsim "it could not be built, see $log"
    fi
fi
exit 0
