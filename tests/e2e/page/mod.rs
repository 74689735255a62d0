//! The report and the live page in a real browser, with a run in which a stall must meet the eye. Pictures are kept in
//! `target/page/`.

mod browser;
mod fixture;
mod server;

use std::path::PathBuf;

use kingtide::metrics::MetricSummary;
use kingtide::report::page::report_html;
use kingtide::results::{Interval, Run};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::kit::{Project, root};

use self::browser::Browser;

/// How many charts are shown, and those of them that have something on their canvas.
const DRAWN: &str = "(() => {
  const shown = [...document.querySelectorAll('figure')].filter((figure) => !figure.hidden);
  const drawn = shown.filter((figure) => {
    const canvas = figure.querySelector('.plot canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3]) colours.add(data[at] << 16 | data[at + 1] << 8 | data[at + 2]);
    return colours.size > 4;
  });
  return [shown.map((figure) => figure.id), drawn.map((figure) => figure.id)];
})()";

/// The rows of all tables: the table's title, its texts and the last cell.
const ROWS: &str = "[...document.querySelectorAll('#tables section')].flatMap((section) =>
  [...section.querySelectorAll('tbody tr')].map((row) => [section.querySelector('h2').innerText,
    ...[...row.querySelectorAll('td.text')].map((cell) => cell.innerText), row.lastChild.innerText].join('|')))";

/// Charts that have come into view are drawn by then.
const TWO_FRAMES: &str = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";

fn artefact(name: &str) -> PathBuf {
    root().join("target/page").join(name)
}

/// The page as long as it is, so that every chart is drawn, and a picture of it.
async fn whole_page(browser: &mut Browser, width: u32, name: &str) {
    browser.size(width, 16_000).await;
    let drawn =
        "[...document.querySelectorAll('figure:not([hidden]) .plot canvas')].every((canvas) => canvas.style.height)";
    browser.until(drawn).await;
    let height = browser
        .value("Math.ceil(document.body.getBoundingClientRect().height)")
        .await;
    let height = height
        .as_u64()
        .and_then(|height| u32::try_from(height).ok())
        .expect("a height");
    browser.size(width, height).await;
    browser.value(TWO_FRAMES).await;
    browser.picture(&artefact(name)).await;
}

