#!/bin/sh
# Minerva Desktop @VERSION@: installs it for you alone, without root.
#   sh @NAME@                    install, or update what is installed
#   sh @NAME@ --uninstall        remove the app; chats, settings and models stay
#   sh @NAME@ --extract FOLDER   only unpack
set -eu
kilobytes=@KILOBYTES@ # that the files take
refused="Minerva Desktop is not installed"
usage() { sed -n '2,5s/^# //p;5q' "$0"; }
wrong() {
    echo "@NAME@: $1" >&2
    usage >&2
    exit 2
}
refuse() {
    echo "$refused: $1" >&2
    exit 1
}
# What follows the last line of this script.
archive() { tail -c +@OFFSET@ "$0"; }

# Before anything is unpacked: a download may have ended early, or changed on its way.
check_archive() {
    [ -f "$0" ] || refuse "save it to a file, and run that: sh @NAME@"
    bytes=$(($(wc -c <"$0")))
    [ "$bytes" -eq @BYTES@ ] ||
        refuse "$0 is damaged. It has $bytes bytes in place of @BYTES@: download it again."
    # Where this is missing, what gzip knows of its own archive has to do.
    command -v sha256sum >/dev/null || return 0
    sum=$(archive | sha256sum)
    [ "${sum%% *}" = @SHA256@ ] || refuse "$0 is damaged. Its sum is not right: download it again."
}

# FOLDER, and WHAT TO DO where it will not take the files.
check_folder() {
    [ -d "$1" ] || refuse "there is no folder $1. $2"
    [ -w "$1" ] || refuse "you may not write to $1. $2"
    free=$(df -Pk "$1" 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9][0-9]*% .*/\1/p')
    if [ "${free:-$kilobytes}" -lt $kilobytes ]; then
        needed=$(((kilobytes * 1024 + 999999) / 1000000)) free=$((free * 1024 / 1000000))
        refuse "its files take $needed MB in $1, where $free MB are free. $2"
    fi
}

# FOLDER, and WHAT TO DO.
unpack() {
    said=$(archive | tar -xzf - -C "$1" 2>&1) ||
        refuse "its files cannot be written to $1: $(printf '%s\n' "$said" | head -n 1). $2"
}

case ${1:-} in
'') [ $# -eq 0 ] || wrong "an empty option" ;;
-h | --help)
    usage
    exit 0
    ;;
--uninstall)
    [ $# -eq 1 ] || wrong "--uninstall stands alone"
    refused="Minerva Desktop is not removed"
    [ -n "${HOME:-}" ] || refuse "HOME names no folder to remove it from. Set it, as in HOME=/home/you"
    script=$HOME/.local/lib/minerva-desktop/install.sh
    if [ ! -f "$script" ]; then
        echo "Minerva Desktop is not installed for you: there is no $script"
        exit 0
    fi
    exec sh "$script" --uninstall
    ;;
--extract)
    [ $# -eq 2 ] || wrong "--extract takes one folder"
    refused="Minerva Desktop is not unpacked"
    other="Name another folder."
    check_archive
    mkdir -p "$2" 2>/dev/null || refuse "the folder $2 cannot be made. $other"
    check_folder "$2" "$other"
    unpack "$2" "$other"
    exit 0
    ;;
*) wrong "there is no option $1" ;;
esac
[ $# -eq 0 ] || wrong "one option at most, and these are $#: $*"

machine=$(uname -m)
[ "$machine" = @MACHINE@ ] ||
    refuse "this file is for @MACHINE@ processors, and here is $machine."
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>/dev/null | head -n 1)
libc=${libc##* }
case $libc in
2.[0-9]*) minor=${libc#2.} minor=${minor%%[!0-9]*} ;;
*) minor=0 libc="another library of C" ;;
esac
[ "$minor" -ge @GLIBC_MINOR@ ] || refuse "it needs glibc 2.@GLIBC_MINOR@, and here is $libc."
check_archive
temporary=${TMPDIR:-/tmp}
other="Name another folder to unpack it in: TMPDIR=/some/folder sh @NAME@"
check_folder "$temporary" "$other"
folder=
trap 'rm -rf "$folder"' EXIT
# Not every shell runs that one at a signal.
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
folder=$(mktemp -d "$temporary/minerva.XXXXXX") || refuse "see above. $other"
echo "Unpacking"
unpack "$folder" "$other"
# By name: it may lie where no program may be started.
sh "$folder/@FOLDER@/install.sh"
exit 0
