#!/usr/bin/env bash
# Makes a Unity package of the sources: csharp/unity/pack.sh OUTPUT-FOLDER. In Unity: Package Manager, install package from tarball.
#
# Unity ignores what has no .meta file in a package, so each file and folder gets one, with a GUID that follows from its path and
# so stays the same from version to version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

out=$(mkdir -p "$1" && cd "$1" && pwd)
name=$(sed -n 's/^  "name": "\(.*\)",$/\1/p' package.json)
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
package=$out/package

main() {
    rm -rf "$package"
    mkdir -p "$package"
    cp -r package.json Runtime 'Samples~' "$package/"
    (cd ../src && find . -name '*.cs' -exec cp --parents -t "$package/Runtime" {} +)
    cp ../README.md ../README.zh.md ../../LICENSE-MIT ../../LICENSE-APACHE "$package/"
    add_metas
    tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf "$out/$name-$version.tgz" package
    echo "$out/$name-$version.tgz"
}

# Folders whose names end in ~ are not imported, so what is in them needs none.
add_metas() {
    local path
    (cd "$package" && find . -mindepth 1 -not -path '*~*' -printf '%P\n') | while read -r path; do
        add_meta "$path"
    done
}

add_meta() {
    local guid
    guid=$(printf '%s/%s' "$name" "$1" | md5sum | cut -c 1-32)
    printf 'fileFormatVersion: 2\nguid: %s\n' "$guid" >"$package/$1.meta"
    if [[ -d $package/$1 ]]; then
        echo 'folderAsset: yes' >>"$package/$1.meta"
    fi
}

main
