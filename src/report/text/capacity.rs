//! A search for capacity as text: the verdict in one sentence, then a table of what was probed, why loads broke, and what to
//! do next. Its types are in `results`.

use std::time::Duration;

use crate::metrics::Kind;
use crate::results::{
    Best, Bracket, BrokeKind, BrokeReason, Capacity, GeneratorVerdict, Levels, Probe, ThresholdSummary,
};

use super::{Align, Cell, Paint, Style, Table, human, metrics, painted, wrap};

/// No more thresholds have a column of their own, and fewer where the terminal is narrow.
const MOST_COLUMNS: usize = 4;

/// What a threshold asked for and what was observed: `http_req_duration p(95)<2s was 3.40s`.
#[must_use]
pub fn observed(threshold: &ThresholdSummary) -> String {
    let what = format!("{} {}", threshold.metric, threshold.expression);
    match value(threshold) {
        // It may have come true by what was still in flight.
        Some(value) if threshold.aborted => format!("{what} ended the load early, and was {value} in the end"),
        Some(value) => format!("{what} was {value}"),
        None => format!("{what} had no samples"),
    }
}

pub(in crate::report) fn value(threshold: &ThresholdSummary) -> Option<String> {
    let value = threshold.observed?;
    let is_rate = threshold.expression.trim_start().starts_with("rate");
    Some(match threshold.kind {
        Some(Kind::Rate) if is_rate => human::percent(value),
        Some(Kind::Counter) if is_rate => human::per_second(value),
        _ => metrics::with_unit(value, threshold.unit.as_deref()),
    })
}

/// `api=500 events=2,000`, in the order of the command line.
#[must_use]
pub fn named(capacity: &Capacity, levels: &Levels) -> String {
    let names = capacity.asked.levels.iter().map(|axis| axis.name.as_str());
    let known = names.filter_map(|name| Some((name, levels.get(name)?)));
    let parts: Vec<String> = known.map(|(name, value)| format!("{name}={}", level(*value))).collect();
    parts.join(" ")
}

/// A level with all of its digits.
fn level(value: f64) -> String {
    let text = format!("{value}");
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", human::number(whole.parse().unwrap_or_default())),
        None if value < 1e6 => human::number(value),
        None => text,
    }
}

/// What came out, in one sentence without a full stop.
#[must_use]
pub fn sentence(capacity: &Capacity) -> String {
    let sentence = whole_sentence(capacity);
    if capacity.finished {
        return sentence;
    }
    match capacity.probes.len() {
        0 => "nothing was probed yet".to_owned(),
        _ => format!("not finished; so far: {sentence}"),
    }
}

/// Whether the generator broke before the system did.
fn only_generator(reasons: &[BrokeReason]) -> bool {
    reasons.iter().all(|reason| reason.kind == BrokeKind::Generator)
}

/// Why nothing was learned of the system by the load that it held.
fn doubt(best: &Best) -> Option<String> {
    (!best.warnings.is_empty()).then(|| best.warnings.join("; "))
}

fn whole_sentence(capacity: &Capacity) -> String {
    let name = |levels: &Levels| named(capacity, levels);
    let why = |reasons: &[BrokeReason]| {
        let messages: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
        messages.join("; ")
    };
    let held = match (&capacity.best, capacity.frontier.as_slice()) {
        (Some(_), [first, more @ ..]) if !more.is_empty() => {
            let all: Vec<String> = std::iter::once(first).chain(more).map(name).collect();
            Some(all.join(" and "))
        }
        (Some(best), _) => Some(name(&best.levels)),
        (None, _) => None,
    };
    let doubt = capacity.best.as_ref().and_then(doubt);
    let held = match (held, &doubt) {
        (Some(held), Some(doubt)) if capacity.broke.is_none() && capacity.finished => {
            return format!("holds {held}, the highest load asked for, but {doubt}");
        }
        (Some(held), Some(doubt)) => Some(format!("{held} (where {doubt})")),
        (held, _) => held,
    };
    match (held, &capacity.broke) {
        (None, None) => "no load was decided on".to_owned(),
        (None, Some(broke)) if only_generator(&broke.reasons) => format!(
            "nothing is known of the system: {} was more than the generator could offer: {}",
            name(&broke.levels),
            why(&broke.reasons)
        ),
        (None, Some(broke)) => format!("does not hold even {}: {}", name(&broke.levels), why(&broke.reasons)),
        (Some(held), None) if capacity.finished => format!("holds {held}, the highest load asked for: nothing broke"),
        (Some(held), None) => format!("holds {held}"),
        (Some(held), Some(broke)) if only_generator(&broke.reasons) => format!(
            "holds {held}; the system's limit is not known: {} was more than the generator could offer: {}",
            name(&broke.levels),
            why(&broke.reasons)
        ),
        (Some(held), Some(broke)) => {
            format!(
                "holds {held}; breaks at {}: {}",
                name(&broke.levels),
                why(&broke.reasons)
            )
        }
    }
}

