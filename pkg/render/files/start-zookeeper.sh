# Starts one member of a ZooKeeper ensemble. Its configuration lives on its volume and is written only when there is none:
# ZooKeeper itself keeps the membership there, and a member restarted with an older membership elects itself (split brain).
set -euo pipefail
# Process 1 ignores signals that it does not handle, and a pod deleted now would be waited for until its grace is over.
trap 'exit 143' TERM

config=/etc/kafka-cluster
data=/var/lib/zookeeper

# MEMBERS ("1 2 3"), FORMED ("1,2,3")
. "$config/cluster.env"

id=$((${POD_NAME##*-} + 1))

contains() {
  case ",$1," in *",$2,"*) return 0 ;; *) return 1 ;; esac
}

mkdir -p "$data/conf" "$data/data"
echo "$id" >"$data/data/myid"

if [ ! -f "$data/conf/zoo.cfg" ]; then
  own=participant
  if contains "$FORMED" "$id"; then
    if [ "$MEMBERS" = "$id" ]; then
      echo "member $id was the only one of the ensemble and its volume is empty: bring back the volume, or delete the cluster and all its claims" >&2
      exit 1
    fi
    # It has forgotten what it acknowledged. As an observer it cannot elect a leader that lacks the same; the leader it finds
    # tells it the membership, and it is a participant again once it has everything.
    echo "member $id was a participant and its volume is empty: starting it as an observer" >&2
    own=observer
  fi
  for member in $MEMBERS; do
    kind=participant
    if [ "$member" = "$id" ]; then
      kind=$own
    fi
    echo "server.$member=$POD_PREFIX-$((member - 1)).$POD_DOMAIN:2888:3888:$kind;2181"
  done >"$data/conf/zoo.dynamic"
  printf '%s\n' "$(<"$config/zoo.cfg")" >"$data/conf/zoo.cfg.new"
  mv "$data/conf/zoo.cfg.new" "$data/conf/zoo.cfg"
fi

exec java "@$config/jvm.options" -cp '/opt/kafka/libs/*' org.apache.zookeeper.server.quorum.QuorumPeerMain "$data/conf/zoo.cfg"
