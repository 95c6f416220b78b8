#!/bin/sh
# Installs Minerva Desktop for you alone, from the folder that this file lies in. No root needed.
#
#   ./install.sh              install, or take the place of the version that is installed
#   ./install.sh --uninstall  remove the app; chats, settings and models stay
#
# The app goes to ~/.local/lib/minerva-desktop, its commands to ~/.local/bin, its menu entry, icons
# and file type to ~/.local/share (or where XDG_DATA_HOME points).
set -eu

newline='
'
refused="Minerva Desktop is not installed"
own="It needs folders there that you may write to."

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }

wrong() {
    echo "install.sh: $1" >&2
    usage >&2
    exit 2
}

refuse() {
    echo "$refused: $1" >&2
    exit 1
}

# Of what a program said. One that copies says the same of each file.
first_line() { printf '%s' "${1%%"$newline"*}"; }

# A path as one word of a command line, for the person to copy.
word() {
    case $1 in
    *[!A-Za-z0-9_./%+:,@=-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s' "$1" ;;
    esac
}

find_folders() {
    case ${HOME:-} in
    /*) ;;
    *) refuse "HOME names no folder. Set it, as in HOME=/home/you" ;;
    esac
    HOME=${HOME%/}
    case ${XDG_DATA_HOME:-} in
    /*) data=$XDG_DATA_HOME ;;
    *) data=$HOME/.local/share ;;
    esac
    libraries=$HOME/.local/lib
    app=$libraries/minerva-desktop
    commands=$HOME/.local/bin
}

# What the installed version wrote of itself. XDG_DATA_HOME may have been another then.
find_installed() {
    installed_data=$data installed_files='' made_before=''
    [ ! -f "$app/data-folder" ] || installed_data=$(cat "$app/data-folder")
    [ ! -f "$app/installed-files" ] || installed_files=$(cat "$app/installed-files")
    [ ! -f "$app/made-folders" ] || made_before=$(cat "$app/made-folders")
}

# One at a time: two would fill and empty each other's folders. Held until this process ends.
lock() {
    [ -d "$libraries" ] || return 0 # nothing is installed
    command -v flock >/dev/null || return 0
    exec 9<"$libraries"
    flock -n 9 || {
        [ $? = 1 ] || return 0 # a disk without locks, of which it has told
        echo "Minerva Desktop is being installed or removed: waiting until that is done."
        flock 9
    }
}

# What an update left that was cut off between its two last steps.
put_back() {
    [ -d "$app" ] || [ ! -d "$app.old" ] || mv "$app.old" "$app"
}

# As `sudo` leaves it: its files could be moved out of the way, and not be removed.
check_owner() {
    [ ! -d "$app" ] || { [ -w "$app" ] && [ -x "$app" ]; } ||
        refuse "$app is another user's. To remove it: sudo rm -r $(word "$app")"
}

# The processes of the installed app. One from before an update has a program that is gone, and which
# was in another folder when it went.
processes() {
    [ -d "$app" ] || return 0
    place=$(cd "$app" && pwd -P)
    # One `ls` for all: a `readlink` for each of hundreds takes its time.
    QUOTING_STYLE=literal ls -l /proc/[0-9]*/exe 2>/dev/null |
        sed -n 's,.* /proc/\([0-9]*\)/exe -> ,\1 ,p' | while read -r process program; do
        case $program in
        "$place"/* | "$place.old"/*) printf ' %s' "$process" ;;
        esac
    done
}

remove_commands() {
    for command in minerva minerva-desktop; do
        link=$commands/$command
        # Only what an installation put there: another program may have the name.
        case $(readlink "$link" || true) in
        "$app"/*) rm "$link" || return ;;
        esac
    done
}

# Whether the lines of LIST have ITEM.
has() {
    case $newline$1$newline in
    *"$newline$2$newline"*) ;;
    *) return 1 ;;
    esac
}

# FOLDER of data, its FILES, and those of them that STAY.
remove_files() {
    printf '%s\n' "$2" | while IFS= read -r file; do
        [ -z "$file" ] || has "$3" "$file" || rm -f "$1/$file" || return
    done
}

# Those of the list that are empty, of which each comes before the one that it is in.
remove_folders() {
    printf '%s\n' "$1" | while IFS= read -r folder; do
        rmdir "$folder" 2>/dev/null || true
    done
}

refresh() { # FOLDER, of data
    # Desktops notice by themselves, sooner or later; these make it sooner, where they are.
    if [ -d "$1/mime/packages" ] && command -v update-mime-database >/dev/null; then
        update-mime-database "$1/mime" >/dev/null 2>&1 || true
    fi
    if [ -d "$1/applications" ] && command -v update-desktop-database >/dev/null; then
        update-desktop-database "$1/applications" >/dev/null 2>&1 || true
    fi
    touch -c "$1/icons/hicolor" 2>/dev/null || true
}

# What these programs have written, where no other program's files are that it tells of, and where an
# installation made the folder. All else stays.
remove_caches() { # FOLDER of data, and FOLDERS that were made
    if has "$2" "$1/applications" &&
        [ "$(ls -A "$1/applications" 2>/dev/null)" = mimeinfo.cache ]; then
        rm -f "$1/applications/mimeinfo.cache"
    fi
    has "$2" "$1/mime" || return 0
    rmdir "$1/mime/packages" 2>/dev/null || return 0
    for name in XMLnamespaces aliases generic-icons globs globs2 icons magic mime.cache \
        subclasses treemagic types version; do
        rm -f "$1/mime/$name"
    done
    rmdir "$1"/mime/*/ 2>/dev/null || true # of the kinds of types
}

uninstall() {
    refused="Minerva Desktop is not removed"
    find_folders
    lock
    put_back
    if [ ! -d "$app" ]; then
        echo "Minerva Desktop is not installed for you: there is no $app"
        return
    fi
    [ -w "$libraries" ] || refuse "you may not write to $libraries."
    check_owner
    running=$(processes)
    [ -z "$running" ] ||
        refuse "it is running (process$running). Close its window, stop its commands, and try again."
    trap '' INT TERM HUP # a half that is left could not be removed by itself
    find_installed
    said=$(remove_commands 2>&1) || refuse "$(first_line "$said")"
    said=$(remove_files "$installed_data" "$installed_files" "" 2>&1) || refuse "$(first_line "$said")"
    said=$(rm -rf "$app.new" "$app.old" "$app" 2>&1) ||
        refuse "$(first_line "$said"). Remove what is left in $app."
    refresh "$installed_data"
    remove_caches "$installed_data" "$made_before"
    remove_folders "$made_before"
    echo "Minerva Desktop is removed. Chats, settings and models are where they were."
}

# FOLDER, with those that it is in, and note which were not there: they go with the app.
make_folder() {
    [ ! -d "$1" ] || return 0
    make_folder "$(dirname "$1")"
    said=$(mkdir "$1" 2>&1) || refuse "the folder $1 cannot be made: ${said##*: }. $own"
    made=$1$newline$made
}

make_folders() {
    for folder in "$libraries" "$commands"; do
        make_folder "$folder"
        [ -w "$folder" ] || refuse "you may not write to $folder. $own"
    done
    for folder in $(cd "$here/share" && find . -type d | sed 's,^\.,,'); do
        make_folder "$data$folder"
        [ -w "$data$folder" ] || refuse "you may not write to $data$folder. $own"
    done
}

free_kilobytes() { # FOLDER: nothing where that is not known
    df -Pk "$1" 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9][0-9]*% .*/\1/p'
}

