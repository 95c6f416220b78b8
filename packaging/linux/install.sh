#!/bin/sh
# Installs Minerva Desktop for you alone, from the folder that this file lies in. No root needed.
#
#   ./install.sh              install, or take the place of the version that is installed
#   ./install.sh --uninstall  remove the app; chats, settings and models stay
#
# The app goes to ~/.local/lib/minerva-desktop, its commands to ~/.local/bin, its menu entry, icons
# and file type to ~/.local/share (or where XDG_DATA_HOME points).
set -eu

data=${XDG_DATA_HOME:-"$HOME/.local/share"}
libraries=$HOME/.local/lib
app=$libraries/minerva-desktop
commands=$HOME/.local/bin

# Where the installed version has its menu entry: XDG_DATA_HOME may have been another then.
find_installed_data() {
    installed_data=$data
    if [ -f "$app/data-folder" ]; then
        installed_data=$(cat "$app/data-folder")
    fi
}

# A path as one word of a command line, for the person to copy.
word() {
    case $1 in
    *[!A-Za-z0-9_./%+:,@=-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s' "$1" ;;
    esac
}

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
}

wrong() {
    echo "install.sh: $1" >&2
    usage >&2
    exit 2
}

# One at a time: two would fill and empty each other's folders. Held until this process ends.
lock() {
    [ -d "$libraries" ] || return 0 # nothing is installed
    command -v flock >/dev/null || return 0
    exec 9<"$libraries"
    flock -n 9 || case $? in
    1)
        echo "Minerva Desktop is being installed or removed: waiting until that is done."
        flock 9
        ;;
    *) ;; # a disk without locks, of which it has told
    esac
}

remove() {
    for command in minerva minerva-desktop; do
        link=$commands/$command
        # Only what an installation put there: another program may have the name.
        case $(readlink "$link" || true) in
        "$app"/*) rm "$link" ;;
        esac
    done
    if [ -f "$app/installed-files" ]; then
        while IFS= read -r file; do
            rm -f "$installed_data/$file"
        done <"$app/installed-files"
    fi
    rm -rf "$app"
}

# What a person added to the engine (libggml-vulkan.so) and the new version does not bring. It goes: it
# is of the llama.cpp of the version before, and of no use to another.
own_backends() {
    engine=_internal/llama_cpp/lib
    for file in "$app/$engine"/libggml-*.so; do
        name=${file##*/}
        case $name in
        libggml-base.so | libggml-cpu*.so) ;;
        *) [ ! -e "$file" ] || [ -e "$app.new/$engine/$name" ] || printf ' %s' "$name" ;;
        esac
    done
}

refresh() { # FOLDER, of data
    # Desktops notice by themselves, sooner or later; these make it sooner, where they are.
    if [ -d "$1/mime/packages" ] && command -v update-mime-database >/dev/null; then
        update-mime-database "$1/mime" || true
    fi
    if [ -d "$1/applications" ] && command -v update-desktop-database >/dev/null; then
        update-desktop-database "$1/applications" || true
    fi
    touch "$1/icons/hicolor" 2>/dev/null || true
}

[ $# -lt 2 ] || wrong "one option at most, and these are $#: $*"
case ${1:-} in
'') [ $# = 0 ] || wrong "an empty option" ;;
-h | --help)
    usage
    exit 0
    ;;
--uninstall)
    lock
    find_installed_data
    remove
    refresh "$installed_data"
    echo "Minerva Desktop is removed. Chats, settings and models are where they were."
    exit 0
    ;;
*) wrong "there is no option $1" ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
if [ "$here" = "$app" ]; then
    echo "This is the installed app: there is nothing to install." >&2
    exit 1
fi
mkdir -p "$libraries" "$commands"
# Not every shell runs what is set for EXIT at a signal.
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
lock
find_installed_data
# Beside the old one first: a full disk must not leave half an app in its place.
rm -rf "$app.new"
trap 'rm -rf "$app.new"' EXIT
cp -R "$here/app" "$app.new"
cp "$here/install.sh" "$app.new/"
(cd "$here/share" && find . -type f | sed 's,^\./,,') >"$app.new/installed-files"
printf '%s\n' "$data" >"$app.new/data-folder"
removed_backends=$(own_backends)
# From here on all is quick, and half of it would be no app.
trap '' INT TERM HUP
remove
mv "$app.new" "$app"
for command in minerva minerva-desktop; do
    link=$commands/$command
    # Of a Minerva that went, from before the home got its name.
    case $([ -e "$link" ] || readlink "$link" || true) in
    */minerva-desktop/minerva-desktop) rm "$link" ;;
    esac
    if [ -e "$link" ] || [ -L "$link" ]; then
        echo "$link is another program's: it stays; use $(word "$app/minerva-desktop")" >&2
    else
        ln -s "$app/minerva-desktop" "$link"
    fi
done
while IFS= read -r file; do
    mkdir -p "$data/$(dirname "$file")"
    rm -f "$data/$file" # a link that leads nowhere cannot be written through
    cp "$here/share/$file" "$data/$file"
done <"$app/installed-files"
# The menu may not look for programs where ~/.local/bin is.
entry=$data/applications/minerva-desktop.desktop
quoted() { # SCRIPT: the program's path, by the rules of SCRIPT, and as text for `sed`
    printf '%s' "$app/minerva-desktop" | sed -e "$1" -e 's/[&|\\]/\\&/g'
}
# Between quotation marks four characters get a backslash; the file's own rules double each; and a
# per cent sign stands for an argument.
exec_path=$(quoted 's/["`$\\]/\\&/g; s/\\/\\\\/g; s/%/%%/g')
try_path=$(quoted 's/\\/\\\\/g')
sed -e "s|^Exec=minerva-desktop|Exec=\"$exec_path\"|" -e "s|^TryExec=.*|TryExec=$try_path|" \
    "$here/share/applications/minerva-desktop.desktop" >"$entry"
if [ "$installed_data" != "$data" ]; then
    refresh "$installed_data"
fi
refresh "$data"

echo "Minerva Desktop is installed: look for it in the menu, or type minerva-desktop."
case :$PATH: in
*:"$commands":*) ;;
*) echo "For the commands in a terminal, add $commands to PATH." ;;
esac
if [ -n "$removed_backends" ]; then
    echo "Removed with the version before:$removed_backends. Put what fits this version's llama.cpp" \
        "into $app/_internal/llama_cpp/lib."
fi
echo "To remove it: $(word "$app/install.sh") --uninstall"
