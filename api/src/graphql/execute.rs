//! One request from its text to its answer.

use super::error::{bad_input, failure, internal, limit_exceeded};
use super::guard::Known;
use super::loaders::Loaders;
use super::meter::{Meter, Metered, Reader, Stopped};
use super::nulls::Shapes;
use super::order::Order;
use super::services::{Asked, Services};
use super::sizes::Sizes;
use super::stored::{Deadline, Stored};
use super::{Built, builder, doubled, guard, sdl, variables};
use crate::limits::{ERRORS_MAX, FRAGMENTS_INSIDE_MAX, Limits, PARSED_BYTES_MAX, PARSED_FACTOR, PARSED_FOR, PARSED_QUERY_BYTES_MAX};
use crate::load::{Load, Overload, Underway};
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

/// The result of a request.
pub struct Executed {
    pub response: Response,
    /// Whether execution started. If it did not, the request as a whole was wrong.
    pub began: bool,
    /// Whether commands were executed, so that their outcome is returned even if the answer is too large.
    pub(crate) carried_out: bool,
    /// The limit on concurrent work that was reached.
    pub(crate) overload: Option<Overload>,
    stored: Arc<Stored>,
    /// A large answer has its place until it is written.
    _meter: Option<Arc<Meter>>,
}

/// The executable schema.
pub struct GraphQL {
    schema: Built,
    /// The same schema, for answers that can be large: they are counted while they are made.
    metered: Built,
    shapes: Shapes,
    parsed: Parsed,
    services: Arc<Services>,
    load: Arc<Load>,
}

impl GraphQL {
    /// Builds the schema.
    pub fn new(services: Arc<Services>) -> Self {
        let limits = services.limits;
        let deepest = limits.introspection_depth.max(limits.depth) + FRAGMENTS_INSIDE_MAX;
        let builder = || builder().data(Arc::clone(&services)).limit_recursive_depth(deepest);
        let (schema, metered) = (builder().finish(), builder().extension(Metered).finish());
        let load = Load::new(limits, services.pool.options().get_max_connections());
        let sdl = sdl();
        Self { shapes: Shapes::of(&sdl), parsed: Parsed::of(Sizes::of(&sdl)), schema, metered, services, load }
    }

    /// What the API needs of the service.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The concurrent work.
    pub(crate) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Executes a request, unless that takes too long or too much. Mutations are refused where only reading is allowed, as
    /// in GET.
    pub(crate) async fn execute(&self, sent: GraphQLRequest, asked: Asked, underway: &Arc<Underway>, how: How) -> Executed {
        let started = Instant::now();
        let (query, name) = (sent.query.clone(), sent.operation_name.clone().filter(|name| !name.is_empty()));
        let limits = &self.services.limits;
        let Prepared { request, order, known, carries_out } = match prepare(sent, how.only_read, limits, &self.parsed) {
            Ok(prepared) => prepared,
            Err(error) => return Executed::refused(Response::from_errors(vec![*error])),
        };
        let generation = self.services.application.log().generation();
        let meter = Arc::new(Meter::new(limits, known.type_names, carries_out, Arc::clone(underway)));
        let reader = Reader::new(&self.services, &meter);
        let loaders = Loaders { reader, workspace: asked.caller.workspace, now: self.services.application.clock().now() };
        let stored = Arc::new(Stored::default());
        let request = request.data(asked).data(Deadline(how.until)).data(Arc::clone(&stored)).data(Arc::clone(&meter));
        let request = request.data(DataLoader::new(loaders, tokio::spawn));
        let schema = if known.large { &self.metered } else { &self.schema };
        // It is large, and must not be moved about on the stack.
        let execution = AssertUnwindSafe(meter.in_slices(Box::pin(schema.execute(request)))).catch_unwind();
        let ended = tokio::time::timeout_at(how.until, async {
            tokio::select! {
                biased;
                stopped = meter.stop() => Ok(Response::from_errors(vec![of_the_whole(stopped.error())])),
                response = execution => response,
            }
        });
        let mut response = match ended.await {
            // Its reads may have exceeded a limit as well.
            Ok(Ok(response)) => match meter.stopped().filter(|_| !carries_out) {
                Some(stopped) => Response::from_errors(vec![of_the_whole(stopped.error())]),
                None => response,
            },
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
        // The positions of read models were those of the database before a failover. The result of a mutation stays
        // valid.
        if !carries_out && generation.has_changed().unwrap_or(false) {
            let message = "the database was restarted or replaced while the query was answered; try again";
            response = Response::from_errors(vec![of_the_whole(failure("UNAVAILABLE", message))]);
        }
        metrics::histogram!("milepost_api_request_duration_seconds").record(started.elapsed());
        // If nothing was executed there is no data, and errors say that validation failed.
        let began = response.data != Value::Null || response.errors.iter().any(|error| !error.path.is_empty());
        self.shapes.put_nulls(&query, name.as_deref(), &mut response);
        order.apply(&mut response.data);
        let overload = match meter.stopped() {
            Some(Stopped::Overload(overload)) if !carries_out => Some(overload),
            _ => None,
        };
        Executed { response: bounded(coded(response)), began, carried_out: carries_out, overload, stored, _meter: Some(meter) }
    }
}

/// The options of execution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// Mutations are refused.
    pub(crate) only_read: bool,
    pub(crate) until: tokio::time::Instant,
}

