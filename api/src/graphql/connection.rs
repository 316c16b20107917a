//! Pages as Relay wants them.

use async_graphql::SimpleObject;

/// Position of a page in its list.
#[derive(Debug, Clone, SimpleObject)]
pub struct PageInfo {
    /// Whether more items follow.
    pub has_next_page: bool,
    /// Whether there are items before this page.
    pub has_previous_page: bool,
    /// Cursor of the first item, to page backward with `before`.
    pub start_cursor: Option<String>,
    /// Cursor of the last item, to page forward with `after`.
    pub end_cursor: Option<String>,
}

macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty, $what:literal) => {
        #[doc = concat!("A page of ", $what, ".")]
        pub struct $connection {
            edges: Vec<$edge>,
            has_next: bool,
            has_previous: bool,
            total: i64,
        }

        #[doc = concat!("An item of a page of ", $what, ".")]
        pub struct $edge {
            node: $node,
            place: projections::querying::page::Place,
        }

        #[doc = concat!("An item of a page of ", $what, ".")]
        #[async_graphql::Object]
        impl $edge {
            /// The item.
            async fn node(&self) -> &$node {
                &self.node
            }

            /// Cursor of the item, for `after` and `before`.
            async fn cursor(&self) -> String {
                self.place.cursor()
            }
        }

        #[doc = concat!("A page of ", $what, ".")]
        #[async_graphql::Object]
        impl $connection {
            /// The items with their cursors.
            async fn edges(&self) -> &Vec<$edge> {
                &self.edges
            }

            /// The items.
            async fn nodes(&self) -> Vec<&$node> {
                self.edges.iter().map(|edge| &edge.node).collect()
            }

            /// Position of the page in the list.
            async fn page_info(&self) -> $crate::graphql::connection::PageInfo {
                $crate::graphql::connection::PageInfo {
                    has_next_page: self.has_next,
                    has_previous_page: self.has_previous,
                    start_cursor: self.edges.first().map(|edge| edge.place.cursor()),
                    end_cursor: self.edges.last().map(|edge| edge.place.cursor()),
                }
            }

            /// Number of items in the whole list.
            async fn total_count(&self) -> i32 {
                $crate::graphql::scalars::count(self.total)
            }
        }

        impl From<projections::querying::page::Page<$node>> for $connection {
            fn from(page: projections::querying::page::Page<$node>) -> Self {
                let edges = page.rows.into_iter().map(|(node, place)| $edge { node, place }).collect();
                // Counted only where it was asked for.
                Self { edges, has_next: page.has_next, has_previous: page.has_previous, total: page.total.unwrap_or_default() }
            }
        }
    };
}

pub(crate) use connection;
