"""Runs `compare.py` against a small server that answers from the model of `test_convert.py`.

The server pages, and it can be made to answer wrongly; every planted fault must show as a row that differs. Run with
`python3 -m unittest` in this folder.
"""

import contextlib
import io
import json
import os
import stat
import tempfile
import threading
import unittest
from collections import Counter
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import compare
import convert
from test_convert import replay

WORKSPACE = "5f0c7a52-6a7e-4f0e-9a30-7d1c2b7f8f11"


def instant(moment):
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Answers:
    """What the service would say, as plain lists that a test may spoil."""

    def __init__(self, model):
        now = datetime.now(timezone.utc)
        counts = Counter(task["projectId"] for task in model.tasks.values())
        self.projects = [{"id": id_, "name": name, "taskCounts": {"total": counts[id_]}}
                         for id_, name in model.projects.items()]
        fields = ("id", "status", "tags", "description", "assigneeIds")
        self.tasks = [
            {field: task[field] for field in fields} | {"project": {"name": model.projects[task["projectId"]]}}
            for task in model.tasks.values()
        ]
        due = {id_: one for id_, one in model.schedules.items() if one["due"] <= now}
        self.schedules = [{"id": id_, "title": one["title"], "state": "OVERDUE" if id_ in due else "PENDING"}
                          for id_, one in model.schedules.items()]
        self.firings = [{"id": f"f{n}", "dueRevision": 1, "dueAt": instant(one["due"]), "schedule": {"id": id_}}
                        for n, (id_, one) in enumerate(due.items())]
        kinds = {"project_created": "projectCreate", "task_created": "taskCreate", "task_deleted": "taskDelete",
                 "schedule_created": "scheduleCreate"}
        self.events = [{"id": f"{kind}{n}", "type": kind}
                       for kind, command in kinds.items() for n in range(model.events[command])]
        self.events += [{"id": one["id"], "type": "deadline_overdue"} for one in self.firings]
        self.refusals = []  # Errors to be given before the first answer.
        self.late = []  # Firings that come one look later.

    def answer(self, query, wish):
        if self.refusals:
            return {"errors": [{"message": "no", "extensions": {"code": self.refusals.pop()}}]}
        name = query.split()[1].split("(")[0]
        if name == "Head":
            return {"data": {"viewer": {"workspaceId": WORKSPACE}, "serviceStatus": {"position": "4068"}}}
        if wish["at"] != "4068":
            return {"errors": [{"message": "read at no position"}]}
        if name == "Assigned":
            found = sum(wish["person"] in task["assigneeIds"] for task in self.tasks)
            return {"data": {"tasks": {"totalCount": found}}}
        nodes = {"Projects": self.projects, "Tasks": self.tasks, "Schedules": self.schedules, "Overdue": self.firings,
                 "Events": [event for event in self.events if event["type"] in wish.get("type", ())]}[name]
        start = int(wish["after"] or 0)
        end = start + wish["first"]
        page = {"nodes": nodes[start:end], "pageInfo": {"hasNextPage": end < len(nodes), "endCursor": str(end)}}
        if name != "Events":
            page["totalCount"] = len(nodes)
        if name == "Overdue" and end >= len(nodes):
            self.firings, self.late = self.firings + self.late, []
        return {"data": {"page": page}}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                known = self.headers["authorization"] == "Bearer the-token"
                unknown = {"errors": [{"message": "who?", "extensions": {"code": "UNAUTHENTICATED"}}]}
                answer = json.dumps(answers.answer(body["query"], body["variables"]) if known else unknown).encode()
                self.send_response(200 if known else 401)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                """The tests are quiet."""

        super().__init__(("127.0.0.1", 0), Handler)


