#!/bin/bash
# Builds vcsim, the vSphere API simulator of govmomi, from Debian 12's own source package.
#
# usage: tests/peers/build-vcsim.sh OUTDIR      (the tests look for .peers/vcsim)
#
# Afterwards OUTDIR/vcsim is there; a second call does nothing. Needs Debian, root and apt; takes
# about 30 s, most of it the download of Go. Adds no apt source: sources are asked for with a private
# apt configuration that is removed again.
set -euo pipefail

readonly VERSION=0.24.2
readonly REVISION=${VERSION}-3
readonly PACKAGE=golang-github-vmware-govmomi

out=$(mkdir -p "${1:?usage: build-vcsim.sh OUTDIR}" && cd "$1" && pwd)
if [ -x "$out/vcsim" ]; then
  echo "$out/vcsim is there already"
  exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "build-vcsim.sh needs root and apt-get" >&2
  exit 77
fi
list=/etc/apt/sources.list.d/debian.sources
if [ ! -f "$list" ]; then
  echo "build-vcsim.sh knows Debian 12's $list only" >&2
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DEBIAN_FRONTEND=noninteractive

apt-get update -qq
apt-get install -qq -y --no-install-recommends \
  golang-go golang-github-google-uuid-dev dpkg-dev xz-utils >/dev/null

# The mirrors that apt uses already, asked for sources.
mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial"
sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/parts/debian.sources"
cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/parts";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
CONF
cd "$work"
APT_CONFIG=$work/apt.conf apt-get update -qq
APT_CONFIG=$work/apt.conf apt-get source -qq "$PACKAGE=$REVISION" >/dev/null

src=$work/gopath/src/github.com/vmware/govmomi
mkdir -p "$(dirname "$src")"
mv "$PACKAGE-$VERSION" "$src"

# Two bugs of this version stop pyVmomi; upstream fixed both later.
# govmomi issue 3337: fetching an unset property (vm.snapshot without snapshots) panics.
sed -i 's|^\t\tfault := obj.MissingSet\[0\].Fault$|\t\tif len(obj.MissingSet) == 0 {\n\t\t\tbody.Res = \&internal.FetchResponse{}\n\t\t\treturn body\n\t\t}\n&|' \
  "$src/simulator/property_collector.go"
# govmomi issue 2281: revert and removal tasks name the snapshot as their entity, not the VM.
sed -i 's|CreateTask(v, |CreateTask(v.Vm, |' "$src/simulator/snapshot.go"
grep -q 'len(obj.MissingSet) == 0' "$src/simulator/property_collector.go"
grep -q 'CreateTask(v.Vm, ' "$src/simulator/snapshot.go"

GO111MODULE=off GOFLAGS='' GOPATH=$work/gopath:/usr/share/gocode GOCACHE=$work/gocache \
  go build -ldflags='-s -w' -o "$work/vcsim" github.com/vmware/govmomi/vcsim
mv "$work/vcsim" "$out/vcsim"
echo "built $out/vcsim"
