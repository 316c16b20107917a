#!/usr/bin/env python3
"""Reads Milepost's topics and prints a line for each event.

    pip install confluent-kafka
    python3 examples/consumer/consume.py 127.0.0.1:9092 [--follow] [--topic task-events ...]

A consumer of your own needs the same three things: `read_committed`, so that it never sees an event of a transaction that
was given up; the offset committed after the work is done, not before; and work that may be done twice, since a consumer that
dies in between starts again at its last offset. `event_id` tells a repetition.
"""

import argparse
import json
import sys

from confluent_kafka import Consumer, KafkaError

TOPICS = ["project-events", "task-events", "schedule-events"]


def describe(record: dict) -> str:
    data = record["data"]
    what = data.get("title") or data.get("name") or data.get("changes") or data.get("status") or ""
    return f"{record['position']:>8}  {record['occurred_at']}  {record['event_type']:<24} {record['aggregate_id']}  {what}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Prints the events on Milepost's topics.")
    parser.add_argument("bootstrap_servers", help="host:port, as `milepost dev` prints it")
    parser.add_argument("--topic", action="append", help=f"a topic to read; may be repeated (default: {' '.join(TOPICS)})")
    parser.add_argument("--group", default="milepost-example", help="the consumer group (default: %(default)s)")
    parser.add_argument("--follow", action="store_true", help="go on when everything has been read")
    arguments = parser.parse_args()

    consumer = Consumer({
        "bootstrap.servers": arguments.bootstrap_servers,
        "group.id": arguments.group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    })
    ended: set[tuple[str, int]] = set()
    consumer.subscribe(arguments.topic or TOPICS)
    try:
        while True:
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is None:
                ended.discard((message.topic(), message.partition()))
                print(describe(json.loads(message.value())), flush=True)
                consumer.commit(message, asynchronous=True)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add((message.topic(), message.partition()))
                if not arguments.follow and len(ended) >= len(consumer.assignment()):
                    return 0
            else:
                print(f"consume.py: {error.str()}", file=sys.stderr)
                return 3
    except KeyboardInterrupt:
        return 0
    finally:
        consumer.close()


if __name__ == "__main__":
    sys.exit(main())
