# Starts one node of Apache Kafka: writes its server.properties, formats an empty log directory (KRaft), and becomes the JVM.
# The image's own entry point is not used: it formats every node, cannot start ZooKeeper mode, and writes below /opt.
set -euo pipefail
# Process 1 ignores signals that it does not handle, and a pod deleted now would be waited for until its grace is over.
trap 'exit 143' TERM

config=/etc/kafka-cluster
run=/run/kafka
data=/var/lib/kafka/data-0/kafka-log

# MODE, CLUSTER_ID, VOTERS, INITIAL_CONTROLLERS and FORMED
. "$config/cluster.env"

id=$((FIRST_ID + ${POD_NAME##*-}))
fqdn="$POD_NAME.$POD_DOMAIN"

contains() {
  case ",$1," in *",$2,"*) return 0 ;; *) return 1 ;; esac
}

role=node
if contains "$VOTERS" "$id"; then
  role=voter
fi

node=$(<"$config/$role.properties")
node=${node//__ID__/$id}
node=${node//__FQDN__/$fqdn}
printf '%s\n%s\n' "$(<"$config/server.properties")" "$node" >"$run/server.properties"

mkdir -p "$data"

if [ "$MODE" = kraft ] && [ ! -f "$data/meta.properties" ]; then
  # StorageTool writes meta.properties last, so a directory without it was never formatted as a whole.
  quorum=(--no-initial-controllers)
  if [ "$role" = voter ]; then
    if ! contains "$FORMED" "$id"; then
      quorum=(--initial-controllers "$INITIAL_CONTROLLERS")
    elif [ "$VOTERS" = "$id" ]; then
      # Formatting here would make a new, empty cluster under the old id, and brokers would delete what it does not know.
      echo "node $id was the only voter of the quorum and its volume is empty: bring back the volume, or delete the cluster and all its claims" >&2
      exit 1
    else
      # It has forgotten what it voted for. As an observer it cannot harm; it becomes a voter again by joining the quorum under
      # a new directory id, which the remaining voters must agree to.
      echo "node $id was a voter of the quorum and its volume is empty: starting it as an observer" >&2
    fi
  fi
  # -t=: an id may begin with a dash.
  java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$LOGGING" -cp '/opt/kafka/libs/*' kafka.tools.StorageTool \
    format "-t=$CLUSTER_ID" -c "$run/server.properties" --ignore-formatted "${quorum[@]}"
fi

# exec: SIGTERM must reach the JVM, which then hands its partitions over before it ends.
exec java "@$config/jvm.options" -cp '/opt/kafka/libs/*' kafka.Kafka "$run/server.properties"
