#!/usr/bin/env python3
"""Counts from the raw files what Milepost must show after the import.

It shares no line with `convert.py` and knows nothing of commands, ids or Milepost's statuses, so that a mistake there
cannot hide here. The totals go to standard output as JSON.
"""

import argparse
import json
from collections import Counter
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

DATA = Path(__file__).resolve().parent / "data"
ZONE = ZoneInfo("America/Los_Angeles")


def read(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def replay(history):
    """The enhancements live at the end, as written, and how often each kind of change was found."""
    live, changes = {}, Counter()
    for line in history:
        changes[line["change"]] += 1
        if line["change"] == "created":
            live[line["task"]] = dict(line["to"])
        elif line["change"] == "updated":
            live[line["task"]].update({field: new for field, (_, new) in line["fields"].items()})
        else:
            del live[line["task"]]
    return live, changes


def groups(history):
    """Every group that ever owned an enhancement, also those that own none at the end."""
    seen = set()
    for line in history:
        if "to" in line:
            seen.add(line["to"]["group"])
        if "group" in line.get("fields", {}):
            seen.add(line["fields"]["group"][1])
    return sorted(seen)


def due_instant(milestone):
    """A date is over at the first moment of the next day, in the zone of the project."""
    if "due_at" in milestone:
        return datetime.fromisoformat(milestone["due_at"])
    next_day = date.fromisoformat(milestone["due_on"]) + timedelta(days=1)
    return datetime.combine(next_day, time.min, ZONE).astimezone(timezone.utc)


def due_instants(milestones, now):
    """When each milestone was due that is due by `now`, in order."""
    return sorted(instant for instant in map(due_instant, milestones) if instant <= now)


def totals(history, milestones, now):
    live, changes = replay(history)
    projects = {group: 0 for group in groups(history)}
    projects.update(Counter(task["group"] for task in live.values()))
    assigned = Counter(person for task in live.values() for person in task["assignees"])
    return {
        "tasks_created": changes["created"],
        "tasks_deleted": changes["deleted"],
        "tasks_live": len(live),
        "groups": len(projects),
        "live_per_group": projects,
        "live_per_status_word": dict(sorted(Counter(task["status"] for task in live.values()).items())),
        "assignments": sum(assigned.values()),
        "people_assigned": len(assigned),
        # Of people with the same number, the first by name.
        "ten_busiest": dict(sorted(assigned.items(), key=lambda one: (-one[1], one[0]))[:10]),
        "schedules": len(milestones),
        "schedules_per_release": dict(sorted(Counter(one["release"] for one in milestones).items())),
        "schedules_due": len(due_instants(milestones, now)),
        "now": now.isoformat(),
    }


def main():
    parser = argparse.ArgumentParser(description="Count the expected totals from the raw files.")
    parser.add_argument("--history", default=DATA / "history.ndjson")
    parser.add_argument("--milestones", default=DATA / "milestones.ndjson")
    parser.add_argument("--now", type=datetime.fromisoformat, default=datetime.now(timezone.utc),
                        help="the moment by which milestones are due, such as 2024-05-01T00:00:00Z; now if left out")
    wish = parser.parse_args()
    if wish.now.tzinfo is None:
        parser.error("--now needs an offset or a Z")
    print(json.dumps(totals(read(wish.history), read(wish.milestones), wish.now), indent=2))


if __name__ == "__main__":
    main()
