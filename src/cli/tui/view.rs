//! How the screen looks. What it shows is in `state`.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Bar, BarChart, BarGroup, Block, Chart, Dataset, GraphType, Paragraph, Row, Table};

use super::state::{Point, RECENT, SECONDS, State};

/// Bars of the histogram.
const BARS: usize = 10;

/// Rows of scenarios before the rest are left out.
const SCENARIOS: usize = 8;

/// Colours that can be told apart without red and green.
const FIRST: Color = Color::Cyan;
const SECOND: Color = Color::Yellow;
const THIRD: Color = Color::Magenta;
const BAD: Color = Color::Red;

pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let scenarios = state.scenarios.len().clamp(1, SCENARIOS);
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::try_from(scenarios).unwrap_or(1) + 2),
        Constraint::Min(7),
        Constraint::Length(9),
        Constraint::Length(6),
    ]);
    let [title, table, charts, details, notes] = rows.areas(frame.area());
    frame.render_widget(Paragraph::new(head(state)), title);
    frame.render_widget(scenario_table(state), table);
    let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(charts);
    rates(frame, left, state);
    percentiles(frame, right, state);
    let [left, middle, right] = Layout::horizontal([Constraint::Fill(1); 3]).areas(details);
    frame.render_widget(histogram(state, left), left);
    frame.render_widget(block_of("checks and thresholds", verdicts(state)), middle);
    frame.render_widget(block_of("generator and errors", health(state)), right);
    let room = usize::from(notes.height.saturating_sub(1));
    let lines = state.notes.iter().flat_map(|note| note.lines());
    let all: Vec<_> = lines.map(|line| Line::raw(line.to_owned())).collect();
    let newest = all[all.len().saturating_sub(room)..].to_vec();
    frame.render_widget(block_of("messages", newest), notes);
}

fn block_of<'a>(title: &'a str, lines: Vec<Line<'a>>) -> Paragraph<'a> {
    Paragraph::new(lines).block(block(title))
}

fn block(title: &str) -> Block<'_> {
    let style = Style::new().add_modifier(Modifier::BOLD);
    Block::new()
        .borders(ratatui::widgets::Borders::TOP)
        .border_style(Style::new().add_modifier(Modifier::DIM))
        .title(Span::styled(title, style))
}

fn head(state: &State) -> Line<'_> {
    let script = state.header.as_ref().map_or("", |header| header.run.script.as_str());
    let stage = if state.paused { "paused" } else { state.stage };
    let (requests, failed) = state.requests;
    let mut spans = vec![
        Span::styled("kingtide ", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("{script}  {}s/{}s  ", state.elapsed, state.end)),
        Span::styled(stage, Style::new().fg(if state.paused { SECOND } else { FIRST })),
        Span::raw(format!("  {requests} requests")),
    ];
    if failed > 0 {
        spans.push(Span::styled(format!("  {failed} failed"), Style::new().fg(BAD)));
    }
    spans.push(Span::raw("   p pause  q stop"));
    Line::from(spans)
}

fn scenario_table(state: &State) -> Table<'_> {
    let rows = state.scenarios.iter().take(SCENARIOS).map(|(name, scenario)| {
        let lost = scenario.dropped + scenario.failed > 0;
        Row::new([
            name.clone(),
            format!("{:.1}", scenario.achieved),
            format!("{:.1}", scenario.offered),
            scenario.vus.to_string(),
            scenario.queued.to_string(),
            scenario.dropped.to_string(),
            scenario.failed.to_string(),
            scenario.stage.clone().unwrap_or_default(),
        ])
        .style(if lost { Style::new().fg(SECOND) } else { Style::new() })
    });
    let widths = [
        Constraint::Min(12),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(12),
    ];
    let head = [
        "scenario",
        "started/s",
        "offered/s",
        "VUs",
        "waiting",
        "dropped",
        "failed",
        "stage",
    ];
    let head = Row::new(head).style(Style::new().add_modifier(Modifier::DIM));
    Table::new(rows, widths).header(head).block(block(""))
}

fn rates(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let series = |of: fn(&Point) -> f64| state.points.iter().map(|point| (point.second, of(point))).collect();
    let lines: [Curve; 2] = [
        ("offered/s", SECOND, series(|point| point.offered)),
        ("started/s", FIRST, series(|point| point.achieved)),
    ];
    chart(frame, area, state, "rate", &lines);
}

fn percentiles(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let of = |rank: usize| -> Vec<_> {
        let points = state.points.iter();
        points
            .filter_map(|point| Some((point.second, point.percentiles.as_ref()?[rank])))
            .collect()
    };
    let lines = [("p99", THIRD, of(2)), ("p95", SECOND, of(1)), ("p50", FIRST, of(0))];
    chart(frame, area, state, "service time, ms", &lines);
}

