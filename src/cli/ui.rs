//! `--ui` and `--control`: starts the one server of both, and tells where it is. What it serves is the library's.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;

use super::{Failure, terminal};
use crate::control::Control;
use crate::live::{Place, Server};
use crate::report::page::live_html;
use crate::results::{ExitCode, Sink};

/// Where the page is unless told otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5_665);

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct UiArgs {
    /// Serve a page that shows the run while it lasts, and steers it. Default address: 127.0.0.1:5665; the next free port
    /// where one is taken. Another one is written with `=`: --ui=ADDR:PORT.
    #[arg(long, value_name = "ADDR:PORT", value_parser = listen_addr, num_args = 0..=1, require_equals = true)]
    #[expect(
        clippy::option_option,
        reason = "clap's form of an option whose value may be left out"
    )]
    ui: Option<Option<SocketAddr>>,
    /// Show the run on the whole terminal: rates, service times, checks, generator. q stops it, p pauses it.
    #[arg(long, conflicts_with = "quiet")]
    pub(super) tui: bool,
}

/// Where to listen, as an option has it.
pub(super) fn listen_addr(text: &str) -> Result<SocketAddr, String> {
    crate::output::listen_addr(text, DEFAULT.port())
}

/// Refuses what cannot be, before anything has begun.
pub(super) fn check(ui: UiArgs, control_at: Option<SocketAddr>) -> Result<(), Failure> {
    let usage = |text: String| Err(Failure::new(ExitCode::Usage, anyhow!(text)));
    if let (Some(Some(page)), Some(control)) = (ui.ui, control_at)
        && page != control
    {
        return usage(format!(
            "--ui={page}: page and live control are one server; leave the address to --control"
        ));
    }
    if ui.tui && !terminal::is_interactive() {
        let text = "--tui needs a terminal, and stdout or stderr is none; leave it out, or use --ui";
        return usage(text.to_owned());
    }
    Ok(())
}

/// Starts what is wanted, and tells where it is: to a person, and to a program that reads stderr.
pub(super) fn start(
    ui: UiArgs,
    control_at: Option<SocketAddr>,
    control: Arc<Control>,
) -> Result<Option<Server>, Failure> {
    let place = match (ui.ui, control_at) {
        (None, None) => return Ok(None),
        (_, Some(addr)) => Place::At(addr),
        (Some(addr), None) => Place::From(addr.unwrap_or(DEFAULT)),
    };
    let page = ui.ui.map(|_| live_html());
    let server = Server::start(place, control, page).map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    if ui.ui.is_some() {
        terminal::note(&format!("ui: {}", server.page_url()));
    }
    if control_at.is_some() {
        let token = server.token().as_str();
        terminal::note(&format!("control: http://{} token: {token}", server.addr()));
    }
    if !server.addr().ip().is_loopback() {
        let who = if ui.ui.is_some() { "ui" } else { "control" };
        let what = if ui.ui.is_some() {
            "may look at the run"
        } else {
            "may reach it"
        };
        terminal::note(&format!(
            "{who}: other machines {what}, and the token travels unencrypted"
        ));
    }
    Ok(Some(server))
}

/// What feeds the page, if there is one.
pub(super) fn sink(server: Option<&Server>) -> Result<Option<Box<dyn Sink>>, Failure> {
    let sink = server.map(Server::sink).transpose();
    sink.map(Option::flatten)
        .map_err(|error| Failure::new(ExitCode::Internal, error))
}

/// Lets those who look on see the end.
pub(super) async fn close(server: Option<Server>) {
    if let Some(server) = server {
        server.close().await;
    }
}
