#!/usr/bin/env bash
# Runs a class of this distribution: kafka-run-class.sh CLASS [ARGUMENT...]. Understands KAFKA_HEAP_OPTS, KAFKA_OPTS,
# KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS, KAFKA_JMX_OPTS, CLASSPATH and JAVA_HOME as the official script does.
set -euo pipefail
base=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
java=java
if [[ -n ${JAVA_HOME:-} ]]; then java=$JAVA_HOME/bin/java; fi
if [[ -z ${KAFKA_LOG4J_OPTS:-} ]]; then
  if [[ -f $base/config/tools-log4j2.properties ]]; then
    KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=$base/config/tools-log4j2.properties
  else
    KAFKA_LOG4J_OPTS=-Dlog4j.configuration=file:$base/config/tools-log4j.properties
  fi
fi
: "${KAFKA_HEAP_OPTS:=-Xmx256M}"
: "${KAFKA_JVM_PERFORMANCE_OPTS:=-XX:+UseSerialGC -XX:TieredStopAtLevel=1}"
# The options are lists of words, as in the official script.
# shellcheck disable=SC2086
exec "$java" $KAFKA_HEAP_OPTS $KAFKA_JVM_PERFORMANCE_OPTS ${KAFKA_JMX_OPTS:-} $KAFKA_LOG4J_OPTS ${KAFKA_OPTS:-} \
  -cp "${CLASSPATH:+$CLASSPATH:}$base/libs/*" "$@"
