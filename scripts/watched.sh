#!/usr/bin/env bash
# Starts a gateway that is watched as closely as it can be: scripts/watched.sh FASTWAY CLIENT_ADDR SERVER_ADDR KEY
#
# /metrics is scraped every second, a live page's stream of events is read, and heap sampling is on. For `fastway-bench
# compare`, which takes the CPU time of the gateway alone: this script becomes the gateway, and those who watch are its
# children.
set -euo pipefail

fastway=$1 client=$2 server=$3 key=$4
admin=127.0.0.1:$((20000 + RANDOM % 10000))

scrape() {
    curl --silent --fail --output /dev/null "http://$admin/metrics"
}

read_events() {
    curl --silent --fail --no-buffer --output /dev/null "http://$admin/api/events"
}

# Until the gateway listens there is nobody to ask.
while :; do
    if scrape; then sleep 1; else sleep 0.1; fi
done &
until read_events; do
    sleep 0.1
done &
export _RJEM_MALLOC_CONF=prof_active:true
exec "$fastway" --client-addr "$client" --server-addr "$server" --server-auth-key "$key" --admin-addr "$admin"
