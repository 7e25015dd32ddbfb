//! The picture of a run: a time line for each way, tokens as ticks, what the relays hold as an area.
//!
//! Its colours are of middle lightness and its ground is transparent, so that it reads on light and on dark.

use std::fmt::Write as _;

use magi_event::{Agent, Sage};

use super::table::{bytes, outcome, seconds};
use super::{Outcome, Report, Taken};

const WIDTH: f64 = 1_000.0;
/// Where the time line begins and ends.
const LEFT: f64 = 286.0;
const RIGHT: f64 = 984.0;
const TOP: f64 = 76.0;
/// One way, from its first lane to the next way's.
const ROW: f64 = 110.0;
/// One speaker's lane, and the ticks in it.
const LANE: f64 = 11.0;
const TICK: f64 = 9.0;
/// The area below the lanes.
const AREA: f64 = 40.0;
const AREA_TOP: f64 = 4.0 * LANE + 6.0;

const SPEAKERS: [(Agent, &str, &str); 4] = [
    (Agent::Sage(Sage::Caspar), "CASPAR", "#4a8fe7"),
    (Agent::Sage(Sage::Balthasar), "BALTHASAR", "#cf8a1d"),
    (Agent::Sage(Sage::Melchior), "MELCHIOR", "#2f9e6e"),
    (Agent::Judge, "SOLOMON", "#a06be0"),
];
const HELD: &str = "#d9534f";

