#!/usr/bin/env python3
"""Turns the history of the Kubernetes enhancements into Milepost commands.

Reads `data/history.ndjson` and `data/milestones.ndjson`, and writes one import line per command:

    {"command": "taskCreate", "commandId": "…", "actor": "…", "at": "…", "input": {…}}

A group (a SIG) becomes a project, an enhancement a task, a release milestone a schedule. Every rule by which dirty
input is read stands in README.md, under the name by which the summary on standard error counts it; a rule that no line
needed is counted too, as 0. Input that no rule covers stops the conversion and names its line, so nothing is lost
unseen.

The same input always gives the same bytes. Each id is a UUID, version 5, in `NAMESPACE`, of one of these names:

    person/<pseudonym>                    an actor or an assignee
    converter                             the actor of what the source says nobody did: the milestones and their project
    project/<group>                       a project
    task/<key>/<generation>               a task; a key that is created again after its deletion is the next generation
    schedule/<release>/<what>/<n>         the nth milestone of that name in its release
    command/<name of the thing>/<n>/<command>
                                          the nth command on that thing; a second import repeats it and changes nothing
"""

import argparse
import json
import re
import sys
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "milepost/examples/kubernetes")
DATA = Path(__file__).resolve().parent / "data"
TIME_ZONE = "America/Los_Angeles"
RELEASES_KEY, RELEASES_NAME = "K8S", "Kubernetes releases"

# The limits of the service. Text beyond them goes to the description, which is far from full.
TITLE_MAX, TAG_MAX, TAGS_MAX, ASSIGNEES_MAX, DESCRIPTION_BYTES_MAX = 200, 50, 50, 50, 65_536

# The word that each Milepost status stands for by itself. Every other word is kept as a tag, `status:<word>`.
PLAIN_WORD = {"TODO": "provisional", "IN_PROGRESS": "implementable", "DONE": "implemented", "BLOCKED": "deferred"}
STATUS = {
    "provisional": "TODO",
    "implementable": "IN_PROGRESS",
    "implementeable": "IN_PROGRESS",
    # One stage of several is finished, and the work goes on: what follows these words is `(beta)` or `implementable`.
    "implemented (alpha)": "IN_PROGRESS",
    "implemented (beta)": "IN_PROGRESS",
    "implemented": "DONE",
    "imlpemented": "DONE",
    "deferred": "BLOCKED",
    "rejected": "CANCELLED",
    "withdrawn": "CANCELLED",
    "replaced": "CANCELLED",
    "superseded": "CANCELLED",
    "removed": "CANCELLED",
}
DOCUMENTED_STATUSES = {"provisional", "implementable", "implemented", "deferred", "rejected", "withdrawn", "replaced"}
STAGES = {"alpha", "beta", "stable"}
FIELDS = {"title", "group", "status", "stage", "target", "milestones", "assignees", "reviewers", "created"}

# Every written rule, in the order of the README's table. The summary shows them all.
RULES = (
    "project-per-group",
    "project-key-shortened",
    "project-key-taken",
    "status-kept-as-tag",
    "status-undocumented",
    "status-unknown",
    "stage-unknown",
    "release-without-v",
    "release-unreadable",
    "empty-value",
    "tag-does-not-fit",
    "too-many-tags",
    "too-many-assignees",
    "title-does-not-fit",
    "person-named-twice",
    "moved-between-groups",
    "reopened-to-change-status",
    "reopened-to-replan",
    "created-again",
    "created-while-live",
    "updated-while-not-live",
    "deleted-while-not-live",
    "old-value-differs",
    "no-command-needed",
    "milestone-named-twice",
)


def stable_id(name):
    return str(uuid.uuid5(NAMESPACE, name))


def person_id(pseudonym):
    return stable_id(f"person/{pseudonym}")


@dataclass(frozen=True)
class View:
    """What Milepost shows of one enhancement at one moment. A change is the difference of two of these."""

    title: str
    description: str
    tags: tuple
    assignees: tuple
    group: str
    status: str


