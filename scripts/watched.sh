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
    while sleep 1; do
        curl --silent --show-error --fail --output /dev/null "http://$admin/metrics"
    done
}

read_events() {
    sleep 1
    curl --silent --show-error --fail --no-buffer --output /dev/null "http://$admin/api/events"
}

scrape &
read_events &
export _RJEM_MALLOC_CONF=prof_active:true
exec "$fastway" --client-addr "$client" --server-addr "$server" --server-auth-key "$key" --admin-addr "$admin"
