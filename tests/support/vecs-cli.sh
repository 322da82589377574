#!/bin/bash
# A vecs-cli as vmafd/tools/vecs-cli (Lightwave a04d9171) describes it, from files beside it:
# canned lists (stores, store.NAME), or entries in stores.d/STORE/ALIAS.crt and .key.
# Files beside it switch what it does: vecs-down, refuses-COMMAND-STORE, dies-COMMAND-STORE,
# fails-once-COMMAND-STORE, waits-COMMAND-STORE (until that file is gone; waiting-COMMAND-STORE is there then).
here=@HERE@
[ -e "$here/vecs-down" ] && { echo "vecs-cli failed. Error 4312: Operation failed" >&2; exit 216; }
[ "$1" = force-refresh ] && { echo refreshed >> "$here/calls"; exit 0; }
command="$1 $2"; shift 2
while [ $# -gt 0 ]; do
  case $1 in
    --store|--name) store=$2; shift 2 ;;
    --alias) alias=$2; shift 2 ;;
    --output) output=$2; shift 2 ;;
    --cert) cert=$2; shift 2 ;;
    --key) key=$2; shift 2 ;;
    -y) shift ;;
    --text) shift ;;
    *) echo "error: unexpected $1" >&2; exit 2 ;;
  esac
done
fail() { echo "vecs-cli failed. Error $1: Possible errors: " >&2; echo "$2" >&2; exit 216; }
at=$here/stores.d/$store
entry=$at/$alias
[ -e "$here/refuses-${command// /-}-$store" ] && fail 5 "Access is denied."
rm "$here/fails-once-${command// /-}-$store" 2>/dev/null && fail 1722 "RPC server unavailable"
[ -e "$here/dies-${command// /-}-$store" ] && kill -9 $PPID
step=${command// /-}-$store
while [ -e "$here/waits-$step" ]; do touch "$here/waiting-$step"; sleep 0.02; done
case "$command" in
  "store list")
    [ -d "$here/stores.d" ] && ls "$here/stores.d" || cat "$here/stores" ;;
  "store create")
    [ -d "$at" ] && fail 183 "Win Error: Operation failed with error ERROR_ALREADY_EXISTS (183)"
    mkdir -p "$at" ;;
  "entry list")
    [ -d "$at" ] || { cat "$here/store.$store" 2>/dev/null && exit 0; fail 4312 "Object not found"; }
    echo "Number of entries in store :	$(ls "$at" | grep -c 'crt$')"
    for file in "$at"/*.crt; do
      [ -e "$file" ] || continue
      name=${file##*/}
      echo "Alias :	${name%.crt}"
      [ -e "${file%.crt}.key" ] && echo "Entry type :	Private Key" || echo "Entry type :	Trusted Cert"
      echo "Certificate :	$(cat "$file")"
    done ;;
  "entry getcert") [ -e "$entry.crt" ] || fail 4312 "Object not found"; cat "$entry.crt" > "$output" ;;
  "entry getkey") [ -e "$entry.key" ] || fail 4312 "Object not found"; cat "$entry.key" > "$output" ;;
  "entry delete") [ -e "$entry.crt" ] || fail 4312 "Object not found"; rm -f "$entry.crt" "$entry.key" ;;
  "entry create")
    [ -d "$at" ] || fail 4312 "Object not found"
    [ -e "$entry.crt" ] && fail 183 "already exists"
    stat -c 'key %a' "$key" >> "$here/calls"
    stat -c 'folder %a' "${key%/*}" >> "$here/calls"
    cp "$cert" "$entry.crt"; cp "$key" "$entry.key"
    echo "Entry with alias [$alias] in store [$store] was created successfully" ;;
  *) exit 1 ;;
esac