class Converter:
    """Holds what is live, so that each change knows what came before it."""

    def __init__(self):
        self.lines = 0
        self.rules = Counter()  # How often each rule was applied.
        self.ignored = []  # Lines that could yield no command because they contradict the ones before.
        self.people = {}  # Pseudonym to id, of everybody met.
        self.live = {}  # Key to (name of the task, fields as written, View).
        self.generations = Counter()
        self.projects = {}  # Group to id.
        self.keys = {RELEASES_KEY}
        self.milestones = Counter()
        self.sequence = Counter()  # Commands so far on each thing.

    # A line of the history ------------------------------------------------------------------------------------------

    def change(self, number, record):
        """The commands of one line of the history, in order."""
        kind, key = record["change"], record["task"]
        if kind == "created":
            require(set(record["to"]) == FIELDS, f"the fields are not {sorted(FIELDS)}")
            commands = self.update(record, record["to"]) if key in self.live else self.create(record)
        elif kind == "updated":
            require(set(record["fields"]) <= FIELDS, f"a field is not of {sorted(FIELDS)}")
            if key not in self.live:
                return self.ignore(number, "updated-while-not-live")
            for field, (old, _) in record["fields"].items():
                self.rules["old-value-differs"] += self.live[key][1][field] != old
            commands = self.update(record, {field: new for field, (_, new) in record["fields"].items()})
        elif kind == "deleted":
            if key not in self.live:
                return self.ignore(number, "deleted-while-not-live")
            name, _, _ = self.live.pop(key)
            commands = [self.command("taskDelete", name, record, {"id": stable_id(name)})]
        else:
            raise ValueError(f"`{kind}` is not a change")
        self.rules["no-command-needed"] += not commands
        return commands

    def ignore(self, number, rule):
        self.rules[rule] += 1
        self.ignored.append((number, rule))
        return []

    def create(self, record):
        key, fields = record["task"], record["to"]
        self.generations[key] += 1
        self.rules["created-again"] += self.generations[key] > 1
        name = f"task/{key}/{self.generations[key]}"
        view = self.view(key, fields)
        self.live[key] = (name, fields, view)
        commands = self.project(view.group, record)
        wish = {
            "id": stable_id(name),
            "projectId": self.projects[view.group],
            "title": view.title,
            "description": view.description,
            "tags": view.tags,
            "assigneeIds": [self.person(user) for user in view.assignees],
        }
        commands.append(self.command("taskCreate", name, record, wish))
        return commands + self.status(name, "TODO", view.status, record)

    def update(self, record, news):
        key = record["task"]
        name, before_fields, before = self.live[key]
        self.rules["created-while-live"] += record["change"] == "created"
        fields = before_fields | news
        after = self.view(key, fields, before_fields)
        self.live[key] = (name, fields, after)
        task = stable_id(name)
        commands = self.project(after.group, record)

        def say(command, **wish):
            commands.append(self.command(command, name, record, {"id": task} | wish))

        status = before.status
        replans = before.group != after.group or before.assignees != after.assignees
        # A closed task leaves its status only by being reopened, and a done one cannot be planned again before that.
        if status in ("DONE", "CANCELLED") and status != after.status:
            self.rules["reopened-to-change-status"] += 1
            say("taskReopen")
            status = "TODO"
        elif status == "DONE" and replans:
            self.rules["reopened-to-replan"] += 1
            say("taskReopen")
            status = "TODO"

        texts = ("title", "description", "tags")
        changed = [field for field in texts if getattr(before, field) != getattr(after, field)]
        if changed:
            say("taskUpdate", **{field: getattr(after, field) for field in changed})
        if before.group != after.group:
            self.rules["moved-between-groups"] += 1
            say("taskMove", projectId=self.projects[after.group])
        # Those who leave go first, so that the number of assignees never passes its limit on the way.
        for user in before.assignees:
            if user not in after.assignees:
                say("taskUnassign", userId=self.person(user))
        for user in after.assignees:
            if user not in before.assignees:
                say("taskAssign", userId=self.person(user))
        return commands + self.status(name, status, after.status, record)

    def status(self, name, before, after, record):
        """At most one command: every open status leads to every other, and a task is open when this is asked."""
        if before == after:
            return []
        task = {"id": stable_id(name)}
        if after == "DONE":
            return [self.command("taskComplete", name, record, task)]
        wish = task | {"status": after}
        if after == "BLOCKED":
            wish["blockedReason"] = PLAIN_WORD["BLOCKED"]
        return [self.command("taskChangeStatus", name, record, wish)]

    # What a task shows ----------------------------------------------------------------------------------------------

    def view(self, key, fields, before_fields=None):
        """A rule is counted where a value arrives, not again at every later change of something else."""

        def arrived(field):
            return before_fields is None or before_fields[field] != fields[field]

        def count(rule, field):
            self.rules[rule] += arrived(field)

        notes = [("Enhancement", key)]
        if fields["created"] is not None:
            notes.append(("Created", fields["created"]))

        title = fields["title"].strip()
        require(title != "", "the title is blank")
        if len(title) > TITLE_MAX:
            title = title[: TITLE_MAX - 1].rstrip() + "…"
        if title != fields["title"]:
            count("title-does-not-fit", "title")
            notes.append(("Title as written", fields["title"]))

        tags = []

        def tag(space, label, field, plain, written):
            """One tag, and a note wherever the tag alone does not say what was written."""
            if written == "":
                # No tag can say that a field is there and empty.
                count("empty-value", field)
            elif plain is None or len(f"{space}:{plain}") > TAG_MAX or plain != plain.strip():
                count("tag-does-not-fit", field)
                tags.append(f"{space}:see-description")
            else:
                tags.append(f"{space}:{plain}")
                if plain == written:
                    return
            notes.append((f"{label} as written", written))

        word = fields["status"]
        status = STATUS.get(word, "TODO")
        if word not in STATUS:
            count("status-unknown", "status")
        elif word not in DOCUMENTED_STATUSES:
            count("status-undocumented", "status")
        if PLAIN_WORD.get(status) != word:
            count("status-kept-as-tag", "status")
            tag("status", "Status", "status", word, word)

        if fields["stage"] is not None:
            if fields["stage"] not in STAGES:
                count("stage-unknown", "stage")
            tag("stage", "Stage", "stage", fields["stage"], fields["stage"])
        if fields["target"] is not None:
            tag("target", "Target", "target", self.release(fields["target"], arrived("target")), fields["target"])
        for stage, release in sorted(fields["milestones"].items()):
            require(stage in STAGES, f"`{stage}` is not a stage that has a milestone")
            new = before_fields is None or before_fields["milestones"].get(stage) != release
            tag(f"milestone:{stage}", f"Milestone {stage}", "milestones", self.release(release, new), release)
        for user in self.people_of(fields, "reviewers", arrived):
            tag("reviewer", "Reviewer", "reviewers", user, user)

        tags = list(dict.fromkeys(tags))
        if len(tags) > TAGS_MAX:
            count("too-many-tags", "reviewers")
            notes.append(("Further tags", tags[TAGS_MAX:]))
        assignees = self.people_of(fields, "assignees", arrived)
        if len(assignees) > ASSIGNEES_MAX:
            count("too-many-assignees", "assignees")
            notes.append(("Further assignees", assignees[ASSIGNEES_MAX:]))
        require(isinstance(fields["group"], str) and fields["group"].strip() != "", "the group is blank")

        # Notes are JSON, so that every spelling can be read back exactly.
        description = "\n".join(f"{label}: {json.dumps(text, ensure_ascii=False)}" for label, text in notes)
        require(len(description.encode()) <= DESCRIPTION_BYTES_MAX, "the description has more than 64 KiB")
        return View(
            title, description, tuple(tags[:TAGS_MAX]), tuple(assignees[:ASSIGNEES_MAX]), fields["group"], status
        )

    def release(self, written, arrived):
        """`1.31` and `v1.31` are one release and get one tag. `0.0` and `TBD` are none, and stay as they are."""
        if re.fullmatch(r"[1-9]\d*\.\d+", written):
            self.rules["release-without-v"] += arrived
            return f"v{written}"
        if not re.fullmatch(r"v\d+\.\d+", written) and written != "":
            self.rules["release-unreadable"] += arrived
        return written

    def people_of(self, fields, field, arrived):
        """Sorted, because the order in which people stand in a list says nothing."""
        people = sorted(set(fields[field]))
        if len(people) < len(fields[field]):
            self.rules["person-named-twice"] += arrived(field)
        for user in people:
            self.person(user)
        return people

    def person(self, pseudonym):
        return self.people.setdefault(pseudonym, person_id(pseudonym))

    # Projects and milestones ----------------------------------------------------------------------------------------

    def project(self, group, record):
        """The creation of the group's project, unless it is there already."""
        if group in self.projects:
            return []
        self.rules["project-per-group"] += 1
        name = f"project/{group}"
        self.projects[group] = stable_id(name)
        wish = {"id": stable_id(name), "key": self.project_key(group), "name": group, "timeZone": TIME_ZONE}
        return [self.command("projectCreate", name, record, wish)]

    def project_key(self, group):
        words = re.findall(r"[A-Z0-9]+", group.removeprefix("sig-").upper())
        key = "".join(words)
        if len(key) > 10:
            self.rules["project-key-shortened"] += 1
            key = (words[0] + "".join(word[0] for word in words[1:]))[:10]
        if not re.fullmatch(r"[A-Z][A-Z0-9]{1,9}", key):
            key = f"GROUP{key}"[:10]
        free, number = key, 1
        while free in self.keys:
            number += 1
            free = key[: 10 - len(str(number))] + str(number)
        self.rules["project-key-taken"] += free != key
        self.keys.add(free)
        return free

    def milestone(self, _, record):
        """The commands of one milestone. They carry no `at`: the source does not say when a milestone was set."""
        due_fields = set(record) - {"release", "what", "owner"}
        require(due_fields in ({"due_on"}, {"due_at"}), "the fields are not release, what, owner, and due_on or due_at")
        commands = []
        nobody = {"actor": None, "at": None}
        project = f"project/{RELEASES_NAME}"
        if RELEASES_NAME not in self.projects:
            self.projects[RELEASES_NAME] = stable_id(project)
            wish = {"id": stable_id(project), "key": RELEASES_KEY, "name": RELEASES_NAME, "timeZone": TIME_ZONE}
            commands.append(self.command("projectCreate", project, nobody, wish))
        named = f"schedule/{record['release']}/{record['what']}"
        self.milestones[named] += 1
        self.rules["milestone-named-twice"] += self.milestones[named] > 1
        name = f"{named}/{self.milestones[named]}"
        title = f"{record['release']} {record['what']}" + (f" [{record['owner']}]" if record["owner"] else "")
        require(title == title.strip() and len(title) <= TITLE_MAX, "the title does not fit")
        due = {"date": record["due_on"], "timeZone": TIME_ZONE} if "due_on" in record else {"at": record["due_at"]}
        wish = {"id": stable_id(name), "projectId": self.projects[RELEASES_NAME], "title": title, "due": due}
        commands.append(self.command("scheduleCreate", name, nobody, wish))
        return commands

    def command(self, command, name, record, wish):
        self.sequence[name] += 1
        line = {"command": command, "commandId": stable_id(f"command/{name}/{self.sequence[name]}/{command}")}
        line["actor"] = self.person(record["actor"]) if record["actor"] else stable_id("converter")
        if record["at"]:
            line["at"] = record["at"]
        return line | {"input": wish}


