"""Replays the produced commands in a small model of the service, and reads every fact back from it.

The model is written from the contract alone and shares no code with `convert.py`. It refuses what the service would
refuse, and what would change nothing. Run with `python3 -m unittest` in this folder.
"""

import json
import re
import subprocess
import sys
import unittest
import uuid
from collections import Counter
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import convert
import expected

HERE = Path(__file__).resolve().parent
OPEN = {"TODO", "IN_PROGRESS", "IN_REVIEW", "BLOCKED"}
CLOSED = {"DONE", "CANCELLED"}
# The input of each command: fields that must be there, fields that may.
INPUTS = {
    "projectCreate": ({"id", "key", "name"}, {"description", "startOn", "dueOn", "timeZone"}),
    "taskCreate": (
        {"id", "projectId", "title"},
        {"description", "priority", "category", "tags", "assigneeIds", "due", "estimateMinutes"},
    ),
    "taskUpdate": ({"id"}, {"title", "description", "category", "tags", "estimateMinutes"}),
    "taskAssign": ({"id", "userId"}, set()),
    "taskUnassign": ({"id", "userId"}, set()),
    "taskChangeStatus": ({"id", "status"}, {"blockedReason"}),
    "taskComplete": ({"id"}, set()),
    "taskReopen": ({"id"}, set()),
    "taskMove": ({"id", "projectId"}, set()),
    "taskDelete": ({"id"}, set()),
    "scheduleCreate": ({"id", "title", "due"}, {"projectId", "taskId", "thresholds"}),
}


class Refusal(Exception):
    """The service would refuse the command, or do nothing. `str()` is the code."""


def holds(condition, code):
    if not condition:
        raise Refusal(code)


def is_id(text):
    return isinstance(text, str) and str(uuid.UUID(text)) == text


