#!/bin/sh
# Brings the jars of Apache Kafka (about 45 MB) for the tests into a cache folder
# outside the source tree, and prints the folder's path.
#
#   deploy/kafka/fetch.sh
#
# Cache: ${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/kafka-<version>
# The jars come from the repository that Maven is configured for, with the
# versions of pom.xml. The sha256 of each is checked against the file "pin".
#
# A machine without Java 17, without Maven, or whose repository can not be
# reached has no broker at hand: that is said on standard error, nothing is
# printed, and the exit code is 0. A jar that differs from the pin is an error.
# Running it twice at once is safe.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
say() { printf '%s\n' "kafka: $*" >&2; }
without() {
	say "$*; the tests use librdkafka's mock cluster instead"
	exit 0
}
die() {
	say "$*"
	exit 1
}

if [ -n "${KAFKA_LIB_PATH:-}" ]; then
	[ -d "$KAFKA_LIB_PATH" ] || die "KAFKA_LIB_PATH is $KAFKA_LIB_PATH, and there is no such folder; correct it, or unset it"
	printf '%s\n' "$KAFKA_LIB_PATH"
	exit 0
fi

command -v java >/dev/null 2>&1 || without "java was not found"
major=$(java -version 2>&1 | sed -n '1,/version/s/.*version "\([0-9]*\).*/\1/p')
[ "${major:-0}" -ge 17 ] || without "java ${major:-of an unknown version} is too old for Apache Kafka, which needs 17"

if [ -z "${SLUICE_CACHE:-}" ] && [ -z "${XDG_CACHE_HOME:-}" ] && [ -z "${HOME:-}" ]; then
	die "HOME is not set; set SLUICE_CACHE to a folder for the jars"
fi
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}
version=$(sed -n 's:.*<version>\(.*\)</version>.*:\1:p' "$here/pom.xml" | head -n 1)
target=$cache/kafka-$version
if [ -d "$target" ]; then
	printf '%s\n' "$target"
	exit 0
fi

if command -v sha256sum >/dev/null 2>&1; then
	sums() { sha256sum "$@"; }
elif command -v shasum >/dev/null 2>&1; then
	sums() { shasum -a 256 "$@"; }
else
	without "neither sha256sum nor shasum was found to check the jars with"
fi
command -v mvn >/dev/null 2>&1 || without "mvn was not found"

mkdir -p "$cache" || die "cannot create $cache; set SLUICE_CACHE to a folder that can be written"
work=$(mktemp -d "$cache/.kafka.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say "fetching Apache Kafka $version ..."
# Away from here, Maven neither writes into the tree nor reads settings of it.
cp "$here/pom.xml" "$work/pom.xml"
if ! (cd "$work" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/libs") >"$work/log" 2>&1; then
	tail -n 3 "$work/log" >&2
	without "Maven could not bring the jars"
fi
(cd "$work/libs" && sums -- *.jar) | sed 's/ \*/  /' | LC_ALL=C sort -k 2 >"$work/sums"
if [ -n "${KAFKA_WRITE_PIN:-}" ]; then
	cp "$work/sums" "$here/pin"
fi
if ! cmp -s "$work/sums" "$here/pin"; then
	diff "$here/pin" "$work/sums" >&2 || true
	die "the jars are not those of $here/pin; they are not used"
fi
chmod 0755 "$work/libs"
# A rename within one folder. Whoever comes second leaves the first one's.
mv "$work/libs" "$target" 2>/dev/null || [ -d "$target" ] || die "cannot create $target"
rm -rf "$target/libs"
say "Apache Kafka $version is at $target"
printf '%s\n' "$target"
