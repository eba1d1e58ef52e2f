#!/bin/sh
# Brings the pinned libchdb (the ClickHouse engine as a shared library, about
# 570 MB) into a cache folder outside the source tree, and prints its path.
#
#   deploy/chdb/fetch.sh
#
# Cache: ${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/chdb/<version>/libchdb.so
# The package comes from the npm registry that npm is configured for. Its sha512
# is checked against the file "pin" before anything of it is put into place.
# Only the path goes to standard output. Running it twice at once is safe.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
pin=${SLUICE_CHDB_PIN:-$here/pin}

say() { printf '%s\n' "chdb: $*" >&2; }
die() {
	say "$@"
	exit 1
}

if [ -n "${CHDB_LIB_PATH:-}" ]; then
	for file in "$CHDB_LIB_PATH" "$CHDB_LIB_PATH/libchdb.so"; do
		if [ -f "$file" ]; then
			printf '%s\n' "$file"
			exit 0
		fi
	done
	die "CHDB_LIB_PATH is $CHDB_LIB_PATH, and there is no library; correct it, or unset it"
fi

case $(uname -s) in
Linux) system=linux ;;
Darwin) system=darwin ;;
*) die "there is no libchdb for $(uname -s); use a ClickHouse server instead of the embedded engine" ;;
esac
case $(uname -m) in
x86_64 | amd64) machine=x64 ;;
aarch64 | arm64) machine=arm64 ;;
*) die "there is no libchdb for $(uname -m); use a ClickHouse server instead of the embedded engine" ;;
esac
platform=$system-$machine

# shellcheck disable=SC2046 # the fields of the pin's line are words
set -- $(awk -v p="$platform" '$1 == p { print $2, $3, $4 }' "$pin")
[ $# -eq 3 ] || die "$pin has no line for $platform"
package=$1 version=$2 integrity=$3

if [ -z "${SLUICE_CACHE:-}" ] && [ -z "${XDG_CACHE_HOME:-}" ] && [ -z "${HOME:-}" ]; then
	die "HOME is not set; set SLUICE_CACHE to a folder for the library"
fi
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}
target=$cache/chdb/$version/libchdb.so
if [ -f "$target" ]; then
	printf '%s\n' "$target"
	exit 0
fi

if [ "$integrity" = "-" ]; then
	integrity=${SLUICE_CHDB_SHA512:-}
	[ -n "$integrity" ] || die "$pin has no sum for $platform; compare
	npm view $package@$version dist.integrity
with a source you trust and run again with it in SLUICE_CHDB_SHA512"
fi

if ! command -v npm >/dev/null 2>&1; then
	die "npm was not found, which the library is brought with. Any of these helps:
  - install npm (part of Node.js) and run this again;
  - set CHDB_LIB_PATH to a libchdb.so $version that is there already;
  - put libchdb.so of the package $package@$version at $target"
fi

mkdir -p "$cache/chdb/$version" || die "cannot create $cache/chdb/$version; set SLUICE_CACHE to a folder that can be written"
work=$(mktemp -d "$cache/chdb/$version/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say "fetching $package@$version (170 MB) ..."
(cd "$work" && npm pack --silent "$package@$version" >name) || die "npm pack $package@$version failed; see npm's message above, and its registry's address with: npm config get registry"
archive=$work/$(tail -n 1 "$work/name")
[ -f "$archive" ] || die "npm pack left no archive in $work"

# The sum as npm writes it: base64 of the binary digest.
if command -v openssl >/dev/null 2>&1; then
	sum=$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)
elif command -v node >/dev/null 2>&1; then
	sum=$(node -e 'const c=require("crypto"),f=require("fs");const h=c.createHash("sha512");f.createReadStream(process.argv[1]).on("data",d=>h.update(d)).on("end",()=>process.stdout.write(h.digest("base64")))' "$archive")
else
	die "neither openssl nor node was found to check the package's sha512 with; install one"
fi
if [ "sha512-$sum" != "$integrity" ]; then
	die "the package has the sum sha512-$sum, and $integrity was expected; it is not used"
fi

tar -xzf "$archive" -C "$work" package/libchdb.so || die "the package holds no libchdb.so that can be unpacked; is the disk full?"
chmod 0644 "$work/package/libchdb.so"
# A rename within one folder: whoever comes second replaces a whole file by the same.
mv -f "$work/package/libchdb.so" "$target"
say "libchdb $version is at $target"
printf '%s\n' "$target"