#[test]
fn a_report_is_one_small_document_that_holds_its_data() {
    let run = fixture::run(300);
    let page = report_html(&run);
    let (_, rest) = page.split_once("id=\"data\">").expect("the data are there");
    let (data, _) = rest.split_once("</script>").expect("they end");
    assert!(
        page.len() - data.len() < 400_000,
        "{} bytes without data",
        page.len() - data.len()
    );
    assert!(
        page.matches("</script>").count() == 2 && !page.contains("<script>alert"),
        "a name broke out"
    );
    for outside in ["http://", "https://", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let data: Value = serde_json::from_str(data).expect("they are JSON");
    assert_eq!(data["intervals"].as_array().map(Vec::len), Some(300));
    assert_eq!(
        data["summary"],
        serde_json::to_value(&run.summary).expect("a summary can be written")
    );
    // Without scripts it still tells the verdict, the counts and the stall.
    let (_, plain) = page.split_once("<noscript>").expect("there is a fallback");
    let (plain, _) = plain.split_once("</noscript>").expect("it ends");
    assert!(
        plain.contains("<h1>Fail (exit code 99)</h1>") && plain.contains("POST /api/orders"),
        "{plain}"
    );
    assert!(plain.contains("<td>140</td><td>450</td><td>150</td>"), "{plain}");
}

#[test]
fn thresholds_stand_as_they_did_at_the_end_of_the_load() {
    let mut run = fixture::run(3);
    run.intervals.push(Interval {
        second: 3,
        after_load: true,
        ..Interval::default()
    });
    let page = report_html(&run);
    let (_, rest) = page.split_once("id=\"data\">").expect("the data are there");
    let (data, _) = rest.split_once("</script>").expect("they end");
    let data: Value = serde_json::from_str(data).expect("they are JSON");
    let many = |at: usize| data["intervals"][at]["thresholds"].as_array().map(Vec::len);
    assert_eq!([many(1), many(2), many(3)], [None, Some(3), None]);
}

/// The figures that do not fit into their places.
const CRAMPED: &str = "[...document.querySelectorAll('#figures div')]
  .filter((figure) => figure.scrollWidth > figure.clientWidth).map((figure) => figure.innerText)";

#[tokio::test]
async fn figures_have_room_on_every_screen_and_on_paper() {
    let project = Project::new();
    project.file("report.html", report_html(&fixture::run(60)));
    let url = format!("file://{}", project.path("report.html").display());
    let mut browser = Browser::open(1440, 900, "light").await;
    browser
        .visit(&url, "document.documentElement.dataset.drawn === '60'")
        .await;
    for media in ["screen", "print"] {
        browser
            .call("Emulation.setEmulatedMedia", json!({ "media": media }))
            .await;
        for width in [390, 640, 701, 720, 800, 900, 1000, 1100, 1200, 1280, 1440] {
            browser.size(width, 900).await;
            browser.value(TWO_FRAMES).await;
            assert_eq!(browser.value(CRAMPED).await, json!([]), "{media}, {width} pixels");
            browser
                .picture(&artefact(&format!("figures-{media}-{width}.png")))
                .await;
        }
    }
}

/// That the tables tell how many requests of each name and stage there were, and how many failed.
async fn tells_the_parts(browser: &mut Browser, run: &Run) {
    let rows = browser.value(ROWS).await;
    let failed = &run.summary.as_ref().expect("it ended").metrics["http_req_failed{name:POST /api/orders}"];
    let MetricSummary::Rate { rate: Some(rate), .. } = failed else {
        panic!("{failed:?}")
    };
    assert!((0.04995..0.05005).contains(rate), "{rate}");
    for row in [
        "By name|POST /api/orders|HTTP request|5\u{202f}%",
        "By stage|browse|hold|HTTP request|",
    ] {
        assert!(
            rows.as_array().is_some_and(|rows| rows.contains(&json!(row))),
            "{row}: {rows}"
        );
    }
}

#[tokio::test]
async fn a_report_shows_a_stall_at_a_glance_on_every_screen() {
    let project = Project::new();
    let run = fixture::run(300);
    project.file("report.html", report_html(&run));
    let url = format!("file://{}", project.path("report.html").display());
    for (width, height, scheme) in [
        (1440, 900, "light"),
        (1440, 900, "dark"),
        (390, 844, "light"),
        (390, 844, "dark"),
    ] {
        let mut browser = Browser::open(width, height, scheme).await;
        browser
            .visit(&url, "document.documentElement.dataset.drawn === '300'")
            .await;
        browser.value(TWO_FRAMES).await;
        browser
            .picture(&artefact(&format!("report-{width}-{scheme}.png")))
            .await;
        whole_page(&mut browser, width, &format!("report-{width}-{scheme}-all.png")).await;
        let drawn = browser.value(DRAWN).await;
        assert_eq!(drawn[0], drawn[1], "charts that are blank");
        assert!(drawn[0].as_array().is_some_and(|charts| charts.len() >= 12), "{drawn}");
        assert_eq!(
            browser
                .value("document.documentElement.scrollWidth <= innerWidth")
                .await,
            json!(true)
        );
        let text = browser.value("document.getElementById('moments').innerText").await;
        assert!(
            text.as_str()
                .is_some_and(|text| text.contains("Stall from 2:20 to 2:35")),
            "{text}"
        );
        assert_eq!(
            browser
                .value("document.getElementById('word').innerText.toLowerCase()")
                .await,
            "fail"
        );
        tells_the_parts(&mut browser, &run).await;
        assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
        assert_eq!(
            browser
                .requests()
                .iter()
                .filter(|to| !to.starts_with("data:") && **to != url)
                .count(),
            0,
            "{:?}",
            browser.requests()
        );
    }
}

#[tokio::test]
async fn the_slowest_traces_are_listed_linked_and_marked() {
    let mut run = fixture::run(60);
    let traces = json!({ "sampling": 0.5, "url": "https://traces.test/{trace_id}", "run": "r" });
    let header = run.header.as_mut().expect("it has a header");
    header.run.traces = serde_json::from_value(traces).ok();
    let mut slowest = (0.0, String::new());
    for (at, interval) in run.intervals.iter_mut().enumerate() {
        for series in &mut interval.series {
            if !matches!(series.metric.as_str(), "http_req_duration" | "http_req_response_time") {
                continue;
            }
            let kingtide::results::Values::Trend(trend) = &mut series.values else {
                continue;
            };
            let name = series.tags.get("name").map_or(0, String::len);
            let id = format!("{:032x}", 1_000 * (at + 1) + name);
            let exemplar = json!({ "value": trend.max, "trace_id": id, "at_ms": interval.at_ms + 500 });
            trend.exemplar = serde_json::from_value(exemplar).ok();
            if name > 0 && trend.max > slowest.0 {
                slowest = (trend.max, id);
            }
        }
    }
    let project = Project::new();
    let page = report_html(&run);
    let link = format!("https://traces.test/{}", slowest.1);
    let (_, plain) = page.split_once("<noscript>").expect("there is a fallback");
    let (plain, _) = plain.split_once("</noscript>").expect("it ends");
    assert!(
        plain.contains(&format!("<a href=\"{link}\"")),
        "no link without scripts"
    );
    project.file("report.html", &page);
    let url = format!("file://{}", project.path("report.html").display());
    let mut browser = Browser::open(1440, 900, "light").await;
    browser
        .visit(&url, "document.documentElement.dataset.drawn === '60'")
        .await;
    whole_page(&mut browser, 1440, "report-traces.png").await;
    let links = "[...document.querySelectorAll('#tables a')].map((link) => link.href)";
    let links = browser.value(links).await;
    assert_eq!(
        (&links[0], links.as_array().map(Vec::len)),
        (&json!(link), Some(20)),
        "{links}"
    );
    let legend = browser
        .value("document.querySelector('#chart-heat .legend').innerText")
        .await;
    assert!(
        legend.as_str().is_some_and(|text| text.contains("slowest trace")),
        "{legend}"
    );
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

#[tokio::test]
async fn the_crosshair_is_shared_and_follows_the_keys() {
    let project = Project::new();
    project.file("report.html", report_html(&fixture::run(300)));
    let mut browser = Browser::open(1440, 2400, "light").await;
    let url = format!("file://{}", project.path("report.html").display());
    browser
        .visit(&url, "document.querySelector('#chart-rate .plot canvas')?.style.height")
        .await;
    browser
        .value("document.querySelector('#chart-rate .plot').focus()")
        .await;
    browser.press("Home").await;
    for _ in 0..3 {
        browser.press("ArrowRight").await;
    }
    browser
        .until("document.getElementById('readout').textContent.startsWith('at 0:03')")
        .await;
    let said = browser
        .value("document.querySelector('#chart-rate .plot').getAttribute('aria-valuetext')")
        .await;
    assert!(
        said.as_str()
            .is_some_and(|said| said.starts_with("0:03, ") && said.contains("orders offered 60/s")),
        "{said}"
    );
    let hairs = browser
        .value("[...document.querySelectorAll('.hair')].filter((hair) => !hair.hidden && hair.offsetParent).length")
        .await;
    assert!(hairs.as_u64().is_some_and(|hairs| hairs >= 4), "{hairs}");
    browser.press("Escape").await;
    browser
        .until("document.getElementById('readout').textContent === ''")
        .await;
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

/// Percentiles of everything, as the page works them out of the seconds.
const MERGED: &str = "Object.fromEntries([...kingtide.model().series.values()].filter((series) => series.type === 'trend').map((series) => {
  const total = series.total;
  return [series.key, [total.count, total.min, total.max, total.mean(), ...[0, 50, 90, 95, 99, 99.9, 100].map((p) => total.percentile(p))]];
}))";

