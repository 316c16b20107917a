"""What every answer must be, for Schemathesis: nobody's fault but the caller's, and of the shape that the schema promises.

Its own checks take every error with a path for one of the server, and look at the shape of REST answers only.
The schema is the file that the variable SDL names.
"""

import datetime
import os
import pathlib
import re
import zoneinfo

import graphql
import schemathesis

SCHEMA = graphql.build_schema(pathlib.Path(os.environ["SDL"]).read_text())
# What the schema says of its scalars in words.
SCALARS = {
    "Date": datetime.date.fromisoformat,
    "DateTime": lambda text: datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ"),
    "Long": int,
    "Position": lambda text: re.fullmatch("[0-9]+", text).group(),
    "TimeZone": zoneinfo.ZoneInfo,
}
# Of docs/ERRORS.md: what a caller who is signed in and in no hurry can be told.
CALLERS_OWN = {"BAD_USER_INPUT", "FORBIDDEN", "NOT_FOUND", "VERSION_CONFLICT", "COMMAND_ID_REUSED", "LIMIT_EXCEEDED"}


@schemathesis.check
def answers_as_promised(context, response, case):
    assert response.status_code < 500, f"status {response.status_code}"
    assert "json" in response.headers["content-type"][0], response.headers["content-type"]
    answer = response.json()
    assert answer.keys() <= {"data", "errors"} and answer, f"not an answer of GraphQL: {answer}"
    for error in answer.get("errors", []):
        code = error["extensions"]["code"]
        assert code in CALLERS_OWN, f"{code}: {error['message']}"
    if answer.get("data") is None:
        assert answer.get("errors"), "neither data nor errors"
        return
    operation = next(part for part in graphql.parse(case.body).definitions if isinstance(part, graphql.OperationDefinitionNode))
    root = {graphql.OperationType.QUERY: SCHEMA.query_type, graphql.OperationType.MUTATION: SCHEMA.mutation_type}
    fits(root[operation.operation], answer["data"], [operation.selection_set], "data")


def fits(kind, value, selections, place):
    """Fails unless the value is of the kind."""
    if graphql.is_non_null_type(kind):
        assert value is not None, f"{place} is null, and the schema says that it never is"
        kind = kind.of_type
    if value is None:
        return
    if graphql.is_list_type(kind):
        assert isinstance(value, list), f"{place} is no list: {value!r}"
        for index, item in enumerate(value):
            fits(kind.of_type, item, selections, f"{place}[{index}]")
    elif graphql.is_leaf_type(kind):
        try:
            SCALARS.get(kind.name, kind.parse_value)(value)
        except Exception as error:
            raise AssertionError(f"{place} is no {kind}: {value!r} ({error})") from error
    else:
        assert isinstance(value, dict), f"{place} is no object: {value!r}"
        fields = collected(kind, selections)
        if graphql.is_abstract_type(kind):
            # Which fields there are depends on what it is, and nobody may have asked for that.
            assert value.keys() <= fields.keys(), f"{place} has {sorted(value)}, and asked for were {sorted(fields)}"
        else:
            assert value.keys() == fields.keys(), f"{place} has {sorted(value)}, and asked for were {sorted(fields)}"
        for name, found in value.items():
            of, below = fields[name]
            fits(of, found, below, f"{place}.{name}")


def collected(kind, selections):
    """The fields that are asked for, by the name that they have in the answer: their kinds and what is asked of them."""
    fields = {}
    for selection in (selection for part in selections if part for selection in part.selections):
        if isinstance(selection, graphql.InlineFragmentNode):
            on = SCHEMA.get_type(selection.type_condition.name.value) if selection.type_condition else kind
            if graphql.is_abstract_type(kind) or on is kind or graphql.is_abstract_type(on):
                for name, (of, below) in collected(on, [selection.selection_set]).items():
                    fields.setdefault(name, (of, []))[1].extend(below)
            continue
        name = selection.name.value
        of = graphql.GraphQLNonNull(graphql.GraphQLString) if name == "__typename" else kind.fields[name].type
        shown = selection.alias.value if selection.alias else name
        fields.setdefault(shown, (of, []))[1].append(selection.selection_set)
    return fields