/// A name, its colour, and its points: second and value.
type Curve = (&'static str, Color, Vec<(f64, f64)>);

fn chart(frame: &mut Frame<'_>, area: Rect, state: &State, title: &str, lines: &[Curve]) {
    let highest = lines.iter().flat_map(|(.., points)| points).map(|(_, value)| *value);
    let top = highest.fold(1.0, f64::max) * 1.05;
    let end = state.points.back().map_or(0.0, |point| point.second).max(10.0);
    let start = state.points.front().map_or(0.0, |point| point.second);
    let datasets = lines.iter().map(|(name, colour, points)| {
        Dataset::default()
            .name(*name)
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(*colour))
            .data(points)
    });
    debug_assert!(state.points.len() <= SECONDS, "what is older is not drawn");
    let x = Axis::default()
        .bounds([start, end])
        .labels([format!("{start:.0}s"), format!("{end:.0}s")]);
    let y = Axis::default().bounds([0.0, top]).labels(["0".to_owned(), number(top)]);
    let chart = Chart::new(datasets.collect()).block(block(title)).x_axis(x).y_axis(y);
    frame.render_widget(chart, area);
}

/// The durations of the newest seconds, each bar twice as slow as the one before it.
fn histogram(state: &State, area: Rect) -> BarChart<'_> {
    let mut counts: Vec<(f64, u64)> = Vec::new();
    if let Some(trend) = state.recent() {
        // From the bar that holds the smallest on, at most as many as there is room for.
        let first = trend.min.max(0.001).log2().floor();
        let last = trend.max.max(0.001).log2().floor();
        let most = (usize::from(area.width) / 7).clamp(1, BARS);
        let from = first.max(last + 1.0 - most as f64);
        let mut edge = from;
        while edge <= last {
            counts.push((edge.exp2(), 0));
            edge += 1.0;
        }
        for (low, high, count) in trend.spread() {
            let middle = f64::midpoint(low, high).max(f64::MIN_POSITIVE);
            let at = (middle.log2().floor() - from).max(0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most ten")]
            let at = (at as usize).min(counts.len().saturating_sub(1));
            if let Some((_, sum)) = counts.get_mut(at) {
                *sum += count;
            }
        }
    }
    let bars: Vec<_> = counts
        .into_iter()
        .map(|(edge, count)| {
            Bar::default()
                .value(count)
                .label(Line::raw(format!("{}ms", number(edge))))
        })
        .collect();
    let title = format!("service time, last {RECENT} s");
    BarChart::default()
        .data(BarGroup::default().bars(&bars))
        .bar_width(6)
        .bar_gap(1)
        .bar_style(Style::new().fg(FIRST))
        .block(Block::new().borders(ratatui::widgets::Borders::TOP).title(title))
}

fn verdicts(state: &State) -> Vec<Line<'_>> {
    let mark = |ok: bool| Style::new().fg(if ok { FIRST } else { BAD });
    let thresholds = state.thresholds.iter().map(|threshold| {
        let ok = threshold.ok.unwrap_or(true);
        let observed = threshold.observed.map_or_else(|| "-".to_owned(), number);
        let window = threshold.window.as_ref().map(|window| format!(" in {window}"));
        let window = window.unwrap_or_default();
        let text = format!(" {} {}{window}: {observed}", threshold.metric, threshold.expression);
        Line::from(vec![
            Span::styled(if ok { "ok  " } else { "FAIL" }, mark(ok)),
            Span::raw(text),
        ])
    });
    let checks = state.checks.iter().map(|(name, (passes, fails))| {
        let ok = *fails == 0;
        let text = format!(" {name}: {passes} of {}", passes + fails);
        Line::from(vec![
            Span::styled(if ok { "ok  " } else { "FAIL" }, mark(ok)),
            Span::raw(text),
        ])
    });
    let mut lines: Vec<_> = thresholds.chain(checks).collect();
    // What fails is seen first, whatever there is no room for.
    lines.sort_by_key(|line| line.spans.first().is_some_and(|mark| mark.content != "FAIL"));
    lines
}

fn health(state: &State) -> Vec<Line<'_>> {
    let generator = &state.generator;
    let value = |value: Option<f64>, unit: &str| value.map_or_else(|| "-".to_owned(), |n| format!("{n:.1} {unit}"));
    let mut lines = vec![
        Line::raw(format!("CPU {}", value(generator.cpu_percent, "%"))),
        Line::raw(format!(
            "dispatch lag p99 {}",
            value(generator.dispatch_lag_p99_ms, "ms")
        )),
        Line::raw(format!("longest GC step {}", value(generator.gc_pause_max_ms, "ms"))),
    ];
    let mut errors: Vec<_> = state.errors.iter().collect();
    errors.sort_by_key(|(_, (_, last))| std::cmp::Reverse(*last));
    lines.extend(errors.into_iter().map(|(error, (count, last))| {
        let text = format!("{error}: {count}, last at {last}s");
        Line::styled(text, Style::new().fg(BAD))
    }));
    lines
}

fn number(value: f64) -> String {
    match value {
        ..0.0995 => format!("{value:.3}"),
        ..9.95 => format!("{value:.1}"),
        ..9_999.5 => format!("{value:.0}"),
        _ => format!("{:.0}k", value / 1e3),
    }
}

#[cfg(test)]
mod tests;
