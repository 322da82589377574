#!/bin/bash
# A small service-control for nodes behind OpenSSH's sshd. FOLDER holds a file for each service,
# with its state (Running or Stopped); broken-NAME makes a start fail, late-NAME makes it report a
# failure and come up all the same; log collects what was called. Words are those of 7.0 (public logs).
folder=@FOLDER@
echo "$*" >> "$folder/log"

list() {
    for state in Stopped Running; do
        names=$(grep -lx "$state" "$folder"/svc-* 2> /dev/null | sed 's|.*/svc-||' | tr '\n' ' ')
        [ -z "$names" ] || printf '%s:\n %s\n' "$state" "$names"
    done
}

fail() {
    printf 'Error executing start on service %s. Details {\n    "resolution": null,\n' "$1"
    printf '    "detail": [\n        {\n            "args": [\n                "%s"\n            ],\n' "$1"
    printf '            "id": "install.ciscommon.service.failstart",\n'
    printf '            "localized": "An error occurred while starting service '"'%s'"'",\n' "$1"
    printf '            "translatable": "An error occurred while starting service '"'%%(0)s'"'"\n'
    printf '        }\n    ],\n    "componentKey": null,\n    "problemId": null\n}\n'
}

case "$1" in
--status) list ;;
--stop)
    echo "Operation not cancellable. Please wait for it to finish..."
    for file in "$folder"/svc-*; do echo Stopped > "$file"; done
    ;;
--start)
    echo "Operation not cancellable. Please wait for it to finish..."
    code=0
    for file in "$folder"/svc-*; do
        name=${file##*/svc-}
        echo "Performing start operation on service $name..."
        if [ -e "$folder/broken-$name" ]; then
            fail "$name"
            code=1
        elif [ -e "$folder/late-$name" ]; then
            fail "$name"
            code=1
            (sleep 1; echo Running > "$file") > /dev/null 2>&1 &
        elif [ ! -e "$folder/manual-$name" ]; then
            echo Running > "$file"
            echo "Successfully started service $name"
        fi
    done
    exit $code
    ;;
esac
