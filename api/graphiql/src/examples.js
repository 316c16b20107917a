// The tabs a first visitor finds. They are files of their own, so that a test can check them against
// the schema without knowing JavaScript.

import lookAround from "../examples/look-around.graphql";
import createTask from "../examples/create-task.graphql";
import createTaskVariables from "../examples/create-task.variables.json";
import setDueDate from "../examples/set-due-date.graphql";
import setDueDateVariables from "../examples/set-due-date.variables.json";

const MINUTE = 60_000;
const WEEK = 7 * 24 * 60 * MINUTE;

/** A fixed date in an example would one day lie in the past, so the dates count from now. */
function fillIn(variables, now) {
  return variables
    .trim()
    .replace("{{now}}", now.toISOString())
    .replace("{{in two minutes}}", new Date(now.getTime() + 2 * MINUTE).toISOString())
    .replace("{{in a week}}", new Date(now.getTime() + WEEK).toISOString().slice(0, 10));
}

export function examples(now = new Date()) {
  return [
    { query: lookAround },
    { query: createTask, variables: fillIn(createTaskVariables, now) },
    { query: setDueDate, variables: fillIn(setDueDateVariables, now) },
  ];
}
