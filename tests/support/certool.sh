#!/bin/bash
# A certool as vmca/certool/certool.cpp (Lightwave a04d9171) describes it; openssl is the CA.
# Files beside it switch what it does: takes-requests, down, refuses--gencert, days, wedge.
here=@HERE@
echo "$*" >> "$here/calls"
for word in "$@"; do
  name=${word%%=*}; value=${word#*=}
  case $name in
    --help) help=$value ;;
    --getrootca|--gencert|--gencertfromcsr|--rootca) verb=$name ;;
    --privkey) privkey=$value ;;
    --cert) cert=$value ;;
    --csrfile) csrfile=$value ;;
    --config) config=$value ;;
    --server) ;;
    *) echo "error: unrecognised option '$name'" >&2; exit 13 ;;
  esac
done
if [ -n "$help" ]; then
  echo "  --gencert   Generates a new certificate"
  [ -e "$here/takes-requests" ] && [ "$help" = functions ] && echo "  --gencertfromcsr   Signs a CSR"
  exit 0
fi
fail() {
  echo "Status : Failed"; echo "Error Code : $1"; echo "Error Message : $2"
  exit $(($1 % 256))
}
[ -e "$here/down" ] && fail 382312518 "VMCA is not running"
[ -e "$here/refuses$verb" ] && fail 70012 "policy said no"
if [ "$verb" = --getrootca ]; then
  openssl x509 -in "$here/served.cer" -noout -text; echo "Status : Success"; exit 0
fi
if [ "$verb" = --rootca ]; then
  stat -c 'key %a' "$privkey" >> "$here/calls"
  mv "$here/root.cer" "$here/root.cer.0"; mv "$here/ca.key" "$here/privatekey.pem.0"
  cp "$cert" "$here/root.cer"; cp "$cert" "$here/ca.cer"; cp "$privkey" "$here/ca.key"
  [ -e "$here/stubborn" ] || cp "$cert" "$here/served.cer"
  echo "Status : Success"; exit 0
fi
ext=$here/ext
if [ "$verb" = --gencert ]; then
  echo "Using config file : $config"
  stat -c 'key %a' "$privkey" >> "$here/calls"
  stat -c 'folder %a' "${privkey%/*}" >> "$here/calls"
  field() { sed -n "s/^$1 = //p" "$config"; }
  { echo "keyUsage = digitalSignature, nonRepudiation, keyEncipherment"
    echo "subjectKeyIdentifier = hash"
    echo "subjectAltName = $(field Hostname | sed 's/,/,DNS:/g; s/^/DNS:/')"; } > "$ext"
  csrfile=$here/made.csr
  openssl req -new -key "$privkey" -subj "/CN=$(field Name)" -out "$csrfile" || fail 70006 "bad key"
  copy=
else
  copy="-copy_extensions copyall"
  : > "$ext"
fi
echo "authorityKeyIdentifier = keyid" >> "$ext"
openssl x509 -req -in "$csrfile" -CA "$here/ca.cer" -CAkey "$here/ca.key" -sha256 \
  -CAcreateserial -CAserial "$here/serial" -days "$(cat "$here/days")" $copy \
  -extfile "$ext" -out "$cert" 2>&1 || fail 70006 "no"
[ -e "$here/wedge" ] && kill -9 $PPID
echo "Status : Success"