class Model:
    """Projects, tasks and schedules after the commands so far. One accepted command is one event."""

    def __init__(self):
        self.projects, self.tasks, self.schedules = {}, {}, {}
        self.used, self.command_ids, self.keys = set(), set(), set()
        self.events = Counter()

    def apply(self, line):
        line = json.loads(json.dumps(line))
        needed = {"command", "commandId", "actor", "input"}
        holds(needed <= set(line) <= needed | {"at"}, "BAD_LINE")
        holds(is_id(line["commandId"]) and is_id(line["actor"]), "BAD_USER_INPUT")
        holds(line["commandId"] not in self.command_ids, "COMMAND_ID_REUSED")
        self.command_ids.add(line["commandId"])
        if "at" in line:
            holds(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["at"]), "BAD_USER_INPUT")
            holds(datetime.fromisoformat(line["at"]) < datetime.now(timezone.utc), "INVALID_VALUE")
        command, wish = line["command"], line["input"]
        required, optional = INPUTS[command]
        holds(required <= set(wish) <= required | optional, "BAD_USER_INPUT")
        holds(all(is_id(wish[field]) for field in ("id", "projectId", "userId") if field in wish), "BAD_USER_INPUT")
        getattr(self, command)(wish)
        self.events[command] += 1

    def claim(self, id_):
        holds(id_ not in self.used, "ID_TAKEN")
        self.used.add(id_)

    def task(self, wish):
        holds(wish["id"] in self.tasks, "NOT_FOUND")
        return self.tasks[wish["id"]]

    def texts(self, wish):
        if "title" in wish:
            holds(wish["title"] == wish["title"].strip() and 1 <= len(wish["title"]) <= 200, "INVALID_VALUE")
        if "description" in wish:
            holds(len(wish["description"].encode()) <= 64 * 1024, "INVALID_VALUE")
        tags = wish.get("tags", [])
        holds(len(tags) <= 50 and len(set(tags)) == len(tags), "INVALID_VALUE")
        holds(all(tag == tag.strip() and 1 <= len(tag) <= 50 for tag in tags), "INVALID_VALUE")
        people = wish.get("assigneeIds", [])
        holds(len(people) <= 50 and len(set(people)) == len(people) and all(map(is_id, people)), "INVALID_VALUE")

    def projectCreate(self, wish):
        holds(re.fullmatch(r"[A-Z][A-Z0-9]{1,9}", wish["key"]), "INVALID_VALUE")
        holds(wish["key"] not in self.keys, "KEY_TAKEN")
        holds(1 <= len(wish["name"].strip()) <= 200, "INVALID_VALUE")
        ZoneInfo(wish["timeZone"])
        self.claim(wish["id"])
        self.keys.add(wish["key"])
        self.projects[wish["id"]] = wish["name"]

    def taskCreate(self, wish):
        holds(wish["projectId"] in self.projects, "NOT_FOUND")
        self.texts(wish)
        self.claim(wish["id"])
        empty = {"description": "", "tags": [], "assigneeIds": [], "status": "TODO", "blockedReason": None}
        self.tasks[wish["id"]] = empty | wish

    def taskUpdate(self, wish):
        task = self.task(wish)
        self.texts(wish)
        holds(len(wish) > 1, "NOTHING_TO_DO")
        # Each field that is sent must say something new, or it need not have been sent.
        holds(all(task[field] != new for field, new in wish.items() if field != "id"), "NOTHING_TO_DO")
        holds("tags" not in wish or set(task["tags"]) != set(wish["tags"]), "NOTHING_TO_DO")
        task.update(wish)

    def taskAssign(self, wish):
        task = self.task(wish)
        holds(task["status"] != "DONE", "TASK_DONE")
        holds(wish["userId"] not in task["assigneeIds"], "NOTHING_TO_DO")
        holds(len(task["assigneeIds"]) < 50, "INVALID_VALUE")
        task["assigneeIds"].append(wish["userId"])

    def taskUnassign(self, wish):
        task = self.task(wish)
        holds(task["status"] != "DONE", "TASK_DONE")
        holds(wish["userId"] in task["assigneeIds"], "NOTHING_TO_DO")
        task["assigneeIds"].remove(wish["userId"])

    def taskMove(self, wish):
        task = self.task(wish)
        holds(task["status"] != "DONE", "TASK_DONE")
        holds(wish["projectId"] in self.projects, "NOT_FOUND")
        holds(wish["projectId"] != task["projectId"], "NOTHING_TO_DO")
        task["projectId"] = wish["projectId"]

    def taskChangeStatus(self, wish):
        task = self.task(wish)
        holds(wish["status"] in OPEN | CLOSED, "BAD_USER_INPUT")
        holds(wish["status"] != task["status"], "NOTHING_TO_DO")
        holds(task["status"] in OPEN, "TRANSITION_NOT_ALLOWED")
        holds((wish["status"] == "BLOCKED") == bool(wish.get("blockedReason")), "INVALID_VALUE")
        task["status"], task["blockedReason"] = wish["status"], wish.get("blockedReason")

    def taskComplete(self, wish):
        self.taskChangeStatus({"id": wish["id"], "status": "DONE"})

    def taskReopen(self, wish):
        task = self.task(wish)
        holds(task["status"] in CLOSED, "TRANSITION_NOT_ALLOWED")
        task["status"] = "TODO"

    def taskDelete(self, wish):
        self.task(wish)
        del self.tasks[wish["id"]]

    def scheduleCreate(self, wish):
        self.texts(wish)
        holds("projectId" in wish and wish["projectId"] in self.projects, "NOT_FOUND")
        due = wish["due"]
        holds(set(due) in ({"date", "timeZone"}, {"at"}), "BAD_USER_INPUT")
        if "date" in due:
            end = datetime.fromisoformat(due["date"] + "T00:00:00") + timedelta(days=1)
            instant = end.replace(tzinfo=ZoneInfo(due["timeZone"])).astimezone(timezone.utc)
        else:
            instant = datetime.fromisoformat(due["at"])
        self.claim(wish["id"])
        self.schedules[wish["id"]] = {"title": wish["title"], "due": instant}


def replay(lines):
    model = Model()
    for line in lines:
        model.apply(line)
    return model