#[tokio::test]
async fn the_live_page_has_the_whole_history_and_merges_seconds_as_the_engine_does() {
    let run = fixture::run(300);
    let server = server::Server::start(&run).await;
    server.send(200).await;
    let mut browser = Browser::open(1440, 900, "dark").await;
    browser
        .visit(&server.url, "document.documentElement.dataset.drawn === '200'")
        .await;
    assert_eq!(
        browser
            .value("document.getElementById('word').innerText.toLowerCase()")
            .await,
        "running"
    );
    assert_eq!(
        browser.value("document.getElementById('control').hidden").await,
        json!(true),
        "there is no token"
    );
    // It begins anew when the connection is lost, and takes nothing twice.
    server.cut().await;
    server.send(300).await;
    browser.until("document.documentElement.dataset.drawn === '300'").await;
    whole_page(&mut browser, 1440, "live-1440-dark-all.png").await;
    let merged = browser.value(MERGED).await;
    let trends = fixture::trends(&run.intervals);
    assert_eq!(merged.as_object().map(serde_json::Map::len), Some(trends.len()));
    for (key, trend) in trends {
        let percentiles = [0.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0].map(|p| trend.percentile(p));
        // The engine rounds sums to whole units, each of 0.1 µs.
        let mean = merged[&key][3].as_f64().expect("a number");
        assert!(
            trend.mean().is_some_and(|known| (mean - known).abs() < 1e-4),
            "{key}: {mean}"
        );
        let mut expected = vec![Some(trend.min), Some(trend.max), Some(mean)];
        expected.extend(percentiles);
        assert_eq!(merged[&key][0], trend.count, "{key}");
        for (got, expected) in merged[&key].as_array().expect("a list")[1..].iter().zip(expected) {
            let (got, expected) = (got.as_f64().expect("a number"), expected.expect("there are samples"));
            assert!(
                (got - expected).abs() <= expected * 1e-9,
                "{key}: {got} is not {expected}"
            );
        }
    }
    server.end().await;
    browser
        .until("document.getElementById('word').innerText.toLowerCase() === 'fail'")
        .await;
    assert_eq!(
        browser.value("document.getElementById('link').textContent").await,
        "the run is over"
    );
    let off = browser
        .requests()
        .into_iter()
        .filter(|to| !to.starts_with(&server.url) && !to.starts_with("data:"));
    assert_eq!(off.count(), 0);
    // The connection that was cut is no surprise; nothing else may be told.
    let others = browser
        .complaints()
        .into_iter()
        .filter(|text| !text.contains("ERR_INCOMPLETE_CHUNKED_ENCODING") && !text.contains("\"network\""));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<String>::new());
}