# For WHAT it is needed, the FOLDER, and the KILOBYTES.
check_room() {
    needed=$((($3 * 1024 + 999999) / 1000000))
    free=$(free_kilobytes "$2")
    [ "${free:-$3}" -ge "$3" ] || refuse "$1 takes $needed MB in $2, where \
$((free * 1024 / 1000000)) MB are free. Make room there, and try again."
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

# Beside the old one: a full disk must not leave half an app in its place.
copy_app() {
    room=$(du -sk "$here")
    check_room "the app" "$libraries" "${room%%[!0-9]*}"
    app_needs=$needed
    room=$(du -sk "$here/share")
    check_room "its menu entry" "$data" "${room%%[!0-9]*}"
    new_files=$(cd "$here/share" && find . -type f | sed 's,^\./,,')
    said=$(
        {
            cp -R "$here/app" "$app.new" && cp "$here/install.sh" "$app.new/" &&
                printf '%s\n' "$new_files" >"$app.new/installed-files" &&
                printf '%s\n' "$data" >"$app.new/data-folder" &&
                printf '%s\n' "$made$made_before" >"$app.new/made-folders"
        } 2>&1
    ) || refuse "$(first_line "$said"). It takes $app_needs MB there: make room, and try again."
    [ -x "$app.new/minerva-desktop" ] || refuse "no program may start in $libraries: use the .deb."
}

replace_app() {
    said=$(
        {
            if [ -e "$app" ] || [ -L "$app" ]; then mv "$app" "$app.old"; fi &&
                mv "$app.new" "$app"
        } 2>&1
    ) || {
        put_back
        refuse "$(first_line "$said")."
    }
}

link_commands() {
    for command in minerva minerva-desktop; do
        link=$commands/$command
        if [ ! -e "$link" ] && [ -L "$link" ]; then
            target=$(readlink "$link")
            case $target in
            # Of a Minerva that went, from before the home got its name.
            */minerva-desktop/minerva-desktop) rm "$link" ;;
            *)
                echo "$link leads to $target, where nothing is: it stays. To have it start Minerva:" \
                    "ln -sf $(word "$app/minerva-desktop") $(word "$link")" >&2
                continue
                ;;
            esac
        fi
        if [ -e "$link" ]; then
            echo "$link is another program's: it stays; use $(word "$app/minerva-desktop")" >&2
        else
            said=$(ln -s "$app/minerva-desktop" "$link" 2>&1) || problem=$(first_line "$said")
        fi
    done
}