class Uncovered(Exception):
    """A line that no written rule covers."""


def require(holds, otherwise):
    if not holds:
        raise ValueError(otherwise)


def convert(history, milestones):
    """All commands, and the converter that knows which rules it took."""
    converter, commands = Converter(), []
    for path, step in ((history, converter.change), (milestones, converter.milestone)):
        with open(path, encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    commands += step(number, json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise Uncovered(f"{Path(path).name}:{number}: no rule covers this line: {error!r}") from error
                converter.lines += 1
    return commands, converter


def write(path, lines):
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    if path is None:
        sys.stdout.buffer.write(text.encode())
    else:
        Path(path).write_bytes(text.encode())


def main():
    parser = argparse.ArgumentParser(description="Turn the Kubernetes history into Milepost import lines.")
    parser.add_argument("--history", default=DATA / "history.ndjson")
    parser.add_argument("--milestones", default=DATA / "milestones.ndjson")
    parser.add_argument("--out", help="the file to write; standard output if left out")
    parser.add_argument("--people", help="also write who is who: pseudonym and id, one line each")
    wish = parser.parse_args()
    try:
        commands, converter = convert(wish.history, wish.milestones)
        write(wish.out, commands)
        if wish.people:
            write(wish.people, ({"person": name, "id": id_} for name, id_ in sorted(converter.people.items())))
    except (OSError, Uncovered) as error:
        print(error, file=sys.stderr)
        return 2

    print(f"lines in: {converter.lines}; commands out: {len(commands)}", file=sys.stderr)
    for command, count in sorted(Counter(line["command"] for line in commands).items()):
        print(f"  {command:<28}{count:>6}", file=sys.stderr)
    print("rules applied:", file=sys.stderr)
    for rule in RULES:
        print(f"  {rule:<28}{converter.rules[rule]:>6}", file=sys.stderr)
    for number, rule in converter.ignored:
        print(f"ignored: line {number} of the history, {rule}", file=sys.stderr)
    return 1 if converter.ignored else 0


if __name__ == "__main__":
    sys.exit(main())