/// What a probe has shown, in one line: `api=500 held: 500/s offered, 499.8/s achieved`.
#[must_use]
pub fn line(capacity: &Capacity, probe: &Probe) -> String {
    let levels = named(capacity, &probe.levels);
    let mut doubt = match probe.generator.verdict {
        GeneratorVerdict::Valid => String::new(),
        _ => format!("; the generator was doubtful: {}", probe.generator.reasons.join("; ")),
    };
    for warning in &probe.warnings {
        doubt.push_str(&format!("; {warning}"));
    }
    if probe.held {
        let (offered, achieved) = rates(probe);
        return format!("{levels} held: {offered} offered, {achieved} achieved{doubt}");
    }
    let messages: Vec<&str> = probe.reasons.iter().map(|reason| reason.message.as_str()).collect();
    format!("{levels} broke: {}", messages.join("; "))
}

/// Offered and achieved over all scenarios that have a level.
fn rates(probe: &Probe) -> (String, String) {
    let achieved = probe.achieved_per_s();
    let achieved = achieved.map_or_else(|| "-".to_owned(), |rate| human::per_second(tidy(rate)));
    (human::per_second(tidy(probe.offered_per_s())), achieved)
}

/// Renders a search, ending with a line break.
#[must_use]
pub fn render(capacity: &Capacity, style: Style) -> String {
    let style = &style;
    let mut sections = vec![verdict(capacity, style)];
    if !capacity.probes.is_empty() {
        sections.push(probes(capacity, style));
        sections.push(reasons(capacity, style));
        sections.push(next(capacity, style));
    }
    let sections = sections.into_iter().filter(|lines| !lines.is_empty());
    let sections: Vec<String> = sections.map(|lines| lines.join("\n") + "\n").collect();
    sections.join("\n")
}

/// Between which loads the system's own limit is, where that was found.
fn system_bracket(capacity: &Capacity) -> Option<&Bracket> {
    let broke = capacity.broke.as_ref().filter(|broke| !only_generator(&broke.reasons));
    capacity.bracket.as_ref().filter(|_| broke.is_some())
}

fn verdict(capacity: &Capacity, style: &Style) -> Vec<String> {
    let (mark, paint) = match (&capacity.best, capacity.finished) {
        (None, true) => ("✗", Paint::Bad),
        (Some(best), true) if best.warnings.is_empty() => ("✓", Paint::Good),
        (Some(_), true) | (_, false) => ("!", Paint::Warn),
    };
    let first = format!("{} ", style.glyph(mark));
    let mut lines = painted(wrap(&first, &capacity.verdict, style), first.trim_end(), paint, style);
    if let Some(bracket) = system_bracket(capacity) {
        let text = format!(
            "the limit is between {name}={} and {name}={}, {:.1}% apart",
            level(bracket.low),
            level(bracket.high),
            bracket.width_percent,
            name = bracket.name,
        );
        lines.extend(wrap("  ", &text, style));
    }
    let asked = &capacity.asked;
    let span = |ms: u64| human::duration(Duration::from_millis(ms));
    let about = format!(
        "{} · {} probes: settle {}, measure {}, drain {} · seed {} · {}",
        capacity.script,
        capacity.probes.len(),
        span(asked.settle_ms),
        span(asked.measure_ms),
        span(asked.drain_ms),
        capacity.seed,
        capacity.started_at
    );
    lines.extend(
        wrap("  ", &about, style)
            .iter()
            .map(|line| style.paint(line, Paint::Dim)),
    );
    lines
}

/// The thresholds that have one of `most` columns: those that broke first, then the others, back in their order.
fn columns(capacity: &Capacity, most: usize) -> Vec<usize> {
    let count = capacity
        .probes
        .iter()
        .map(|probe| probe.thresholds.len())
        .max()
        .unwrap_or(0);
    let broke = |index: usize| {
        let of_probe = |probe: &Probe| probe.thresholds.get(index).is_some_and(|threshold| !threshold.ok);
        capacity.probes.iter().any(of_probe)
    };
    let mut columns: Vec<usize> = (0..count).collect();
    columns.sort_by_key(|index| !broke(*index));
    columns.truncate(most);
    columns.sort_unstable();
    columns
}

