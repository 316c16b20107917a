"""Reads topics as a service of somebody else would, and holds every record against the published schemas.

reader.py SERVERS GROUP COUNT TOPIC...  reads COUNT records and prints one line of JSON for each
reader.py --records FOLDER              only holds the records in files of a folder against the schemas

The schemas are those of the folder in the variable SCHEMAS.
"""

import json
import os
import pathlib
import sys

from jsonschema import Draft202012Validator

schemas = pathlib.Path(os.environ["SCHEMAS"])


def validator(path):
    schema = json.loads((schemas / path).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


envelope = validator("envelope.json")
data = {path.stem: validator(f"data/{path.name}") for path in (schemas / "data").iterdir()}


def check(value):
    envelope.validate(value)
    data[value["event_type"]].validate(value["data"])


def read(servers, group, count, topics):
    from confluent_kafka import Consumer

    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(topics)
    seen = 0
    while seen < count:
        message = consumer.poll(60)
        if message is None:
            sys.exit(f"only {seen} records came")
        if message.error():
            sys.exit(f"Kafka: {message.error()}")
        value = json.loads(message.value())
        check(value)
        headers = {name: text.decode() for name, text in message.headers()}
        print(json.dumps({"key": message.key().decode(), "position": value["position"], "headers": headers}))
        seen += 1
    consumer.close()


if sys.argv[1] == "--records":
    files = sorted(pathlib.Path(sys.argv[2]).iterdir())
    for file in files:
        check(json.loads(file.read_text())["value"])
    print(len(files))
else:
    read(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
