//! One request from its text to its answer.

use super::context::{Asked, Services};
use super::error::{bad_input, failure, internal};
use super::limits::{FRAGMENTS_INSIDE_MAX, Limits, PARSED_BYTES_MAX, PARSED_FACTOR, PARSED_FOR, PARSED_QUERY_BYTES_MAX};
use super::loaders::Loaders;
use super::nulls::Shapes;
use super::order::Order;
use super::payload::{Deadline, Stored};
use super::{Built, builder, doubled, guard, sdl, variables};
use async_graphql::dataloader::DataLoader;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Pos, Request, Response, ServerError, Value, Variables};
use futures::FutureExt;
use moka::sync::Cache;
use serde::Deserialize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

/// A GraphQL request as it is sent over HTTP.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphQLRequest {
    pub query: String,
    #[serde(default)]
    pub operation_name: Option<String>,
    #[serde(default)]
    pub variables: Option<async_graphql::Variables>,
    #[serde(default)]
    pub extensions: Option<std::collections::HashMap<String, Value>>,
}

/// What became of a request.
pub struct Executed {
    pub response: Response,
    /// Whether execution began. If it did not, the request as a whole was wrong.
    pub began: bool,
}

/// The executable schema.
pub struct GraphQL {
    schema: Built,
    shapes: Shapes,
    parsed: Parsed,
    services: Arc<Services>,
}

impl GraphQL {
    /// Builds the schema.
    pub fn new(services: Arc<Services>) -> Self {
        let limits = services.limits;
        let schema = builder()
            .data(Arc::clone(&services))
            .limit_recursive_depth(limits.introspection_depth.max(limits.depth) + FRAGMENTS_INSIDE_MAX)
            .finish();
        Self { shapes: Shapes::of(&sdl()), parsed: Parsed::default(), schema, services }
    }

    /// What the API needs of the service.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Executes a request, unless that takes too long. Mutations are refused where only reading is allowed, as in GET.
    pub async fn execute(&self, sent: GraphQLRequest, asked: Asked, only_read: bool, until: tokio::time::Instant) -> Executed {
        let started = Instant::now();
        let (query, name) = (sent.query.clone(), sent.operation_name.clone().filter(|name| !name.is_empty()));
        let (request, order) = match prepare(sent, only_read, &self.services.limits, &self.parsed) {
            Ok(prepared) => prepared,
            Err(error) => return Executed { response: Response::from_errors(vec![*error]), began: false },
        };
        let loaders =
            Loaders { pool: self.services.pool.clone(), workspace: asked.caller.workspace, now: self.services.application.clock().now() };
        let stored = Arc::new(Stored::default());
        let request = request.data(asked).data(Deadline(until)).data(Arc::clone(&stored)).data(DataLoader::new(loaders, tokio::spawn));
        let execution = AssertUnwindSafe(self.schema.execute(request)).catch_unwind();
        let mut response = match tokio::time::timeout_at(until, execution).await {
            Ok(Ok(response)) => response,
            Ok(Err(panic)) => {
                let words =
                    panic.downcast_ref::<&str>().map(|words| (*words).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
                let error = std::io::Error::other(words.unwrap_or_else(|| "a resolver panicked".to_owned()));
                Response::from_errors(vec![of_the_whole(stored.told_by(internal(&error)))])
            }
            Err(_) => {
                let message = format!(
                    "the request took longer than {} ms; if it was a command, send it again with the same commandId to learn its outcome",
                    self.services.limits.timeout.as_millis()
                );
                Response::from_errors(vec![of_the_whole(stored.told_by(failure("UNAVAILABLE", message)))])
            }
        };
        metrics::histogram!("milepost_api_request_duration_seconds").record(started.elapsed());
        // Where nothing was executed there is no data at all, and errors say that validation failed.
        let began = response.data != Value::Null || response.errors.iter().any(|error| !error.path.is_empty());
        self.shapes.put_nulls(&query, name.as_deref(), &mut response);
        order.apply(&mut response.data);
        Executed { response: coded(response), began }
    }
}

/// Queries that were parsed before: programs send the same few texts again and again, with other variables.
pub(super) struct Parsed(Cache<String, Arc<ExecutableDocument>>);

impl Default for Parsed {
    fn default() -> Self {
        let weigh = |query: &String, _: &Arc<ExecutableDocument>| u32::try_from(query.len() * PARSED_FACTOR).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weigh).max_capacity(PARSED_BYTES_MAX).time_to_idle(PARSED_FOR).build())
    }
}

