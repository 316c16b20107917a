//! GraphiQL comes whole from the binary: no page of it asks anybody else for anything.

use super::{Answer, send};
use reqwest::Method;
use tests::app::TestApp;

async fn page(app: &TestApp, path: &str) -> Answer {
    send(&app.client.base, Method::GET, path, &[], "").await
}

/// The values of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!(" {name}=\"");
    page.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_all_it_loads_is_served_by_us() {
    let app = TestApp::start().await;
    let html = page(&app, "/graphiql").await;
    assert_eq!((html.status, html.header("content-type")), (200, "text/html; charset=utf-8"));
    let loaded: Vec<&str> = ["src", "href"].into_iter().flat_map(|name| attributes(&html.text, name)).collect();
    assert_eq!(loaded.iter().filter(|place| !place.starts_with("data:")).count(), 2, "a script and a style: {loaded:?}");
    for place in loaded.iter().filter(|place| !place.starts_with("data:")) {
        assert!(!place.contains("//"), "{place} is elsewhere");
        let file = page(&app, &format!("/{place}")).await;
        assert_eq!(file.status, 200, "{place}");
        let kind = if place.ends_with(".js") { "text/javascript; charset=utf-8" } else { "text/css; charset=utf-8" };
        assert_eq!(file.header("content-type"), kind, "{place}");
        assert!(file.text.len() > 1_000, "{place} is nearly empty");
        // What loads by itself; links that a person may follow are another matter.
        for loads in ["@import", "url(http", "url(//", "importScripts(\"http", "unpkg.com/", "cdn.jsdelivr", "esm.sh/", "fonts.googleapis"]
        {
            let found = file.text.find(loads).map(|at| file.text[at..].chars().take(80).collect::<String>());
            assert_eq!(found, None, "{place} loads something");
        }
    }
    assert!(
        !html.text.contains("<script>") && !html.text.contains("http://") || html.text.contains("www.w3.org/2000/svg"),
        "{}",
        html.text
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_are_told_to_load_from_nowhere_else() {
    let app = TestApp::start().await;
    for path in ["/graphiql", "/graphiql/graphiql.js", "/graphiql/graphiql.css", "/graphiql/LICENSES.txt"] {
        let file = page(&app, path).await;
        let policy = file.header("content-security-policy").to_owned();
        for rule in ["default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'none'"] {
            assert!(policy.contains(rule), "{path}: {rule} is not in {policy}");
        }
        assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-eval"), "{path}: {policy}");
        let scripts_inline = policy.split(';').any(|rule| rule.trim().starts_with("script-src") && rule.contains("unsafe-inline"));
        assert!(!scripts_inline, "{path}: {policy}");
        assert_eq!(file.header("x-content-type-options"), "nosniff", "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_has_a_file_gets_it_no_second_time() {
    let app = TestApp::start().await;
    for path in ["/graphiql", "/graphiql/graphiql.js"] {
        let tag = page(&app, path).await.header("etag").to_owned();
        assert!(!tag.is_empty(), "{path}");
        let again = send(&app.client.base, Method::GET, path, &[("if-none-match", tag.as_bytes())], "").await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
        let other = send(&app.client.base, Method::GET, path, &[("if-none-match", b"\"other\"")], "").await;
        assert_eq!(other.status, 200, "{path}");
    }
    let small = send(&app.client.base, Method::GET, "/graphiql/graphiql.js", &[("accept-encoding", b"gzip")], "").await;
    assert_eq!(small.header("content-encoding"), "gzip");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_leads_to_the_page() {
    let app = TestApp::start().await;
    for path in ["/", "/graphiql/"] {
        let answer = page(&app, path).await;
        assert!([307, 308].contains(&answer.status), "{path}: {}", answer.status);
        assert_eq!(answer.header("location"), "/graphiql", "{path}");
    }
    assert_eq!(page(&app, "/nowhere").await.status, 404);
    let licences = page(&app, "/graphiql/LICENSES.txt").await;
    assert!(licences.text.contains("graphiql") && licences.text.contains("MIT"), "whoever wrote it is named");
    app.stop().await;
}
