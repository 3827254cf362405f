# Succeeds while this member serves as part of a quorum. ("ruok" answers without one.)
set -eu
exec 3<>/dev/tcp/127.0.0.1/2181
echo srvr >&3
while IFS= read -r line <&3; do
  case $line in "Mode: "*) exit 0 ;; esac
done
exit 1