def read_back(model, task, people):
    """The enhancement as the source wrote it, from what the task shows and nothing else."""
    notes = {}
    for line in task["description"].splitlines():
        label, text = line.split(": ", 1)
        notes[label] = json.loads(text)

    def values(space, label, tags):
        found = [tag.removeprefix(f"{space}:") for tag in tags if tag.startswith(f"{space}:")]
        return notes[label] if label in notes else found[0] if found else None

    tags = task["tags"] + notes.get("Further tags", [])
    plain = {"TODO": "provisional", "IN_PROGRESS": "implementable", "DONE": "implemented", "BLOCKED": "deferred"}
    milestones = {stage: values(f"milestone:{stage}", f"Milestone {stage} as written", tags)
                  for stage in ("alpha", "beta", "stable")}
    word = values("status", "Status as written", tags)
    return notes["Enhancement"], {
        "title": notes.get("Title as written", task["title"]),
        "group": model.projects[task["projectId"]],
        "status": plain[task["status"]] if word is None else word,
        "stage": values("stage", "Stage as written", tags),
        "target": values("target", "Target as written", tags),
        "milestones": {stage: release for stage, release in milestones.items() if release is not None},
        "assignees": sorted([people[one] for one in task["assigneeIds"]] + notes.get("Further assignees", [])),
        "reviewers": sorted(tag.removeprefix("reviewer:") for tag in tags if tag.startswith("reviewer:")),
        "created": notes.get("Created"),
    }


def id_of(name):
    """An id as the documentation says that it is made."""
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, "milepost/examples/kubernetes"), name))


def pseudonyms(history):
    found = set(re.findall(r'"(user-[^"]+)"', json.dumps(history)))
    return {id_of(f"person/{one}"): one for one in found}


class TheRealHistory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lines, cls.converter = convert.convert(convert.DATA / "history.ndjson", convert.DATA / "milestones.ndjson")
        cls.model = replay(cls.lines)
        cls.history = expected.read(expected.DATA / "history.ndjson")
        cls.milestones = expected.read(expected.DATA / "milestones.ndjson")
        cls.now = datetime(2025, 1, 1, tzinfo=timezone.utc)
        cls.totals = expected.totals(cls.history, cls.milestones, cls.now)

    def test_the_known_totals_are_counted(self):
        totals = self.totals
        self.assertEqual((685, 34, 651, 518),
                         tuple(totals[name] for name in ("tasks_created", "tasks_deleted", "tasks_live", "schedules")))

    def test_no_command_is_refused_or_idle(self):
        self.assertEqual(len(self.lines), self.model.events.total())

    def test_the_end_is_what_the_raw_files_say(self):
        model, totals = self.model, self.totals
        self.assertEqual(totals["tasks_created"], model.events["taskCreate"])
        self.assertEqual(totals["tasks_deleted"], model.events["taskDelete"])
        self.assertEqual(totals["tasks_live"], len(model.tasks))
        self.assertEqual(totals["groups"] + 1, len(model.projects))
        per_project = Counter(model.projects[task["projectId"]] for task in model.tasks.values())
        self.assertEqual({group: n for group, n in totals["live_per_group"].items() if n}, dict(per_project))
        assigned = Counter(person for task in model.tasks.values() for person in task["assigneeIds"])
        self.assertEqual(totals["assignments"], assigned.total())
        for person, count in totals["ten_busiest"].items():
            self.assertEqual(count, assigned[id_of(f"person/{person}")], person)
        people = pseudonyms(self.history)
        words = Counter(read_back(model, task, people)[1]["status"] for task in model.tasks.values())
        self.assertEqual(totals["live_per_status_word"], dict(words))

    def test_every_milestone_is_a_schedule_due_when_it_should_be(self):
        schedules = self.model.schedules.values()
        self.assertEqual(sorted(map(expected.due_instant, self.milestones)), sorted(one["due"] for one in schedules))
        self.assertEqual(self.totals["schedules_due"], sum(one["due"] <= self.now for one in schedules))
        titles = Counter(f"{one['release']} {one['what']}" + f" [{one['owner']}]" * bool(one["owner"])
                         for one in self.milestones)
        self.assertEqual(titles, Counter(one["title"] for one in schedules))

    def test_every_fact_can_be_read_back_after_every_change(self):
        people, raw, model, converter = pseudonyms(self.history), {}, Model(), convert.Converter()
        current = {}
        for number, change in enumerate(self.history, 1):
            key = change["task"]
            if change["change"] == "created":
                raw[key] = deepcopy(change["to"])
            elif change["change"] == "updated":
                raw[key] |= {field: new for field, (_, new) in change["fields"].items()}
            else:
                del raw[key]
            commands = converter.change(number, change)
            self.assertTrue(commands, f"line {number} left no trace")
            for line in commands:
                model.apply(line)
                self.assertEqual((change["at"], id_of(f"person/{change['actor']}")), (line["at"], line["actor"]))
                if line["command"].startswith("task"):
                    current[key] = line["input"]["id"]
            if key in raw:
                self.assertEqual((key, raw[key]), read_back(model, model.tasks[current[key]], people), f"line {number}")
            else:
                self.assertNotIn(current[key], model.tasks)

    def test_two_runs_write_the_same_bytes(self):
        run = [sys.executable, str(HERE / "convert.py")]
        first, second = (subprocess.run(run, capture_output=True, check=True).stdout for _ in range(2))
        self.assertEqual(first, second)
        self.assertEqual([json.loads(json.dumps(line)) for line in self.lines],
                         [json.loads(line) for line in first.decode().splitlines()])

    def test_ids_are_made_as_documented(self):
        create = next(line for line in self.lines if line["command"] == "taskCreate")
        self.assertEqual(id_of("task/617-improve-kep-implementation/1"), create["input"]["id"])
        self.assertEqual(id_of("command/task/617-improve-kep-implementation/1/1/taskCreate"), create["commandId"])

    def test_both_spellings_of_a_release_share_one_tag(self):
        live, _ = expected.replay(self.history)
        for release in ("1.31", "1.34", "0.0", "TBD"):
            tag = f"target:v{release}" if release[0] == "1" else f"target:{release}"
            wanted = sum(task["target"] in (release, f"v{release}") for task in live.values())
            self.assertEqual(wanted, sum(tag in task["tags"] for task in self.model.tasks.values()), tag)

    def test_tasks_have_no_due_date(self):
        self.assertFalse([line for line in self.lines if line["command"].startswith("task") and "due" in line["input"]])

    def test_every_rule_that_is_counted_is_written(self):
        written = (HERE / "README.md").read_text(encoding="utf-8")
        self.assertLessEqual(set(self.converter.rules), set(convert.RULES))
        for rule in convert.RULES:
            # The table says how often; a number that is not true any more is a mistake too.
            self.assertRegex(written, rf"\| `{rule}` \|.*\| {self.converter.rules[rule]} \|\n")
        for command, count in self.model.events.items():
            self.assertIn(f"| `{command}` | {count:,} |", written)
        self.assertIn(f"2,703 lines become {len(self.lines):,} commands", written)

    def test_the_milestones_are_copied_without_the_text_they_were_read_from(self):
        self.assertFalse([one for one in self.milestones if "when_written" in one])


