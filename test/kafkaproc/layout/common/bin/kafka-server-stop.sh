#!/usr/bin/env bash
# Asks every Kafka server on this machine or in this container to stop.
set -euo pipefail
found=0
for p in /proc/[0-9]*; do
  if tr '\0' '\n' 2>/dev/null <"$p/cmdline" | grep -qx kafka.Kafka; then
    kill -TERM "${p#/proc/}"
    found=1
  fi
done
if [[ $found == 0 ]]; then
  echo "No kafka server to stop" >&2
  exit 1
fi