/// Two minutes of a steady load whose first half was merged into steps of 8 s, as the history of a long run is, with 1,000
/// requests in `setup` and 500 in `teardown`.
fn steady() -> Run {
    let requests = |value: u64| json!({ "metric": "http_reqs", "type": "counter", "tags": {}, "value": value });
    let interval = |second: u64, seconds: u64| {
        let many = 100 * seconds;
        let before: Vec<_> = (second == 0).then(|| requests(1_000)).into_iter().collect();
        let iterations = json!({ "offered": many, "started": many, "completed": many - seconds, "failed": seconds });
        let waits = json!({ "metric": "http_req_duration", "type": "trend", "unit": "ms", "tags": {}, "count": many,
            "sum": many, "min": 1, "max": 1, "buckets": [[4_322, many]] });
        json!({ "second": second, "at_ms": 1_000 * second, "duration_ms": 1_000 * seconds, "outside": before,
            "scenarios": { "orders": { "iterations": iterations, "vus": 10, "queued": 2 } },
            "series": [requests(many + 1_000 * before.len() as u64), waits],
            "checks": [{ "name": "ok", "group": "", "passes": many, "fails": 0 }], "generator": { "cpu_percent": 5 } })
    };
    let old = (0..64).step_by(8).map(|second| interval(second, 8));
    let new = (64..129).map(|second| interval(second, 1));
    let after =
        json!({ "second": 129, "at_ms": 129_000, "duration_ms": 9, "after_load": true, "series": [requests(500)] });
    let all = old.chain(new).chain([after]);
    let intervals = all.map(|interval| serde_json::from_value(interval).expect("it is an interval"));
    Run {
        intervals: intervals.collect(),
        ..fixture::run(3)
    }
}