impl Parsed {
    /// The document of a query that is not too much. With other variables it may be, so that is looked at each time.
    fn document(&self, query: &str, variables: &Variables, limits: &Limits) -> Result<ExecutableDocument, Box<ServerError>> {
        let refuse = |error: async_graphql::Error| Box::new(of_the_whole(error));
        if let Some(document) = self.0.get(query) {
            guard::check(&document, variables, limits).map_err(refuse)?;
            return Ok((*document).clone());
        }
        guard::check_text(query, limits).map_err(refuse)?;
        if let Some(name) = doubled::field(query) {
            return Err(refuse(bad_input(&[], format!("the field {name:?} is given twice in one object of the query"))));
        }
        let document = parse_query(query).map_err(|error| Box::new(with_code(ServerError::from(error), "BAD_USER_INPUT")))?;
        guard::check(&document, variables, limits).map_err(refuse)?;
        if query.len() <= PARSED_QUERY_BYTES_MAX {
            self.0.insert(query.to_owned(), Arc::new(document.clone()));
        }
        Ok(document)
    }
}

/// Parses, checks the limits, and takes out variables that were left out.
pub(super) fn prepare(
    sent: GraphQLRequest,
    only_read: bool,
    limits: &Limits,
    parsed: &Parsed,
) -> Result<(Request, Order), Box<ServerError>> {
    let refuse = |error: async_graphql::Error| Box::new(of_the_whole(error));
    let variables = sent.variables.unwrap_or_default();
    let name = sent.operation_name.filter(|name| !name.is_empty());
    let mut document = parsed.document(&sent.query, &variables, limits)?;
    let Some(operation) = guard::operation(&document, name.as_deref()) else {
        let message = match &name {
            Some(name) => format!("there is no operation {name:?} in the query"),
            None => "the query has several operations: name one".to_owned(),
        };
        return Err(refuse(bad_input(&["operationName"], message)));
    };
    if only_read && operation.ty != OperationType::Query {
        return Err(refuse(failure("METHOD_NOT_ALLOWED", "only queries are answered to GET; send mutations by POST")));
    }
    if let Some((variable, message)) = variables::wrong(&document, operation, &variables) {
        return Err(refuse(bad_input(&["variables", &variable], message)));
    }
    variables::drop_absent(&mut document, name.as_deref(), &variables);
    let order = guard::operation(&document, name.as_deref()).map(|operation| Order::of(&document, operation, &variables));
    let single = matches!(document.operations, async_graphql::parser::types::DocumentOperations::Single(_));
    let mut request = Request::new(sent.query).variables(variables);
    // Where one operation is left, it is the one that was named.
    if let (Some(name), false) = (name, single) {
        request = request.operation_name(name);
    }
    request.set_parsed_query(document);
    Ok((request, order.unwrap_or_default()))
}

/// An error about the request as a whole: it has no place in the query.
fn of_the_whole(error: async_graphql::Error) -> ServerError {
    let mut error = error.into_server_error(Pos::default());
    error.locations.clear();
    error
}

fn with_code(mut error: ServerError, code: &str) -> ServerError {
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// Errors that validation and scalars gave have no code yet: they are about what the caller sent.
fn coded(mut response: Response) -> Response {
    response.errors = response
        .errors
        .into_iter()
        .map(|error| match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
            Some(_) => error,
            None => with_code(error, "BAD_USER_INPUT"),
        })
        .collect();
    response
}
