#!/bin/sh
# Makes, once, what the admin port needs beyond loopback: a certificate for the
# name sluice, a token for people and one for Prometheus. access.sh FOLDER
set -eu
dir=$1
if [ -s "$dir/prometheus/token" ]; then
	exit 0 # made before: it is the last file
fi
umask 077
mkdir -p "$dir/sluice" "$dir/prometheus"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
	-subj /CN=sluice -addext subjectAltName=DNS:sluice,DNS:localhost,IP:127.0.0.1 \
	-keyout "$dir/sluice/key.pem" -out "$dir/sluice/cert.pem"
openssl rand -hex 32 > "$dir/sluice/token"
openssl rand -hex 32 > "$dir/sluice/metrics_token"
cp "$dir/sluice/cert.pem" "$dir/prometheus/ca.pem"
cp "$dir/sluice/metrics_token" "$dir/prometheus/token.new"
if [ "$(id -u)" = 0 ]; then
	chown -R 10001:10001 "$dir/sluice"       # the user of Sluice's image
	chown -R 65534:65534 "$dir/prometheus"   # that of Prometheus'
fi
mv "$dir/prometheus/token.new" "$dir/prometheus/token"