const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:12px;fill:#737f8d}\
.t{font-size:15px;font-weight:600}.w{font-size:13.5px;font-weight:600}.good{fill:#2f9e6e;font-weight:600}\
.bad{fill:#d9534f;font-weight:600}.axis{font-size:11px}.grid{stroke:#8b949e;stroke-opacity:.3}\
.base{stroke:#8b949e;stroke-opacity:.55}.limit{stroke:#d9534f;stroke-dasharray:4 4}";

struct Plot<'a> {
    report: &'a Report,
    /// The end of the time line, in milliseconds.
    end_ms: f64,
    /// The most that the relays of one way held together.
    most: u64,
    out: String,
}

pub(super) fn svg(report: &Report) -> String {
    let ends = report.ways.iter().map(|taken| taken.end_ms);
    let held = report.ways.iter().flat_map(|taken| &taken.held);
    let mut plot = Plot {
        report,
        end_ms: precise(ends.max().unwrap_or_default().max(report.limit_ms)) * 1.02,
        most: held.map(|(_, held)| *held).max().unwrap_or_default().max(1),
        out: String::new(),
    };
    plot.all();
    plot.out
}

/// Numbers of a picture: whatever is lost above 2^52 is not seen.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds and bytes of one run are far below 2^52"
)]
fn precise(number: u64) -> f64 {
    number as f64
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

impl Plot<'_> {
    fn all(&mut self) {
        let rows = precise(self.report.ways.len() as u64);
        let height = TOP + rows * ROW + 34.0;
        self.add(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"t\"><title id=\"t\">{}</title><style>{STYLE}</style>",
            escape(&self.title())
        ));
        self.text(16.0, 24.0, "t", &self.title());
        self.legend();
        self.axis(TOP + rows * ROW);
        for (n, taken) in (0_u32..).zip(&self.report.ways) {
            self.row(taken, TOP + f64::from(n) * ROW);
        }
        self.limit(TOP + rows * ROW);
        self.add("</svg>");
    }

    fn title(&self) -> String {
        format!(
            "One question, five ways at the same time, one of them behind a hosting that gives up at {}",
            seconds(self.report.limit_ms)
        )
    }

    fn legend(&mut self) {
        let mut x = 16.0;
        for (_, name, colour) in SPEAKERS {
            self.add(&format!(
                "<path d=\"M{x} 41v10m3.5-10v10m3.5-10v10\" stroke=\"{colour}\" stroke-width=\"1.6\"/>"
            ));
            self.text(x + 13.0, 50.0, "", name);
            x += 104.0;
        }
        self.add(&format!(
            "<rect x=\"{x}\" y=\"41\" width=\"14\" height=\"10\" fill=\"{HELD}\" fill-opacity=\".45\"/>"
        ));
        let held = format!(
            "held by the relays, the same scale in every row (full height: {})",
            bytes(self.most)
        );
        self.text(x + 20.0, 50.0, "", &held);
    }

    fn axis(&mut self, bottom: f64) {
        let whole = self.end_ms / 1_000.0;
        let steps = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0];
        let step = steps.into_iter().find(|step| whole / step <= 10.0);
        let step = step.unwrap_or(60.0);
        let mut at = 0.0;
        while at <= whole {
            let x = self.x(at * 1_000.0);
            self.add(&format!(
                "<path class=\"grid\" d=\"M{x:.1} {:.1}V{bottom:.1}\"/>",
                TOP - 8.0
            ));
            self.add(&format!(
                "<text class=\"axis\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at} s</text>",
                bottom + 16.0
            ));
            at += step;
        }
    }

    fn row(&mut self, taken: &Taken, top: f64) {
        self.text(16.0, top + 12.0, "w", taken.way.title());
        let (class, mark) = match &taken.outcome {
            Outcome::Verdict { .. } if taken.way.streams() => ("good", "✓"),
            _ => ("bad", "✗"),
        };
        self.text(
            16.0,
            top + 30.0,
            class,
            &format!("{mark} {}", outcome(taken)),
        );
        let first = taken.first_token_ms.map_or("none".to_owned(), seconds);
        let times = format!("first token {first}, end {}", seconds(taken.end_ms));
        self.text(16.0, top + 47.0, "", &times);
        let most = taken.relays.iter().map(|relay| relay.most).max();
        let held = format!("held at most {}", bytes(most.unwrap_or_default()));
        self.text(16.0, top + 64.0, "", &held);
        self.ticks(taken, top);
        self.area(taken, top + AREA_TOP);
        self.end(taken, top);
    }

    /// One path for each speaker; ticks that would fall on one another are one.
    fn ticks(&mut self, taken: &Taken, top: f64) {
        for (n, (agent, _, colour)) in (0_u32..).zip(SPEAKERS) {
            let y = top + f64::from(n) * LANE;
            let mut path = String::new();
            let mut last = f64::MIN;
            for token in taken.tokens.iter().filter(|token| token.agent == agent) {
                let x = self.x(token.at_ms);
                if x - last >= 0.5 {
                    // Writing to a string cannot fail.
                    let _ = write!(path, "M{x:.1} {y:.0}v{TICK}");
                    last = x;
                }
            }
            if !path.is_empty() {
                self.add(&format!("<path d=\"{path}\" stroke=\"{colour}\"/>"));
            }
        }
    }

    /// What the relays hold, as steps; of the moments that fall on one point the highest is drawn.
    fn area(&mut self, taken: &Taken, top: f64) {
        let base = top + AREA;
        let mut points: Vec<(f64, u64)> = Vec::new();
        for (at_ms, held) in &taken.held {
            let x = (self.x(*at_ms) * 2.0).round() / 2.0;
            match points.last_mut() {
                Some((last, most)) if *last == x => *most = (*most).max(*held),
                _ => points.push((x, *held)),
            }
        }
        let mut path = format!("M{LEFT} {base:.1}");
        let mut last = 0;
        for (x, held) in points {
            if held != last {
                let y = base - AREA * precise(held) / precise(self.most);
                // Writing to a string cannot fail.
                let _ = write!(path, "H{x:.1}V{y:.1}");
                last = held;
            }
        }
        let end = self.x(precise(taken.end_ms));
        let _ = write!(path, "H{end:.1}V{base:.1}Z");
        self.add(&format!(
            "<path d=\"{path}\" fill=\"{HELD}\" fill-opacity=\".45\" stroke=\"{HELD}\" stroke-width=\".7\"/>"
        ));
        self.add(&format!(
            "<path class=\"base\" d=\"M{LEFT} {base:.1}H{RIGHT}\"/>"
        ));
    }

    /// The answer's end: a verdict, or none.
    fn end(&mut self, taken: &Taken, top: f64) {
        let x = self.x(precise(taken.end_ms));
        if matches!(taken.outcome, Outcome::Verdict { .. }) {
            self.add(&format!(
                "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"#2f9e6e\" stroke-width=\"2\"/>",
                top - 2.0,
                top + AREA_TOP + AREA
            ));
        } else {
            self.add(&format!(
                "<path d=\"M{:.1} {:.1}l12 12m0-12l-12 12\" stroke=\"{HELD}\" stroke-width=\"3\"/>",
                x - 6.0,
                top + 2.0 * LANE - 6.0
            ));
        }
    }

    fn limit(&mut self, bottom: f64) {
        let x = self.x(precise(self.report.limit_ms));
        self.add(&format!(
            "<path class=\"limit\" d=\"M{x:.1} {:.1}V{bottom:.1}\"/>",
            TOP - 8.0
        ));
    }

    fn x(&self, at_ms: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * at_ms / self.end_ms
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let class = match class {
            "" => String::new(),
            class => format!(" class=\"{class}\""),
        };
        let text = escape(text);
        self.add(&format!("<text{class} x=\"{x}\" y=\"{y}\">{text}</text>"));
    }

    fn add(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }
}
