//! The mutations: one for each row in the application's table of commands.

use super::inputs::{self, IntoInput};
use super::payload::{PayloadOf, answer};
use application::command::Command;
use async_graphql::{Context, Object, Result};
use domain::aggregates::*;

/// Makes [`Mutation`] of the rows of `application/src/command/table.rs`, of which it uses the first line and the description. Of
/// `TaskComplete(TaskInput) -> Task = "taskComplete" => Row { .. }` it makes
///
/// ```ignore
/// #[graphql(name = "taskComplete")]
/// async fn TaskComplete(&self, ctx: &Context<'_>, input: inputs::TaskInput) -> Result<Option<TaskPayload>> {
///     answer(ctx, Command::TaskComplete(input.into_input()?)).await
/// }
/// ```
macro_rules! mutations {
    ($($(#[$doc:meta])+ $variant:ident($input:ident) -> $aggregate:ident = $name:literal => $row:expr,)+) => {
        /// Mutations. Each is one command; several mutations in one request are executed in order.
        #[derive(Default)]
        pub struct Mutation;

        /// Mutations. Each is one command; several mutations in one request are executed in order.
        #[Object]
        #[allow(non_snake_case)]
        impl Mutation {$(
            $(#[$doc])+
            #[graphql(name = $name)]
            async fn $variant(
                &self,
                ctx: &Context<'_>,
                #[graphql(desc = "Input of the command.")] input: inputs::$input,
            ) -> Result<Option<PayloadOf<$aggregate>>> {
                let input = input.into_input().map_err(|wrong| wrong.error())?;
                answer(ctx, Command::$variant(input)).await
            }
        )+}
    };
}

application::command_table!(mutations);