fn probes(capacity: &Capacity, style: &Style) -> Vec<String> {
    let mut tables = (0..=MOST_COLUMNS).rev().map(|most| {
        let columns = columns(capacity, most);
        (table(capacity, &columns), columns)
    });
    let fitting = tables.find(|(table, columns)| columns.is_empty() || table.fits_uncut(style));
    let Some((table, columns)) = fitting else {
        return Vec::new();
    };
    let mut lines = vec![style.heading("PROBES", "")];
    lines.extend(table.lines(style));
    let thresholds = capacity
        .probes
        .last()
        .map(|probe| probe.thresholds.as_slice())
        .unwrap_or_default();
    for index in &columns {
        if let Some(threshold) = thresholds.get(*index) {
            let first = format!("  [{}] ", index + 1);
            let text = format!("{} {}", threshold.metric, threshold.expression);
            lines.extend(
                wrap(&first, &text, style)
                    .iter()
                    .map(|line| style.paint(line, Paint::Dim)),
            );
        }
    }
    if thresholds.len() > columns.len() {
        let text = format!(
            "{} more thresholds were met each time",
            thresholds.len() - columns.len()
        );
        let all_met = (0..thresholds.len())
            .filter(|index| !columns.contains(index))
            .all(|index| {
                let met = |probe: &Probe| probe.thresholds.get(index).is_none_or(|threshold| threshold.ok);
                capacity.probes.iter().all(met)
            });
        let text = if all_met {
            text
        } else {
            "capacity.json has the other thresholds".to_owned()
        };
        lines.push(style.paint(&format!("  {text}"), Paint::Dim));
    }
    lines
}

fn table(capacity: &Capacity, columns: &[usize]) -> Table {
    let names: Vec<&str> = capacity.asked.levels.iter().map(|axis| axis.name.as_str()).collect();
    let numbers = names.len() + 3 + columns.len();
    let aligns: Vec<Align> = std::iter::repeat_n(Align::Right, numbers)
        .chain([Align::Left])
        .collect();
    let mut table = Table::new(&aligns, 2, numbers);
    let heads = names.iter().map(|name| (*name).to_owned());
    let heads = heads.chain(["offered".to_owned(), "achieved".to_owned()]);
    let heads = heads.chain(columns.iter().map(|index| format!("[{}]", index + 1)));
    let heads = heads.chain(["errors".to_owned(), String::new()]);
    table.push(heads.map(Cell::dim).collect());
    for probe in &capacity.probes {
        table.push(row(probe, &names, columns));
    }
    table
}

fn row(probe: &Probe, names: &[&str], columns: &[usize]) -> Vec<Cell> {
    let (offered, achieved) = rates(probe);
    let levels = names
        .iter()
        .map(|name| probe.levels.get(*name).map_or(String::new(), |value| level(*value)));
    let mut cells: Vec<Cell> = levels.map(Cell::plain).collect();
    cells.extend([Cell::plain(offered), Cell::plain(achieved)]);
    for index in columns {
        let threshold = probe.thresholds.get(*index);
        let text = threshold.and_then(value).unwrap_or_else(|| "-".to_owned());
        let is_met = threshold.is_none_or(|threshold| threshold.ok);
        cells.push(Cell::new(text, if is_met { Paint::Plain } else { Paint::Bad }));
    }
    cells.push(Cell::plain(probe.errors.map_or_else(|| "-".to_owned(), human::percent)));
    cells.push(ruling(probe));
    cells
}

/// Rates come from counting over a span, so that their last digits say nothing.
fn tidy(rate: f64) -> f64 {
    if rate >= 1_000.0 {
        rate.round()
    } else {
        (rate * 10.0).round() / 10.0
    }
}