class TheModel(unittest.TestCase):
    """A check counts once it has been seen red: one line spoilt, one refusal."""

    @classmethod
    def setUpClass(cls):
        cls.lines, _ = convert.convert(convert.DATA / "history.ndjson", convert.DATA / "milestones.ndjson")
        cls.lines = json.loads(json.dumps(cls.lines))

    def refusal(self, lines):
        with self.assertRaises(Refusal) as caught:
            replay(lines)
        return str(caught.exception)

    def first(self, command, after=lambda wish: True):
        return next(n for n, line in enumerate(self.lines) if line["command"] == command and after(line["input"]))

    def without(self, place):
        return self.lines[:place] + self.lines[place + 1:]

    def spoilt(self, place, **fields):
        line = deepcopy(self.lines[place])
        line["input"] |= fields
        return self.lines[:place] + [line] + self.lines[place + 1:]

    def test_sees_a_missing_reopening(self):
        reopened = self.first("taskReopen")
        self.assertEqual("TRANSITION_NOT_ALLOWED", self.refusal(self.without(reopened)))

    def test_sees_a_done_task_planned_again(self):
        for command in ("taskAssign", "taskMove", "taskUnassign"):
            place = self.first(command)
            task = self.lines[place]["input"]["id"]
            done = {"command": "taskComplete", "commandId": str(uuid.uuid4()), "actor": task, "input": {"id": task}}
            self.assertEqual("TASK_DONE", self.refusal(self.lines[:place] + [done] + self.lines[place:]), command)

    def test_sees_a_command_given_twice(self):
        place = self.first("taskAssign")
        self.assertEqual("COMMAND_ID_REUSED", self.refusal(self.lines[:place] + self.lines[place:place + 1] * 2))

    def test_sees_a_wish_already_true(self):
        place = self.first("taskAssign")
        again = self.lines[place] | {"commandId": str(uuid.uuid4())}
        self.assertEqual("NOTHING_TO_DO", self.refusal(self.lines[:place + 1] + [again]))

    def test_sees_a_command_on_a_deleted_task(self):
        place = self.first("taskDelete")
        again = self.lines[place] | {"commandId": str(uuid.uuid4())}
        self.assertEqual("NOT_FOUND", self.refusal(self.lines[:place + 1] + [again]))

    def test_sees_a_task_before_its_project(self):
        self.assertEqual("NOT_FOUND", self.refusal(self.without(0)))

    def test_sees_a_missing_creation(self):
        self.assertEqual("NOT_FOUND", self.refusal(self.without(self.first("taskCreate"))))

    def test_sees_values_beyond_their_limits(self):
        place = self.first("taskCreate")
        for field, value in (("title", "x" * 201), ("title", " "), ("tags", ["x" * 51]), ("tags", ["x"] * 2),
                             ("tags", [f"t{n}" for n in range(51)]), ("description", "é" * 32_769),
                             ("assigneeIds", [id_of(str(n)) for n in range(51)])):
            self.assertEqual("INVALID_VALUE", self.refusal(self.spoilt(place, **{field: value})), field)

    def test_sees_a_field_that_the_contract_does_not_have(self):
        self.assertEqual("BAD_USER_INPUT", self.refusal(self.spoilt(self.first("taskCreate"), status="DONE")))

    def test_sees_a_key_taken(self):
        second = [n for n, line in enumerate(self.lines) if line["command"] == "projectCreate"][1]
        self.assertEqual("KEY_TAKEN", self.refusal(self.spoilt(second, key=self.lines[0]["input"]["key"])))

    def test_sees_a_blocked_task_without_a_reason(self):
        place = self.first("taskChangeStatus", lambda wish: wish["status"] == "BLOCKED")
        self.assertEqual("INVALID_VALUE", self.refusal(self.spoilt(place, blockedReason=None)))