class Compare(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lines, _ = convert.convert(convert.DATA / "history.ndjson", convert.DATA / "milestones.ndjson")
        cls.model = replay(lines)

    def setUp(self):
        # Each test has lists of its own to spoil.
        self.answers = Answers(self.model)
        self.answers.tasks = json.loads(json.dumps(self.answers.tasks))
        self.server = Server(self.answers)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_compare(self, *more, token="the-token", wait="0"):
        url = f"http://127.0.0.1:{self.server.server_port}/graphql"
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = compare.main(["--graphql", url, "--token", token, "--wait", wait, *more])
        self.out, self.err = out.getvalue(), err.getvalue()
        return status

    def assert_differs(self, *rows):
        self.assertEqual(1, self.run_compare())
        differing = {line.split("  ")[0] for line in self.out.splitlines() if line.endswith("NO")}
        self.assertLessEqual(set(rows), differing)

    def program(self, name, text):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def test_right_answers_agree(self):
        self.assertEqual(0, self.run_compare(), self.err)
        self.assertNotIn("NO\n", self.out)

    def test_a_lost_task_is_seen(self):
        self.answers.tasks.pop()
        self.assert_differs("tasks live", "tasks live, paged and distinct")

    def test_a_task_listed_twice_instead_of_another_is_seen(self):
        self.answers.tasks[-1] = self.answers.tasks[0]
        self.assert_differs("tasks live, paged and distinct")

    def test_a_lost_assignment_is_seen(self):
        person = convert.person_id("user-039beefaa6")
        task = next(task for task in self.answers.tasks if person in task["assigneeIds"])
        task["assigneeIds"].remove(person)
        self.assert_differs("assignments", "tasks listed for user-039beefaa6", "tasks filtered by user-039beefaa6")

    def test_a_wrong_status_is_seen(self):
        task = next(task for task in self.answers.tasks if task["status"] == "DONE")
        task["status"] = "TODO"
        self.assert_differs("tasks with the status: implemented", "tasks with the status: provisional")

    def test_a_task_in_the_wrong_project_is_seen(self):
        task = next(task for task in self.answers.tasks if task["project"]["name"] == "sig-node")
        task["project"]["name"] = "sig-apps"
        self.assert_differs("tasks listed in project: sig-node", "tasks listed in project: sig-apps")

    def test_a_wrong_count_of_a_project_is_seen(self):
        self.answers.projects[0]["taskCounts"]["total"] += 1
        self.assert_differs(f"tasks counted by project: {self.answers.projects[0]['name']}")

    def test_a_missing_firing_is_seen(self):
        self.answers.firings.pop()
        self.assert_differs("overdue firings", "milestones due without an overdue firing")

    def test_a_firing_given_twice_is_seen(self):
        self.answers.firings.append(self.answers.firings[0])
        self.assert_differs("overdue firings", "overdue firings beyond the first of a schedule")

    def test_a_firing_at_the_wrong_instant_is_seen(self):
        self.answers.firings[0]["dueAt"] = "2001-01-01T00:00:00.000Z"
        self.assert_differs("overdue firings at an instant without a milestone")

    def test_a_firing_that_comes_a_moment_later_is_awaited(self):
        self.answers.late = [self.answers.firings.pop()]
        self.assertEqual(0, self.run_compare(wait="30"), self.out)

    def test_a_lost_event_is_seen(self):
        self.answers.events.remove(next(event for event in self.answers.events if event["type"] == "task_deleted"))
        self.assert_differs("events: task_deleted")

    def test_an_answer_that_asks_for_patience_is_asked_for_again(self):
        self.answers.refusals = ["POSITION_NOT_REACHED"]
        self.assertEqual(0, self.run_compare(wait="30"), self.err)

    def test_a_refusal_and_a_silent_server_are_not_a_difference(self):
        self.assertEqual(2, self.run_compare(token="another"))
        self.assertIn("UNAUTHENTICATED", self.err)
        self.server.shutdown()
        self.server.server_close()
        self.assertEqual(3, self.run_compare())

    def test_the_own_checks_of_the_program_are_rows(self):
        good = self.program("good", 'test "$KAFKA_BOOTSTRAP_SERVERS $DATABASE_URL" = "broker:1 "')
        with mock.patch.dict(os.environ, {"DATABASE_URL": ""}):
            self.assertEqual(0, self.run_compare("--milepost", good, "--kafka", "broker:1"), self.out)
        bad = self.program("bad", 'test "$1" != verify')
        self.assertEqual(1, self.run_compare("--milepost", bad, "--kafka", "broker:1"))
        self.assertRegex(self.out, r"exit status: milepost verify kafka +0 +1 +NO")
        self.assertRegex(self.out, r"exit status: milepost projections verify +0 +0 +yes")

    def test_kafka_that_is_nowhere_is_said_to_be_unchecked(self):
        with mock.patch.dict(os.environ):
            os.environ.pop("KAFKA_BOOTSTRAP_SERVERS", None)
            self.assertEqual(0, self.run_compare("--milepost", self.program("good", "true")))
        self.assertIn("not checked: milepost verify kafka", self.out)

    def test_the_log_is_counted(self):
        due = len(self.answers.firings)
        log = ["project_created 26", "schedule_created 518", "task_created 685", "task_updated 1244",
               f"deadline_overdue {due}"]
        with mock.patch.dict(os.environ, {"PATH": f"{self.folder}:{os.environ['PATH']}"}):
            self.program("psql", "printf '%s\\n' '" + "' '".join(log + ["task_deleted 34"]) + "'")
            self.assertEqual(0, self.run_compare("--database-url", "postgresql://nowhere"), self.out)
            self.assertIn("also in the log: task_updated 1244", self.out)
            self.program("psql", "printf '%s\\n' '" + "' '".join(log) + "'")
            self.assertEqual(1, self.run_compare("--database-url", "postgresql://nowhere"))
            self.assertRegex(self.out, r"log: task_deleted +34 +0 +NO")
            self.program("psql", "exit 2")
            self.assertEqual(3, self.run_compare("--database-url", "postgresql://nowhere"))


if __name__ == "__main__":
    unittest.main()
