//! `fulcrum report` and `fulcrum results`, as a person gets them.

use serde_json::{Value, json};

use crate::data;
use crate::harness::TestServer;
use crate::process::{Ended, run};
use crate::results::trained;

/// The command against a server.
async fn fulcrum(server: &TestServer, arguments: &[&str]) -> Ended {
    let environment =
        vec![("FULCRUM_URL".to_owned(), server.url.clone()), ("FULCRUM_API_KEY".to_owned(), server.key.clone())];
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let command = move || run(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &environment);
    tokio::task::spawn_blocking(command).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_what_the_findings_say_in_every_form() {
    let server = TestServer::start().await;
    let (id, _, _) = trained(&server).await;
    let name = json!({"name": "<b>Landing</b> & *page*"});
    assert_eq!(server.call("PATCH", &format!("/api/v2/optimizations/{id}"), Some(&name)).await.status, 200);
    let results = server.call("GET", &format!("/api/v2/optimizations/{id}/results"), None).await.body;
    let sentence = results["findings"]["sentence"].as_str().unwrap();
    let verdict = results["findings"]["verdict"]["title"].as_str().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let written = fulcrum(&server, &["report", &id, "--out", path.to_str().unwrap()]).await;
    assert_eq!((written.status, written.stdout.as_str()), (Some(0), ""), "{written:?}");
    assert!(written.stderr.contains("Written to"), "{written:?}");
    let html = std::fs::read_to_string(&path).unwrap();
    assert!(html.contains(&format!("<p class=\"lead\">{sentence}</p>")), "{html}");
    assert!(html.contains(&format!("<strong>{verdict}</strong>")), "{html}");
    assert!(html.contains("&lt;b&gt;Landing&lt;/b&gt; &amp; *page*") && !html.contains("<b>"), "{html}");
    for part in [
        "Progress",
        "Impact, measured",
        "Impact, modelled",
        "Variants",
        "Factors",
        "Data quality",
        "What to do next",
        "How this was made",
    ] {
        assert!(html.contains(&format!("<h2>{part}</h2>")), "{part}");
    }
    // It needs nothing else: no script, no request.
    assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("href="), "{html}");
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert!(html.matches("<svg").count() >= 4 && !html.contains("NaN"), "{html}");

    let markdown = fulcrum(&server, &["report", &id, "--markdown"]).await;
    assert_eq!(markdown.status, Some(0), "{markdown:?}");
    assert!(markdown.stdout.starts_with("# \\<b\\>Landing\\</b\\> \\& \\*page\\*\n"), "{}", markdown.stdout);
    assert!(markdown.stdout.contains(&format!("**{verdict}.**")), "{}", markdown.stdout);

    let all = fulcrum(&server, &["report", &id, "--json"]).await;
    let all: Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(all["findings"], results["findings"]);
    assert_eq!(all["optimization"]["id"], json!(id));

    let both = fulcrum(&server, &["report", &id, "--json", "--markdown"]).await;
    assert_eq!(both.status, Some(2), "{both:?}");
    let nowhere = fulcrum(&server, &["report", &id, "--out", "/nowhere/report.html"]).await;
    assert_eq!(nowhere.status, Some(1), "{nowhere:?}");
    assert!(nowhere.stderr.contains("/nowhere/report.html"), "{nowhere:?}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_in_a_terminal_begin_with_the_answer() {
    let server = TestServer::start().await;
    let (id, _, _) = trained(&server).await;
    let results = server.call("GET", &format!("/api/v2/optimizations/{id}/results"), None).await.body;
    let shown = fulcrum(&server, &["results", &id]).await;
    assert_eq!(shown.status, Some(0), "{shown:?}");
    let at = |text: &str| shown.stdout.find(text).unwrap_or_else(|| panic!("{text} is not in {}", shown.stdout));
    let sentence = at(results["findings"]["sentence"].as_str().unwrap());
    let verdict = at(results["findings"]["verdict"]["why"].as_str().unwrap());
    assert!(
        sentence < verdict && verdict < at("Lift by day") && at("Lift by day") < at("By context"),
        "{}",
        shown.stdout
    );
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_what_is_not_measured_claims_nothing() {
    let server = TestServer::start().await;
    let (model, id) = server.model(&data::cmab()).await;
    let untrained = fulcrum(&server, &["report", &id, "--markdown"]).await;
    assert!(untrained.stdout.contains("Nothing is measured yet: no training run has finished."), "{untrained:?}");
    server.snapshot(&id, "1", &data::cells()).await;
    assert_eq!(server.train(&model).await.status, 200);
    let cells = fulcrum(&server, &["report", &id, "--markdown"]).await;
    assert!(cells.stdout.contains("the snapshot does not tell users apart"), "{cells:?}");
    assert!(cells.stdout.contains("**Measure first.**"), "{cells:?}");
    let unknown = fulcrum(&server, &["report", "00000000-0000-4000-8000-000000000000"]).await;
    assert_eq!(unknown.status, Some(1), "{unknown:?}");
    server.shutdown().await;
}
