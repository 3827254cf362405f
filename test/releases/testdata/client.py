"""Writes and reads records with librdkafka's Python client.

usage: client.py write BOOTSTRAP TOPIC CODEC   records are lines on standard input
       client.py read BOOTSTRAP TOPIC COUNT    records are lines on standard output

A line is a JSON object: key, value and the values of headers are base64 or null, time is in milliseconds.
"""

import base64
import json
import sys

from confluent_kafka import Consumer, Producer, TopicPartition

LARGEST = 16 << 20


def decode(text):
    return None if text is None else base64.b64decode(text)


def encode(raw):
    return None if raw is None else base64.b64encode(raw).decode()


def write(bootstrap, topic, codec):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": codec,
            "message.max.bytes": LARGEST,
            "enable.idempotence": True,
        }
    )
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(str(error))

    for line in sys.stdin:
        record = json.loads(line)
        producer.produce(
            topic,
            partition=0,
            key=decode(record["key"]),
            value=decode(record["value"]),
            timestamp=record["time"],
            headers=[(h["name"], decode(h["value"])) for h in record["headers"] or []],
            on_delivery=delivered,
        )
        # One at a time: each record in a batch of its own, in order.
        producer.flush()
    if failures:
        sys.exit("\n".join(failures))


def read(bootstrap, topic, count):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": LARGEST,
            "receive.message.max.bytes": 100 << 20,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    for _ in range(count):
        message = consumer.poll(60)
        if message is None:
            sys.exit("no more records within a minute")
        if message.error():
            sys.exit(str(message.error()))
        headers = [{"name": name, "value": encode(value)} for name, value in message.headers() or []]
        time = message.timestamp()[1]
        print(json.dumps({"key": encode(message.key()), "value": encode(message.value()), "headers": headers, "time": time}))
    consumer.close()


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(*sys.argv[2:5])
    else:
        read(sys.argv[2], sys.argv[3], int(sys.argv[4]))
