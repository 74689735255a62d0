//! `kingtide ctl`: sends a command to a run that was started with `--control`, and prints its answer.

use anyhow::{Context as _, anyhow};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use url::Url;

use super::args::{CtlArgs, CtlCommand};
use super::{Failure, block_on, terminal};
use crate::control::Status;
use crate::net::{Client, HeaderList, HttpConfig, Request, Shared};
use crate::results::ExitCode;

pub(super) fn command(args: CtlArgs) -> Result<u8, Failure> {
    let needed = |option: &str, variable: &str| {
        let text = format!("{option} is missing: give it as the run printed it, or set {variable}");
        Failure::new(ExitCode::Usage, anyhow!(text))
    };
    let at = args.at.as_ref().ok_or_else(|| needed("--at URL", "KINGTIDE_CONTROL"))?;
    let token = args.token.as_deref();
    let token = token.ok_or_else(|| needed("--token TOKEN", "KINGTIDE_TOKEN"))?;
    let answer = block_on(send(at, token, &args.command))?.map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    let text = match serde_json::from_value::<Status>(answer.clone()) {
        Ok(status) if !args.json => text(&status),
        _ => format!("{answer:#}\n"),
    };
    terminal::out(&text);
    Ok(ExitCode::Passed.number())
}

/// The run's answer; what it refuses is an error.
async fn send(at: &Url, token: &str, command: &CtlCommand) -> anyhow::Result<Value> {
    let (method, path, body) = request(command);
    let mut url = at.clone();
    extend(&mut url, &path)?;
    let token = HeaderValue::from_str(&format!("Bearer {token}")).context("--token holds no token")?;
    let shared = Shared::new(HttpConfig::default())?;
    let request = Request {
        headers: HeaderList::from_iter([(header::AUTHORIZATION, token)]),
        body: body.map_or_else(String::new, |body| body.to_string()).into(),
        redirects: 0,
        ..Request::new(method, url)
    };
    let exchange = Client::new(shared, 0).fetch(request).await;
    let response = exchange
        .outcome
        .map_err(|error| anyhow!("no run answers at {at}: {}", error.message))?;
    let answer: Value = serde_json::from_slice(response.body())
        .with_context(|| format!("what answers at {at} is no run of kingtide"))?;
    if response.status == 200 {
        return Ok(answer);
    }
    let reason = answer["error"].as_str().unwrap_or("refused without a reason");
    Err(anyhow!("{reason}"))
}

type Parts = (Method, Vec<String>, Option<Value>);

fn request(command: &CtlCommand) -> Parts {
    let of_run = |what: &str| (Method::POST, vec![what.to_owned()], None);
    let of_scenario = |name: &str, what: &str, body| {
        let path = ["scenarios", name, what].map(str::to_owned).to_vec();
        (Method::POST, path, Some(body))
    };
    match command {
        CtlCommand::Status => (Method::GET, vec!["status".to_owned()], None),
        CtlCommand::Pause => of_run("pause"),
        CtlCommand::Resume => of_run("resume"),
        CtlCommand::Stop => of_run("stop"),
        CtlCommand::Rate { scenario, rate } => of_scenario(scenario, "rate", json!({ "rate": rate })),
        CtlCommand::Vus { scenario, vus } => of_scenario(scenario, "vus", json!({ "vus": vus })),
    }
}

fn extend(url: &mut Url, path: &[String]) -> anyhow::Result<()> {
    let at = url.to_string();
    let mut segments = url
        .path_segments_mut()
        .map_err(|()| anyhow!("--at {at} is no address of a run; it begins with http://"))?;
    segments.pop_if_empty().push("v1").extend(path);
    Ok(())
}

/// `running, 12 s` and a line for each scenario.
fn text(status: &Status) -> String {
    let state = serde_json::to_value(status.state).unwrap_or_default();
    let mut text = format!(
        "{}{}, {:.0} s\n",
        state.as_str().unwrap_or_default(),
        if status.paused { ", paused" } else { "" },
        status.elapsed_ms as f64 / 1e3
    );
    for scenario in &status.scenarios {
        let mut parts = vec![format!("{:.1}/s", scenario.rate), format!("{} VUs", scenario.vus)];
        parts.extend(scenario.set_rate.map(|rate| format!("rate set to {rate}")));
        parts.extend(scenario.set_vus.map(|vus| format!("VUs set to {vus}")));
        parts.push(format!("{} started", scenario.started));
        parts.push(format!("{} finished", scenario.finished));
        if scenario.waiting > 0 {
            parts.push(format!("{} waiting", scenario.waiting));
        }
        if scenario.dropped > 0 {
            parts.push(format!("{} dropped", scenario.dropped));
        }
        text.push_str(&format!(
            "{} ({}): {}\n",
            scenario.name,
            scenario.executor,
            parts.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_become_requests_below_the_given_address() {
        // (address, command, URL, body)
        let name = || "a b/c".to_owned();
        let table = [
            (
                "http://127.0.0.1:1",
                CtlCommand::Status,
                "http://127.0.0.1:1/v1/status",
                None,
            ),
            (
                "http://127.0.0.1:1/",
                CtlCommand::Stop,
                "http://127.0.0.1:1/v1/stop",
                None,
            ),
            (
                "http://h/behind",
                CtlCommand::Rate {
                    scenario: name(),
                    rate: 2.5,
                },
                "http://h/behind/v1/scenarios/a%20b%2Fc/rate",
                Some(json!({ "rate": 2.5 })),
            ),
            (
                "http://h",
                CtlCommand::Vus {
                    scenario: name(),
                    vus: 3,
                },
                "http://h/v1/scenarios/a%20b%2Fc/vus",
                Some(json!({ "vus": 3 })),
            ),
        ];
        for (at, command, expected, body) in table {
            let mut url = Url::parse(at).unwrap();
            let (_, path, sent) = request(&command);
            extend(&mut url, &path).unwrap();
            assert_eq!((url.as_str(), sent), (expected, body));
        }
        assert!(extend(&mut Url::parse("data:x").unwrap(), &["status".to_owned()]).is_err());
    }

    #[test]
    fn a_status_is_a_line_and_one_for_each_scenario() {
        let status = json!({ "state": "running", "paused": true, "elapsed_ms": 12_300, "scenarios": [
            { "name": "sagas", "executor": "constant-arrival-rate", "offered": 9, "started": 8, "finished": 7, "dropped": 1,
              "waiting": 2, "vus": 3, "rate": 4.0, "set_rate": 4.5 } ] });
        let status: Status = serde_json::from_value(status).unwrap();
        let expected = "running, paused, 12 s\nsagas (constant-arrival-rate): 4.0/s, 3 VUs, rate set to 4.5, 8 started, \
                        7 finished, 2 waiting, 1 dropped\n";
        assert_eq!(text(&status), expected);
    }
}
