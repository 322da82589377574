#!/bin/bash
# A vecs-cli as vmafd/tools/vecs-cli (Lightwave a04d9171) describes it, from files beside it.
here=@HERE@
[ -e "$here/vecs-down" ] && { echo "vecs-cli failed. Error 4312: Operation failed" >&2; exit 216; }
case "$1 $2" in
  "store list") cat "$here/stores" ;;
  "entry list")
    cat "$here/store.$4" 2>/dev/null && exit 0
    echo "vecs-cli failed. Error 4312: Object not found" >&2
    exit 216 ;;
  *) exit 1 ;;
esac
