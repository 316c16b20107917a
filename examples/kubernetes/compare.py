#!/usr/bin/env python3
"""Compares what Milepost answers after the import with what `expected.py` counts in the raw files.

The workspace must hold this import and nothing else. Everything is read through GraphQL, page by page. With
`--database-url` the log is counted too, by psql; with `--milepost` the program's own checks are run, and their exit
status is a row of the table. Kafka is left to `milepost verify kafka`, which reads every record.

Exit status: 0 all rows agree, 1 one differs, 2 wrong use, 3 a server that is needed did not answer.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from datetime import datetime, timezone

import expected
from convert import PLAIN_WORD, RELEASES_NAME, person_id

PAGE = 50
# Answers that ask for patience: the same question may be answered a moment later.
NOT_YET = {"POSITION_NOT_REACHED", "OVERLOADED", "UNAVAILABLE"}

HEAD = "query Head { viewer { workspaceId } serviceStatus { position } }"
PROJECTS = """query Projects($first: Int, $after: String, $at: Position) {
  page: projects(first: $first, after: $after, minPosition: $at) {
    totalCount nodes { id name taskCounts { total } } pageInfo { hasNextPage endCursor } } }"""
TASKS = """query Tasks($first: Int, $after: String, $at: Position) {
  page: tasks(first: $first, after: $after, minPosition: $at) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { id status tags description assigneeIds project { name } } } }"""
ASSIGNED = """query Assigned($person: ID!, $at: Position) {
  tasks(filter: { assigneeId: { eq: $person } }, first: 1, minPosition: $at) { totalCount } }"""
SCHEDULES = """query Schedules($first: Int, $after: String, $at: Position) {
  page: schedules(first: $first, after: $after, minPosition: $at) {
    totalCount nodes { id title state } pageInfo { hasNextPage endCursor } } }"""
DEADLINES = """query Overdue($first: Int, $after: String, $at: Position) {
  page: deadlines(filter: { kind: OVERDUE }, first: $first, after: $after, minPosition: $at) {
    totalCount nodes { id dueRevision dueAt schedule { id } } pageInfo { hasNextPage endCursor } } }"""
EVENTS = """query Events($type: [String!], $first: Int, $after: Position, $at: Position) {
  page: events(filter: { type: $type }, first: $first, after: $after, minPosition: $at) {
    nodes { id type } pageInfo { hasNextPage endCursor } } }"""


class NoAnswer(Exception):
    """A server that is needed did not answer."""


class Refused(Exception):
    """A server answered with an error."""


class Milepost:
    """The GraphQL endpoint, read at one position of the log."""

    def __init__(self, url, token, patience):
        self.url, self.token, self.patience = url, token, patience
        self.position = None

    def ask(self, query, **variables):
        deadline = time.monotonic() + self.patience
        while True:
            answer = self.post({"query": query, "variables": variables})
            codes = {error.get("extensions", {}).get("code") for error in answer.get("errors", ())}
            if not codes:
                return answer["data"]
            if not codes <= NOT_YET or time.monotonic() > deadline:
                raise Refused(json.dumps(answer["errors"]))
            time.sleep(0.5)

    def post(self, body):
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            # An error status may come with a GraphQL body that says more than the status.
            text = error.read()
            if not text.lstrip().startswith(b"{"):
                raise Refused(f"{self.url}: {error}") from error
        except OSError as error:
            raise NoAnswer(f"{self.url}: {error}") from error
        try:
            return json.loads(text)
        except ValueError as error:
            raise Refused(f"{self.url}: the answer is not JSON") from error

    def look(self):
        """Asks for the newest position, and reads from there on no older state."""
        head = self.ask(HEAD)
        self.position = head["serviceStatus"]["position"]
        return head["viewer"]["workspaceId"]

    def pages(self, query, **variables):
        """All nodes, and the total that the service names, if it names one."""
        nodes, after, total = [], None, None
        while True:
            page = self.ask(query, first=PAGE, after=after, at=self.position, **variables)["page"]
            nodes += page["nodes"]
            total = page.get("totalCount", total)
            if not page["pageInfo"]["hasNextPage"]:
                return nodes, total
            if not page["nodes"] or page["pageInfo"]["endCursor"] == after:
                raise Refused("a page says that more follow, and leads nowhere")
            after = page["pageInfo"]["endCursor"]


class Table:
    def __init__(self):
        self.rows = []

    def row(self, name, wanted, seen):
        self.rows.append((name, wanted, seen))

    def agrees(self):
        return all(wanted == seen for _, wanted, seen in self.rows)

    def print(self):
        width = max(len(name) for name, _, _ in self.rows)
        print(f"{'name':<{width}}  {'expected':>8}  {'seen':>8}  ok")
        for name, wanted, seen in self.rows:
            print(f"{name:<{width}}  {wanted!s:>8}  {seen!s:>8}  {'yes' if wanted == seen else 'NO'}")


def status_word(task):
    """The word of the source: a tag says it, or the description, or else the status stands for one word alone."""
    tags = [tag.removeprefix("status:") for tag in task["tags"] if tag.startswith("status:")]
    if not tags:
        return PLAIN_WORD.get(task["status"], task["status"])
    if tags[0] != "see-description":
        return tags[0]
    label = "Status as written: "
    notes = [line.removeprefix(label) for line in task["description"].splitlines() if line.startswith(label)]
    return json.loads(notes[0]) if notes else tags[0]


def compare_projects(milepost, totals, table):
    projects, total = milepost.pages(PROJECTS)
    table.row("projects: one per group, and the releases", totals["groups"] + 1, total)
    table.row("projects, paged and distinct", totals["groups"] + 1, len({one["id"] for one in projects}))
    seen = Counter()
    for project in projects:
        seen[project["name"]] += project["taskCounts"]["total"]
    for group, count in (totals["live_per_group"] | {RELEASES_NAME: 0}).items():
        table.row(f"tasks counted by project: {group}", count, seen[group])


def compare_tasks(milepost, totals, table):
    tasks, total = milepost.pages(TASKS)
    table.row("tasks live", totals["tasks_live"], total)
    table.row("tasks live, paged and distinct", totals["tasks_live"], len({task["id"] for task in tasks}))
    groups = Counter(task["project"]["name"] for task in tasks)
    for group, count in totals["live_per_group"].items():
        table.row(f"tasks listed in project: {group}", count, groups[group])
    words = Counter(status_word(task) for task in tasks)
    for word in sorted(words.keys() | totals["live_per_status_word"].keys()):
        table.row(f"tasks with the status: {word}", totals["live_per_status_word"].get(word, 0), words[word])
    assigned = Counter(person for task in tasks for person in task["assigneeIds"])
    table.row("assignments", totals["assignments"], sum(assigned.values()))
    table.row("people with an assignment", totals["people_assigned"], len(assigned))
    for person, count in totals["ten_busiest"].items():
        table.row(f"tasks listed for {person}", count, assigned[person_id(person)])
        found = milepost.ask(ASSIGNED, person=person_id(person), at=milepost.position)["tasks"]["totalCount"]
        table.row(f"tasks filtered by {person}", count, found)


def compare_schedules(milepost, totals, table):
    schedules, total = milepost.pages(SCHEDULES)
    table.row("schedules", totals["schedules"], total)
    table.row("schedules, paged and distinct", totals["schedules"], len({one["id"] for one in schedules}))
    releases = Counter(one["title"].split(" ")[0] for one in schedules)
    for release, count in totals["schedules_per_release"].items():
        table.row(f"schedules of {release}", count, releases[release])
    table.row("schedules overdue", totals["schedules_due"], sum(one["state"] == "OVERDUE" for one in schedules))


def compare_firings(milepost, totals, due, table):
    firings, total = milepost.pages(DEADLINES)
    each = Counter((one["schedule"]["id"], one["dueRevision"]) for one in firings)
    seen = Counter(datetime.fromisoformat(one["dueAt"]) for one in firings)
    wanted = Counter(due)
    table.row("overdue firings", totals["schedules_due"], total)
    table.row("overdue firings, one per due schedule", totals["schedules_due"], len(each))
    table.row("overdue firings beyond the first of a schedule", 0, len(firings) - len(each))
    table.row("overdue firings at an instant without a milestone", 0, (seen - wanted).total())
    table.row("milestones due without an overdue firing", 0, (wanted - seen).total())


def wanted_events(totals):
    return {
        "project_created": totals["groups"] + 1,
        "task_created": totals["tasks_created"],
        "task_deleted": totals["tasks_deleted"],
        "schedule_created": totals["schedules"],
        "deadline_overdue": totals["schedules_due"],
    }


def compare_events(milepost, totals, table):
    for kind, count in wanted_events(totals).items():
        events, _ = milepost.pages(EVENTS, type=[kind])
        table.row(f"events: {kind}", count, len({event["id"] for event in events if event["type"] == kind}))


def compare_log(database_url, workspace, totals, table):
    question = (
        "SELECT event_type, count(*) FROM milepost.events "
        f"WHERE workspace_id = '{uuid.UUID(workspace)}' GROUP BY event_type ORDER BY event_type"
    )
    psql = ["psql", "-X", "-A", "-t", "-F", " ", "-d", database_url, "-c", question]
    try:
        done = subprocess.run(psql, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(f"psql: {error}") from error
    if done.returncode != 0:
        raise NoAnswer(f"psql: {done.stderr.strip()}")
    log = dict(line.split(" ") for line in done.stdout.splitlines())
    for kind, count in wanted_events(totals).items():
        table.row(f"log: {kind}", count, int(log.pop(kind, 0)))
    others = ", ".join(f"{kind} {count}" for kind, count in log.items())
    print(f"also in the log: {others or 'nothing'}")


def compare_own_checks(wish, table):
    """`milepost` reads its servers from the environment, as it does when run by hand."""
    environment = dict(os.environ)
    if wish.database_url:
        environment["DATABASE_URL"] = wish.database_url
    if wish.kafka:
        environment["KAFKA_BOOTSTRAP_SERVERS"] = wish.kafka
    checks = [("projections", "verify")]
    if environment.get("KAFKA_BOOTSTRAP_SERVERS"):
        checks.append(("verify", "kafka"))
    else:
        print("not checked: milepost verify kafka, for neither --kafka nor KAFKA_BOOTSTRAP_SERVERS says where Kafka is")
    for check in checks:
        try:
            done = subprocess.run([wish.milepost, *check], env=environment, capture_output=True, text=True, check=False)
        except OSError as error:
            raise NoAnswer(f"{wish.milepost}: {error}") from error
        if done.returncode != 0:
            print(done.stdout + done.stderr, file=sys.stderr)
        table.row(f"exit status: milepost {' '.join(check)}", 0, done.returncode)


def compare(wish):
    history, milestones = expected.read(wish.history), expected.read(wish.milestones)
    milepost = Milepost(wish.graphql, wish.token, wish.wait)
    deadline = time.monotonic() + wish.wait
    while True:
        # The scheduler needs a moment, and a milestone may fall due while we look; so we look again until both agree.
        now = datetime.now(timezone.utc)
        totals, due = expected.totals(history, milestones, now), expected.due_instants(milestones, now)
        workspace = milepost.look()
        table = Table()
        compare_firings(milepost, totals, due, table)
        if table.agrees() or time.monotonic() > deadline:
            break
        time.sleep(1)
    compare_events(milepost, totals, table)
    compare_projects(milepost, totals, table)
    compare_tasks(milepost, totals, table)
    compare_schedules(milepost, totals, table)
    if wish.database_url:
        compare_log(wish.database_url, workspace, totals, table)
    if wish.milepost:
        compare_own_checks(wish, table)
    return table


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Compare Milepost after the import with the raw files.")
    parser.add_argument("--graphql", required=True, metavar="URL", help="the endpoint, which ends in /graphql")
    parser.add_argument("--token", required=True, help="a token for the workspace that was imported into")
    parser.add_argument("--database-url", help="also count the log, by psql")
    parser.add_argument("--kafka", metavar="BOOTSTRAP", help="where `milepost verify kafka` finds Kafka")
    parser.add_argument("--milepost", metavar="PATH", help="the program, to run its own checks")
    parser.add_argument("--wait", type=float, default=120, metavar="SECONDS", help="how long it may take to settle")
    parser.add_argument("--history", default=expected.DATA / "history.ndjson")
    parser.add_argument("--milestones", default=expected.DATA / "milestones.ndjson")
    wish = parser.parse_args(arguments)
    try:
        table = compare(wish)
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    except NoAnswer as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 3
    table.print()
    return 0 if table.agrees() else 1


if __name__ == "__main__":
    sys.exit(main())