fn ruling(probe: &Probe) -> Cell {
    let again = if probe.attempt > 1 { ", again" } else { "" };
    let doubt = match probe.generator.verdict {
        GeneratorVerdict::Valid => "",
        GeneratorVerdict::Suspect => ", generator suspect",
        GeneratorVerdict::Invalid => ", generator invalid",
    };
    if probe.held {
        let nothing = if probe.warnings.is_empty() { "" } else { ", all failed" };
        let is_good = doubt.is_empty() && nothing.is_empty();
        let paint = if is_good { Paint::Good } else { Paint::Warn };
        return Cell::new(format!("held{again}{nothing}{doubt}"), paint);
    }
    let failed = probe
        .thresholds
        .iter()
        .enumerate()
        .filter(|(_, threshold)| !threshold.ok);
    let mut marks: Vec<String> = failed.map(|(index, _)| format!("[{}]", index + 1)).collect();
    let kinds = [(BrokeKind::Load, "load"), (BrokeKind::Script, "script")];
    for (kind, word) in kinds {
        if probe.reasons.iter().any(|reason| reason.kind == kind) {
            marks.push(word.to_owned());
        }
    }
    if marks.is_empty() {
        marks.push("generator invalid".to_owned());
    }
    Cell::new(format!("broke {}{again}", marks.join(" ")), Paint::Bad)
}

/// Why each load broke, by its last probe.
fn reasons(capacity: &Capacity, style: &Style) -> Vec<String> {
    let probes = capacity.probes.iter().enumerate();
    let decisive = probes.filter(|(index, probe)| {
        let mut later = capacity.probes.iter().skip(index + 1);
        !probe.held && later.all(|later| later.levels != probe.levels)
    });
    let mut lines = Vec::new();
    for (_, probe) in decisive {
        let messages: Vec<&str> = probe.reasons.iter().map(|reason| reason.message.as_str()).collect();
        let text = format!("{}: {}", named(capacity, &probe.levels), messages.join("; "));
        lines.extend(wrap("  - ", &text, style));
    }
    if !lines.is_empty() {
        lines.insert(0, style.heading("WHY IT BROKE", ""));
    }
    lines
}

/// What to do with the answer.
fn next(capacity: &Capacity, style: &Style) -> Vec<String> {
    if !capacity.finished {
        return Vec::new();
    }
    let mut advice = Vec::new();
    let has = |kind: BrokeKind| {
        let broke = capacity.broke.iter().flat_map(|broke| &broke.reasons);
        broke.into_iter().any(|reason| reason.kind == kind)
    };
    if has(BrokeKind::Generator) {
        advice.push("the generator gave out: more --threads, or a machine with more room, and search on".to_owned());
    }
    match (&capacity.best, &capacity.broke) {
        (Some(best), _) if !best.warnings.is_empty() => advice.push(format!(
            "see why all failed at {} by `kingtide run --once --trace-http`, and give the script a threshold that notices it, \
             such as http_req_failed = \"rate<0.01\"",
            named(capacity, &best.levels)
        )),
        (Some(best), Some(_)) => {
            let kept_up = kept_up(best);
            if let Some(bracket) = system_bracket(capacity) {
                advice.push(format!(
                    "at the limit a little more is too much: plan with about {}={}, 80 % of {}",
                    bracket.name,
                    level(round_down(0.8 * bracket.low * kept_up)),
                    if kept_up < 1.0 { "what ended" } else { "it" }
                ));
            }
            let name = named(capacity, &best.levels);
            let short = human::duration(Duration::from_millis(capacity.asked.measure_ms));
            advice.push(match best.achieved_per_s.filter(|_| kept_up < 1.0) {
                Some(achieved) => format!(
                    "{name} was held for {short} while work piled up: {} were offered and {} ended; with a longer \
                     --measure the limit will be lower",
                    human::per_second(tidy(best.offered_per_s)),
                    human::per_second(tidy(achieved))
                ),
                None => format!(
                    "{name} was held for {short}; what builds up slowly shows only in a longer run at that load"
                ),
            });
        }
        (Some(_), None) => advice.push("nothing broke: search higher".to_owned()),
        (None, _) => advice.push("begin lower: the lowest load was too much already".to_owned()),
    }
    let mut lines = vec![style.heading("NEXT", "")];
    lines.extend(advice.iter().flat_map(|text| wrap("  - ", text, style)));
    lines
}

/// The share of the offered load that ended while it was measured; 1 when that is all of it but what chance explains.
fn kept_up(best: &Best) -> f64 {
    let share = best
        .achieved_per_s
        .map_or(1.0, |achieved| achieved / best.offered_per_s);
    if share < 0.95 { share } else { 1.0 }
}

/// To two digits.
fn round_down(value: f64) -> f64 {
    let grain = 10_f64.powf(value.log10().floor() - 1.0);
    if grain >= 1.0 {
        (value / grain).floor() * grain
    } else {
        let grains = (1.0 / grain).round();
        (value * grains).floor() / grains
    }
}

#[cfg(test)]
mod tests;