quoted() { # SCRIPT: the program's path, by the rules of SCRIPT, and as text for `sed`
    printf '%s' "$app/minerva-desktop" | sed -e "$1" -e 's/[&|\\]/\\&/g'
}

# The menu may not look for programs where ~/.local/bin is.
menu_entry() {
    # Between quotation marks four characters get a backslash; the file's own rules double each; and a
    # per cent sign stands for an argument.
    exec_path=$(quoted 's/["`$\\]/\\&/g; s/\\/\\\\/g; s/%/%%/g')
    try_path=$(quoted 's/\\/\\\\/g')
    sed -e "s|^Exec=minerva-desktop|Exec=\"$exec_path\"|" -e "s|^TryExec=.*|TryExec=$try_path|" "$1"
}

write_files() {
    printf '%s\n' "$new_files" | while IFS= read -r file; do
        # Beside the old one, as the app.
        new=$data/$file.new
        if ! case $file in
        applications/*) menu_entry "$here/share/$file" ;;
        *) cat "$here/share/$file" ;;
        esac >"$new" || ! mv -f "$new" "$data/$file"; then
            rm -f "$new"
            return 1
        fi
    done
}

clean_up() {
    rm -rf "$app.new"
    remove_folders "$made"
}

# Else it would be told that the menu has it, where root's has.
check_person() {
    [ "$(id -u)" = 0 ] || return 0
    [ "${SUDO_USER:-root}" = root ] || refuse "sudo would install it for root, not for $SUDO_USER. \
Run it without sudo, or with SUDO_USER=root where root is to have it."
}

install_app() {
    here=$(unset CDPATH && cd "$(dirname "$0")" && pwd)
    if [ ! -d "$here/app" ]; then
        echo "This is the installed app: there is nothing to install." >&2
        exit 1
    fi
    check_person
    made=''
    make_folder "$libraries"
    # Not every shell runs what is set for EXIT at a signal.
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    lock
    trap clean_up EXIT
    put_back
    said=$(rm -rf "$app.new" "$app.old" 2>&1) || refuse "$(first_line "$said"). Remove that first."
    find_installed
    make_folders
    check_owner
    copy_app
    removed_backends=$(own_backends)
    running=$(processes)
    # From here on all is quick, and half of it would be no app.
    trap '' INT TERM HUP
    replace_app
    trap - EXIT
    problem=''
    remove_commands
    link_commands
    said=$(write_files 2>&1) || problem=$(first_line "$said")
    stay=''
    [ "$installed_data" != "$data" ] || stay=$new_files
    remove_files "$installed_data" "$installed_files" "$stay" || true
    rm -rf "$app.old" || true
    if [ "$installed_data" != "$data" ]; then
        refresh "$installed_data"
        remove_caches "$installed_data" "$made_before"
        remove_folders "$made_before"
    fi
    refresh "$data"
}

tell() {
    if [ -n "$problem" ]; then
        echo "Minerva Desktop is installed, but not all of its commands and menu entry: $problem." \
            "When that is mended, install it again. Until then: $(word "$app/minerva-desktop")" >&2
    else
        echo "Minerva Desktop is installed: look for it in the menu, or type minerva-desktop."
    fi
    case :$PATH: in
    *:"$commands":*) ;;
    *) echo "For the commands in a terminal, add $commands to PATH." ;;
    esac
    if [ -n "$removed_backends" ]; then
        echo "Removed with the version before:$removed_backends. Put what fits this version's" \
            "llama.cpp into $app/_internal/llama_cpp/lib."
    fi
    if [ -n "$running" ]; then
        echo "Minerva was open meanwhile (process$running). Close it and open it again: until then," \
            "models may fail to load."
    fi
    echo "To remove it: $(word "$app/install.sh") --uninstall"
    [ -z "$problem" ]
}

[ $# -lt 2 ] || wrong "one option at most, and these are $#: $*"
case ${1:-} in
'')
    [ $# = 0 ] || wrong "an empty option"
    find_folders
    install_app
    tell
    ;;
-h | --help) usage ;;
--uninstall) uninstall ;;
*) wrong "there is no option $1" ;;
esac