impl Executed {
    /// The error instead of an answer that is too large, with the commands that are stored all the same.
    pub(crate) fn too_large(&self, bytes: usize, allowed: usize) -> async_graphql::Error {
        self.stored.told_by(limit_exceeded("answerBytes", bytes, allowed))
    }

    /// A request that as a whole was wrong.
    fn refused(response: Response) -> Self {
        Self { response, began: false, carried_out: false, overload: None, stored: Arc::default(), _meter: None }
    }
}

/// Queries that were parsed before: programs send the same few texts again and again, with other variables.
pub(super) struct Parsed {
    documents: Cache<String, Arc<ExecutableDocument>>,
    sizes: Sizes,
}

impl Parsed {
    /// None yet, of a schema whose fields have these sizes.
    pub(super) fn of(sizes: Sizes) -> Self {
        let weigh = |query: &String, _: &Arc<ExecutableDocument>| u32::try_from(query.len() * PARSED_FACTOR).unwrap_or(u32::MAX);
        let documents = Cache::builder().weigher(weigh).max_capacity(PARSED_BYTES_MAX).time_to_idle(PARSED_FOR).build();
        Self { documents, sizes }
    }

    /// The parsed and checked query, and an estimate of its answer. The estimate depends on variables, so it is made
    /// each time.
    fn document(&self, query: &str, variables: &Variables, limits: &Limits) -> Result<(ExecutableDocument, Known), Box<ServerError>> {
        let refuse = |error: async_graphql::Error| Box::new(of_the_whole(error));
        if let Some(document) = self.documents.get(query) {
            let known = guard::check(&document, variables, limits, &self.sizes).map_err(refuse)?;
            return Ok(((*document).clone(), known));
        }
        guard::check_text(query, limits).map_err(refuse)?;
        if let Some(name) = doubled::field(query) {
            return Err(refuse(bad_input(&[], format!("the field {name:?} occurs twice in an object of the query"))));
        }
        let document = parse_query(query).map_err(|error| Box::new(with_code(ServerError::from(error), "BAD_USER_INPUT")))?;
        let known = guard::check(&document, variables, limits, &self.sizes).map_err(refuse)?;
        if query.len() <= PARSED_QUERY_BYTES_MAX {
            self.documents.insert(query.to_owned(), Arc::new(document.clone()));
        }
        Ok((document, known))
    }
}

/// A request that can be executed.
pub(super) struct Prepared {
    request: Request,
    order: Order,
    known: Known,
    /// Whether it is a mutation.
    carries_out: bool,
}

/// Parses, checks the limits, and takes out variables that were left out.
pub(super) fn prepare(sent: GraphQLRequest, only_read: bool, limits: &Limits, parsed: &Parsed) -> Result<Prepared, Box<ServerError>> {
    let refuse = |error: async_graphql::Error| Box::new(of_the_whole(error));
    let variables = sent.variables.unwrap_or_default();
    let name = sent.operation_name.filter(|name| !name.is_empty());
    let (mut document, known) = parsed.document(&sent.query, &variables, limits)?;
    let Some(operation) = guard::operation(&document, name.as_deref()) else {
        let message = match &name {
            Some(name) => format!("the query has no operation {name:?}"),
            None => "the query has several operations; set operationName".to_owned(),
        };
        return Err(refuse(bad_input(&["operationName"], message)));
    };
    let carries_out = operation.ty != OperationType::Query;
    if only_read && carries_out {
        return Err(refuse(failure("METHOD_NOT_ALLOWED", "GET supports only queries; send mutations with POST")));
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
    Ok(Prepared { request, order: order.unwrap_or_default(), known, carries_out })
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

/// No more errors than an answer may have.
fn bounded(mut response: Response) -> Response {
    let errors = response.errors.len();
    if errors > ERRORS_MAX {
        response.errors.truncate(ERRORS_MAX - 1);
        response.errors.push(of_the_whole(limit_exceeded("errors", errors, ERRORS_MAX)));
    }
    response
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
