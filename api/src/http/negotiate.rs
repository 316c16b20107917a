//! Media types of GraphQL over HTTP: of requests and of answers.

/// The media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// `application/json`: a well-formed request is answered with 200, also if it fails.
    Json,
    /// `application/graphql-response+json`: the status says whether the request could be executed.
    GraphQLResponse,
}

impl Answer {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphQLResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// The best answer that a client accepts; `None` if it accepts none of ours.
pub(super) fn answer(accept: Option<&str>) -> Option<Answer> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Some(Answer::Json) };
    let mut best: Option<(f32, Answer)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<(String, String)> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_ascii_lowercase()))
            .collect();
        let given = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if given("charset").is_some_and(|charset| charset != "utf-8") {
            continue;
        }
        let answer = match media.as_str() {
            "application/graphql-response+json" => Answer::GraphQLResponse,
            "application/json" | "application/*" | "*/*" => Answer::Json,
            _ => continue,
        };
        let weight = given("q").and_then(|q| q.parse().ok()).unwrap_or(1.0_f32);
        if weight > 0.0 && best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, answer));
        }
    }
    best.map(|(_, answer)| answer)
}

/// Whether a body is JSON in UTF-8.
pub(super) fn is_json(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return false };
    let mut parts = content_type.split(';').map(str::trim);
    let json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    let utf8 = parts
        .filter_map(|part| part.split_once('='))
        .all(|(name, value)| !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"));
    json && utf8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_best_that_the_client_accepts() {
        for (accept, expected) in [
            (None, Some(Answer::Json)),
            (Some("*/*"), Some(Answer::Json)),
            (Some("application/*"), Some(Answer::Json)),
            (Some("application/json"), Some(Answer::Json)),
            (Some("application/graphql-response+json"), Some(Answer::GraphQLResponse)),
            (Some("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"), Some(Answer::GraphQLResponse)),
            (Some("application/graphql-response+json, application/json;q=0.9"), Some(Answer::GraphQLResponse)),
            (Some("application/graphql-response+json;q=0.5, application/json"), Some(Answer::Json)),
            (Some("application/json;q=0"), None),
            (Some("text/html"), None),
            (Some("application/json; charset=iso-8859-1"), None),
        ] {
            assert_eq!(answer(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_body_is_json_in_utf_8_or_refused() {
        for (content_type, expected) in [
            (Some("application/json"), true),
            (Some("application/json; charset=utf-8"), true),
            (Some("Application/JSON;charset=\"UTF-8\""), true),
            (Some("application/json; charset=iso-8859-1"), false),
            (Some("text/plain"), false),
            (Some("application/graphql"), false),
            (None, false),
        ] {
            assert_eq!(is_json(content_type), expected, "{content_type:?}");
        }
    }
}