/// What each second is said to have had: one number when it is the same for all of them.
const EACH: &str = "(() => {
  const model = kingtide.model();
  const always = (values) => (values.length === 129 && values.every((value) => value === values[0]) ? values[0] : values);
  return { requests: always(model.requests()), offered: always(model.counts('offered')), users: always(model.counts('vus')),
    queued: always(model.counts('queued')), p95: always(model.get('http_req_duration').column('p95', 129)),
    cpu: always(model.generator.cpu), sums: [model.get('http_reqs').total.value, model.get('http_req_duration').total.count] };
})()";

#[tokio::test]
async fn seconds_that_were_merged_are_drawn_as_the_load_they_were() {
    let server = server::Server::start(&steady()).await;
    server.send(74).await;
    let mut browser = Browser::open(1440, 900, "light").await;
    let all = "kingtide.model()?.late && document.documentElement.dataset.drawn === '129'";
    browser.visit(&server.url, all).await;
    let row = "'Counters, shares and gauges|http_reqs|100/s'";
    browser.until(&format!("{ROWS}.includes({row})")).await;
    let expected = json!({ "requests": 100, "offered": 100, "users": 10, "queued": 2, "p95": 1, "cpu": 5, "sums": [14_400, 12_900] });
    assert_eq!(browser.value(EACH).await, expected);
    let figures = browser.value("document.getElementById('figures').innerText").await;
    assert!(figures.as_str().is_some_and(|text| text.contains("100/s")), "{figures}");
    let calm = browser.value("document.getElementById('moments').hidden").await;
    assert_eq!(calm, json!(true), "the load was steady");
    whole_page(&mut browser, 1440, "live-merged.png").await;
    browser.value("kingtide.cursor(3)").await;
    browser
        .until("document.getElementById('readout').textContent.startsWith('at 0:03')")
        .await;
    // Offered and achieved; passed.
    for (chart, many) in [("rate", 2), ("checks", 1)] {
        let legend = format!("document.querySelector('#chart-{chart} .legend').innerText");
        let legend = browser.value(&legend).await;
        assert_eq!(
            legend.as_str().map(|text| text.matches("100/s").count()),
            Some(many),
            "{legend}"
        );
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn with_a_token_the_live_page_steers() {
    let run = fixture::run(60);
    let server = server::Server::start(&run).await;
    server.send(60).await;
    let mut browser = Browser::open(390, 844, "light").await;
    browser
        .visit(
            &format!("{}#token=secret", server.url),
            "document.querySelector('#control button:not([disabled])')",
        )
        .await;
    browser.value("document.querySelector('#control button').click()").await;
    browser
        .until("document.querySelector('#control button').textContent === 'Resume'")
        .await;
    browser.value("(() => { const form = document.querySelector('#control form'); form.querySelector('input').value = '25'; form.requestSubmit(); })()").await;
    browser
        .until("document.querySelector('#control output').textContent.includes('25')")
        .await;
    browser.picture(&artefact("live-390-light.png")).await;
    let asked = server.commands();
    let expected = [("/v1/pause", ""), ("/v1/scenarios/orders%20a/rate", "{\"rate\":25}")];
    assert_eq!(asked, expected.map(|(path, body)| (path.to_owned(), body.to_owned())));
}

#[tokio::test]
async fn half_an_hour_stays_smooth() {
    let run = fixture::run(1_800);
    let page = report_html(&run);
    eprintln!("a report of 30 minutes: {} kB", page.len() / 1_000);
    let project = Project::new();
    project.file("report.html", page);
    let mut browser = Browser::open(1440, 900, "dark").await;
    let url = format!("file://{}", project.path("report.html").display());
    browser
        .visit(&url, "document.documentElement.dataset.drawn === '1800'")
        .await;
    whole_page(&mut browser, 1440, "report-30-minutes.png").await;
    let took = browser
        .value("(() => { const start = performance.now(); kingtide.draw(); return performance.now() - start; })()")
        .await;
    eprintln!(
        "drawing all of it: {took} ms; loaded in {} ms",
        browser
            .value("performance.timing.loadEventEnd - performance.timing.navigationStart")
            .await
    );
    // Once a second everything is drawn again: most of that second must be free, also on a busy machine.
    assert!(took.as_f64().is_some_and(|took| took < 500.0), "{took} ms");
}

#[tokio::test]
async fn a_run_whose_setup_fails_has_its_verdict_on_the_live_page() {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let project = Project::with(
        "return { exec = function() end, setup = function() http.get(kt.env 'BASE_URL') error 'the shop is not there' end }",
    )
    .against(&format!("http://{address}"));
    let mut running = project.start(&["j.lua", "--ui=127.0.0.1:0"]);
    let line = running.said("ui: ").await;
    let url = line.strip_prefix("ui: ").expect("it is as documented");
    let (mut stream, _) = listener.accept().await.expect("setup asks");
    let mut browser = Browser::open(1440, 900, "light").await;
    let sentence = |part: &str| format!("document.getElementById('sentence').innerText.includes('{part}')");
    browser.visit(url, &sentence("setup runs")).await;
    browser.picture(&artefact("live-before-the-load.png")).await;
    let answer = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    answer.await.expect("it waits for that");
    browser.until(&sentence("the shop is not there")).await;
    let word = "document.getElementById('word').innerText.toLowerCase()";
    assert_eq!(browser.value(word).await, "fail");
    browser.picture(&artefact("live-without-a-load.png")).await;
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    assert_eq!(running.ended().await.code, Some(107));
}

/// The page, its headers and its stream as a run serves them.
#[tokio::test]
async fn a_run_serves_its_page_to_a_real_browser() {
    let script = root().join("scripts/shop/create_orders.lua");
    let script = script.to_str().expect("the repository's path is text");
    let project = Project::new();
    let args = [script, "--demo", "-d", "8s", "--rate", "20", "--ui=127.0.0.1:0"];
    let mut running = project.start(&args);
    let line = running.said("ui: ").await;
    let url = line.strip_prefix("ui: ").expect("it is as documented");
    let mut browser = Browser::open(1440, 900, "light").await;
    browser
        .visit(url, "Number(document.documentElement.dataset.drawn) >= 3")
        .await;
    browser
        .until("document.querySelector('#control button:not([disabled])')")
        .await;
    whole_page(&mut browser, 1440, "live-of-a-run.png").await;
    // The end comes over the stream too.
    browser
        .until("document.getElementById('word').innerText.toLowerCase() === 'pass'")
        .await;
    let offered = "document.body.innerText.includes('160')";
    browser.until(offered).await;
    browser.value(TWO_FRAMES).await;
    let charts = browser.value(DRAWN).await;
    assert!(charts[0].as_array().is_some_and(|shown| shown.len() >= 6), "{charts}");
    assert_eq!(charts[0], charts[1], "every chart has something on it");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let origin = url.split("/#").next().expect("a URL has a beginning");
    let elsewhere: Vec<String> = browser
        .requests()
        .into_iter()
        .filter(|to| !to.starts_with(origin))
        .collect();
    assert_eq!(elsewhere, Vec::<String>::new());
    let ran = running.ran().await;
    ran.exits(0);
    assert_eq!(ran.counts("orders"), [160, 160, 160, 0, 0, 0]);
}