class RulesThatTheDataDoesNotNeed(unittest.TestCase):
    """Rules for other data of this kind. The same model takes their commands, and nothing is lost either."""

    def setUp(self):
        self.converter, self.model, self.number = convert.Converter(), Model(), 0
        self.raw = {"title": "One", "group": "sig-node", "status": "provisional", "stage": None, "target": None,
                    "milestones": {}, "assignees": [], "reviewers": [], "created": None}

    def change(self, kind, **content):
        self.number += 1
        record = {"at": "2024-05-01T00:00:00Z", "actor": "user-a", "task": "1-one", "change": kind} | content
        commands = self.converter.change(self.number, record)
        for line in commands:
            self.model.apply(line)
        return [line["command"] for line in commands]

    def created(self, **fields):
        return self.change("created", to=self.raw | fields)

    def updated(self, **fields):
        return self.change("updated", fields=fields)

    def assert_reads_back(self, **fields):
        people = {id_: name for name, id_ in self.converter.people.items()}
        (task,) = self.model.tasks.values()
        self.assertEqual(("1-one", self.raw | fields), read_back(self.model, task, people))

    def test_what_does_not_fit_goes_to_the_description(self):
        many = {
            "title": "  " + "long " * 60,
            "status": "x" * 60,
            "stage": "",
            "target": "y" * 60,
            "milestones": {"alpha": "1.9", "beta": "z" * 60},
            "assignees": [f"user-{n:03}" for n in range(60)],
            "reviewers": [f"user-{n:03}" for n in range(70)],
        }
        self.created(**many)
        self.assert_reads_back(**many)
        for rule in ("title-does-not-fit", "tag-does-not-fit", "too-many-tags", "too-many-assignees", "empty-value"):
            self.assertGreater(self.converter.rules[rule], 0, rule)
        # Those beyond the limit move up as others leave.
        fewer = many | {"assignees": many["assignees"][30:], "reviewers": many["reviewers"][30:]}
        self.updated(**{field: [many[field], fewer[field]] for field in ("assignees", "reviewers")})
        self.assert_reads_back(**fewer)

    def test_a_status_that_is_not_there_is_not_provisional(self):
        self.created(status=None)
        self.assertEqual(["status:see-description"], next(iter(self.model.tasks.values()))["tags"])
        self.assertEqual(["taskUpdate"], self.updated(status=[None, "provisional"]))
        self.assert_reads_back()

    def test_a_done_task_is_reopened_only_as_far_as_needed(self):
        self.assertEqual(["projectCreate", "taskCreate", "taskComplete"], self.created(status="implemented"))
        self.assertEqual(["taskUpdate"], self.updated(title=["One", "Two"]))
        self.assertEqual(["taskReopen", "taskAssign", "taskComplete"], self.updated(assignees=[[], ["user-b"]]))
        self.assertEqual(["projectCreate", "taskReopen", "taskMove"],
                         self.updated(group=["sig-node", "sig-apps"], status=["implemented", "provisional"]))
        self.assertEqual(["taskUnassign", "taskComplete"],
                         self.updated(assignees=[["user-b"], []], status=["provisional", "implemented"]))
        self.assertEqual(["taskReopen", "taskUpdate", "taskChangeStatus"],
                         self.updated(status=["implemented", "withdrawn"]))
        self.assertEqual(["taskUpdate"], self.updated(status=["withdrawn", "replaced"]))
        self.assertEqual(["taskAssign"], self.updated(assignees=[[], ["user-b"]]))
        self.assertEqual(["taskReopen", "taskUpdate", "taskChangeStatus"],
                         self.updated(status=["replaced", "deferred"]))

    def test_a_second_creation_of_a_live_task_is_an_update(self):
        self.created()
        self.assertEqual(["taskUpdate", "taskChangeStatus"], self.created(title="Two", status="implementable"))
        self.assertEqual([], self.created(title="Two", status="implementable"))
        rules = ("created-while-live", "no-command-needed")
        self.assertEqual((2, 1), tuple(self.converter.rules[rule] for rule in rules))

    def test_a_change_of_what_is_not_live_is_named(self):
        self.assertEqual([], self.updated(title=["One", "Two"]))
        self.assertEqual([], self.change("deleted"))
        self.assertEqual([(1, "updated-while-not-live"), (2, "deleted-while-not-live")], self.converter.ignored)

    def test_a_task_created_again_is_another_task(self):
        self.created()
        self.change("deleted")
        self.created()
        self.assertEqual([id_of("task/1-one/2")], list(self.model.tasks))

    def test_the_new_value_wins_over_an_old_one_that_differs(self):
        self.created()
        self.updated(title=["Another", "Two"])
        self.assert_reads_back(title="Two")
        self.assertEqual(1, self.converter.rules["old-value-differs"])

    def test_the_order_of_people_and_their_repetition_say_nothing(self):
        self.created(reviewers=["user-b", "user-c", "user-b"])
        self.assertEqual([], self.updated(reviewers=[["user-b", "user-c", "user-b"], ["user-c", "user-b"]]))
        self.assertEqual(1, self.converter.rules["person-named-twice"])

    def test_keys_are_unique_and_valid_whatever_the_group(self):
        groups = ["sig-k8s", "k8s", "sig-api-machinery", "api-machinery", "9", "é", "x", "sig-" + "a" * 30, "a" * 31]
        keys = [self.converter.project_key(group) for group in groups]
        self.assertEqual(["K8S2", "K8S3", "APIM", "APIM2", "GROUP9", "GROUP", "GROUPX", "A" * 10, "A" * 9 + "2"], keys)

    def test_a_milestone_named_twice_stays_two(self):
        record = {"release": "v1.31", "what": "Freeze", "owner": "", "due_on": "2024-05-01"}
        for number in (1, 2):
            for line in self.converter.milestone(number, record):
                self.model.apply(line)
        self.assertEqual(2, len(self.model.schedules))

    def test_what_no_rule_covers_stops_the_conversion(self):
        for record in ({"group": " "}, {"title": None}, {"milestones": {"gamma": "v1.1"}}, {"colour": "red"}):
            with self.assertRaises((ValueError, AttributeError)):
                self.created(**record)
        with self.assertRaises(ValueError):
            self.change("renamed")
        with self.assertRaises(ValueError):
            self.converter.milestone(1, {"release": "v1.31", "what": "Freeze", "owner": ""})


if __name__ == "__main__":
    unittest.main()
