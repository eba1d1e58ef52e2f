#!/bin/sh
# Runs a million generated posts, or posts of your own, through the example
# pipeline into an embedded ClickHouse, and shows what was found.
#
#   make demo                                            generated posts
#   make demo POSTS=/path/to.jsonl.zst FORMAT=twitter_v1 your own
#
# From the environment: CHDB_LIB_PATH (the engine), POSTS, FORMAT, ROWS (of
# generated posts), SLUICE (the program; bin/sluice), DEMO_DIR (data/demo),
# NO_COLOR. It needs sh, the core utilities and sluice.
set -eu

say() { printf '%s\n' "$*"; }
die() {
	printf '%s\n' "demo: $*" >&2
	exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
sluice=${SLUICE:-bin/sluice}
posts=${POSTS:-}
format=${FORMAT:-plain}
rows=${ROWS:-1000000}
dir=${DEMO_DIR:-data/demo}
called_from=$PWD
cd "$root"

command -v "$sluice" >/dev/null 2>&1 || die "$sluice is not there; build it with: make build"
if [ -z "${CHDB_LIB_PATH:-}" ]; then
	die "CHDB_LIB_PATH does not say where the ClickHouse engine is. It is fetched with npm (part of Node.js): run
	CHDB_LIB_PATH=\$(deploy/chdb/fetch.sh) deploy/examples/demo.sh
or 'make demo', which does that"
fi
case $CHDB_LIB_PATH in /*) ;; *) export CHDB_LIB_PATH="$called_from/$CHDB_LIB_PATH" ;; esac
if [ ! -f "$CHDB_LIB_PATH" ] && [ ! -f "$CHDB_LIB_PATH/libchdb.so" ]; then
	die "CHDB_LIB_PATH is $CHDB_LIB_PATH, and there is no library; correct it, or unset it and use 'make demo'"
fi

# What is asked for must be right before anything of the last run is removed.
if [ -n "$posts" ]; then
	case $posts in /*) ;; *) posts=$called_from/$posts ;; esac
	[ -e "$posts" ] || die "POSTS: there is no file $posts"
	[ ! -d "$posts" ] || die "POSTS: $posts is a folder; give a file of JSON lines, plain or compressed by gzip or zstd"
	[ -r "$posts" ] || die "POSTS: $posts may not be read by this user"
	case $posts in *[*?[\\]*) die "POSTS: $posts has a character that sluice reads as a pattern; rename the file, or link to it" ;; esac
	case $format in
	plain | jetstream | mastodon | twitter_v1 | twitter_v2) ;;
	*) die "FORMAT: there is no format \"$format\"; choose one of plain, jetstream, mastodon, twitter_v1, twitter_v2" ;;
	esac
else
	case $rows in
	'' | *[!0-9]* | 0*) die "ROWS is \"$rows\"; give a whole number above 0" ;;
	esac
fi

# The folder of the last demo is removed; nobody else's is.
mark=$dir/.made-by-sluice-demo
if [ -e "$dir" ]; then
	[ -f "$mark" ] || die "$dir is there, and no demo has made it; move it away, or give another folder in DEMO_DIR"
	if [ -s "$dir/clickhouse/sluice-engine.lock" ]; then
		read -r holder <"$dir/clickhouse/sluice-engine.lock" || :
		case ${holder:-} in
		*'"pid":'*)
			pid=${holder#*\"pid\":}
			pid=${pid%%[!0-9]*}
			if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
				die "the process $pid uses $dir/clickhouse (a 'sluice clickhouse serve', or another demo); stop it with: kill $pid"
			fi
			;;
		esac
	fi
	rm -rf -- "$dir"
fi
mkdir -p "$dir"
say "A demo of sluice made this folder, and the next one removes it." >"$mark"
dir=$(CDPATH='' cd -- "$dir" && pwd)
case $dir in "$root"/*) shown=${dir#"$root"/} ;; *) shown=$dir ;; esac

color=0 width=100
if [ -t 1 ]; then
	if [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then color=1; fi
	size=$(stty size </dev/tty 2>/dev/null || say "0 100")
	width=${size#* }
	case $width in '' | *[!0-9]* | 0) width=100 ;; esac
	if [ "$width" -lt 80 ]; then width=80; fi
	if [ "$width" -gt 120 ]; then width=120; fi
fi
bold='' off=''
if [ "$color" = 1 ]; then
	bold=$(printf '\033[1m') off=$(printf '\033[0m')
fi

# now prints microseconds, or whole seconds where date knows no more.
now() {
	t=$(date +%s%N)
	case $t in *[!0-9]*) t=$(date +%s)000000000 ;; esac
	say "${t%???}"
}

# records counts the lines of the user's file that are not blank, without
# sluice. A first line and an end for the last one are added, since blank lines
# are found by two line ends that meet.
records() {
	case $(od -An -tx1 -N4 "$posts" | tr -d ' \n') in
	28b52ffd | 5?2a4d18) unpack=zstd ;;
	1f8b*) unpack=gzip ;;
	*) unpack=cat ;;
	esac
	if ! command -v "$unpack" >/dev/null 2>&1; then
		count=-1 by="$unpack is not installed, so nothing but sluice could count"
		return
	fi
	case $unpack in cat) by="lines counted by wc" ;; *) by="lines counted by $unpack and wc" ;; esac
	if [ "$unpack" = cat ]; then set -- cat "$posts"; else set -- "$unpack" -q -dc "$posts"; fi
	count=$({ say x; "$@" || say "corrupt" >"$dir/.corrupt"; say; } | tr -d ' \t\r' | tr -s '\n' | wc -l)
	count=$((count - 1))
	if [ -e "$dir/.corrupt" ]; then count=-1 by="$unpack could not read the file to its end"; fi
}

file=deploy/examples/firehose.yaml label=truth_kind label_title="planted as"
set -- --set "source.generate.rows=$rows"
what="$rows posts"
if [ -n "$posts" ]; then
	file=deploy/examples/own_data.yaml label=lang label_title="language"
	set --
	what="the posts of $posts ($format)"
	export POSTS="$posts" FORMAT="$format"
fi
say "${bold}sluice run $file${off}: $what into $shown"
begun=$(now)
# On a terminal sluice draws its progress bar; warnings and errors show as well.
"$sluice" run "$file" "$@" --set log.level=warn --set admin.listen=off \
	--set "checkpoint.path=$dir/checkpoint" --set "sinks.0.clickhouse.embedded.path=$dir/clickhouse" || {
	code=$?
	printf '%s\n' "demo: sluice run ended with exit code $code; what it stored is in $shown" >&2
	exit "$code"
}
took=$(($(now) - begun))

if [ -n "$posts" ]; then
	records
else
	count=$rows by="asked of the generator"
fi

query() {
	"$sluice" sql --path "$dir/clickhouse" --param "color=$color" --param "width=$width" --param "micros=$took" \
		--param "records=$count" --param "counted_by=$by" --param "label=$label" --param "label_title=$label_title" "$@"
}
last=rejected
[ -n "$posts" ] || last=truth
# One start of the engine for all: the statements of both files.
cat "$here/demo/report.sql" "$here/demo/$last.sql" | query

graph="$sluice graph $file"
if [ -n "$posts" ]; then graph="POSTS='$posts' FORMAT=$format $graph"; fi
engine="CHDB_LIB_PATH=$CHDB_LIB_PATH"
cat <<END

${bold}LOOK FURTHER${off} (paste these in $root)
  export $engine
  $sluice sql --path $shown/clickhouse --format table "SELECT rule_id, count() FROM detections FINAL GROUP BY rule_id"
  $sluice sql --path $shown/clickhouse --format table --file deploy/examples/queries/05_evidence.sql
  $sluice sql --path $shown/clickhouse          # a prompt with history
  $graph
  $sluice clickhouse serve --path $shown/clickhouse --listen 127.0.0.1:8123 &
  curl 'http://127.0.0.1:8123/?database=sluice' -d 'SELECT count() FROM posts'
END
# The run is right only if every record is either a post or was rejected.
if [ "$count" -ge 0 ]; then
	stored=$("$sluice" sql --path "$dir/clickhouse" 'SELECT (SELECT count() FROM posts) + (SELECT count() FROM rejected) FORMAT TSVRaw')
	[ "$stored" -eq "$count" ] || die "$count records went in, and $stored posts and rejected records are in the store"
fi
