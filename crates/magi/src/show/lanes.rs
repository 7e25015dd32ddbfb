//! Three live lanes and the judge on a terminal.

use std::io::{self, Stderr};

use magi_event::{Agent, LaneState, Mode, Sage, Snapshot};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::crossterm::{cursor, execute, terminal};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Borders, Paragraph};
use ratatui::{Frame, prelude::Stylize};

use super::words::{self, Lang};
use super::{verdict, wrap};

/// The narrowest terminal with room for three lanes side by side.
pub(crate) const NARROWEST: u16 = 72;

/// The lanes on the terminal's second screen; dropping it gives the first screen back.
pub(crate) struct Lanes {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    look: Look,
}

/// How the lanes are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// The language of labels.
    pub(crate) lang: Lang,
    /// Whether colours may be used; shapes and words say everything without them.
    pub(crate) has_colour: bool,
}

impl Lanes {
    /// Takes the terminal's second screen.
    ///
    /// # Errors
    ///
    /// When the terminal refuses.
    pub(crate) fn open(look: Look) -> io::Result<Lanes> {
        execute!(io::stderr(), terminal::EnterAlternateScreen, cursor::Hide)?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stderr()))?;
        Ok(Lanes { terminal, look })
    }

    /// Draws what is known, with `footer` in the last line.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub(crate) fn draw(&mut self, snapshot: &Snapshot, footer: &str) -> io::Result<()> {
        draw(&mut self.terminal, snapshot, footer, self.look)
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that is gone.
        let _ = execute!(io::stderr(), terminal::LeaveAlternateScreen, cursor::Show);
    }
}

fn draw<B: Backend<Error = io::Error>>(
    terminal: &mut Terminal<B>,
    snapshot: &Snapshot,
    footer: &str,
    look: Look,
) -> io::Result<()> {
    terminal.draw(|frame| screen(frame, snapshot, footer, look))?;
    Ok(())
}

fn screen(frame: &mut Frame<'_>, snapshot: &Snapshot, footer: &str, look: Look) {
    let [head, lanes, judge, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(5),
        Constraint::Length(7),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(heading(snapshot, head, look)), head);
    let sages: Vec<Sage> = snapshot
        .council
        .as_ref()
        .map_or_else(Vec::new, |c| c.sages.clone());
    let widths = sages.iter().map(|_| Constraint::Fill(1));
    for (sage, area) in sages
        .iter()
        .zip(Layout::horizontal(widths).split(lanes).iter())
    {
        sage_lane(frame, snapshot, *sage, *area, look);
    }
    judge_strip(frame, snapshot, judge, look);
    frame.render_widget(Paragraph::new(footer).add_modifier(Modifier::DIM), foot);
}

fn heading(snapshot: &Snapshot, area: Rect, look: Look) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let question = snapshot.question.replace('\n', " ");
    let first = wrap::head(&question, width);
    let mark = if snapshot.mode == Some(Mode::Rehearsal) {
        let style = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
        Line::from(Span::styled(
            format!(" {} ", verdict::rehearsal_mark(look.lang)),
            style,
        ))
    } else {
        Line::default()
    };
    vec![Line::from(Span::styled(first, Style::new().bold())), mark]
}

fn sage_lane(frame: &mut Frame<'_>, snapshot: &Snapshot, sage: Sage, area: Rect, look: Look) {
    let agent = Agent::Sage(sage);
    let Some(lane) = snapshot.sages.get(&sage) else {
        return;
    };
    let mut title = format!(
        " {} {}  {} ",
        words::shape(agent),
        words::name(agent),
        state(lane.state, look.lang)
    );
    if lane.attempt > 1 {
        title.push_str(&format!("({}) ", lane.attempt));
    }
    let block = framed(title, agent, look);
    let inside = block.inner(area);
    let text = if lane.text.is_empty() {
        &lane.thinking
    } else {
        &lane.text
    };
    let mut height = usize::from(inside.height);
    let mut lines = Vec::new();
    if let Some(done) = &lane.complete {
        let seal = verdict::vote_line(sage, done, look.lang);
        let seal = seal.lines().next().unwrap_or_default();
        let seal = seal.trim_start_matches(words::shape(agent)).trim_start();
        let seal = seal.trim_start_matches(words::name(agent)).trim_start();
        let sealed = wrap::tail(seal, usize::from(inside.width), 3);
        height = height.saturating_sub(sealed.len() + 1);
        lines.push(Line::default());
        lines.extend(
            sealed
                .into_iter()
                .map(|line| Line::from(Span::styled(line, Style::new().bold()))),
        );
    }
    let style = if lane.text.is_empty() {
        Style::new().dim().italic()
    } else {
        Style::new()
    };
    let mut shown: Vec<Line<'_>> = wrap::tail(text, usize::from(inside.width), height)
        .into_iter()
        .map(|line| Line::from(Span::styled(line, style)))
        .collect();
    shown.append(&mut lines);
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

fn judge_strip(frame: &mut Frame<'_>, snapshot: &Snapshot, area: Rect, look: Look) {
    let tally = snapshot
        .tally
        .as_ref()
        .map_or(String::new(), |tally| tally.agreement.clone());
    let title = format!(
        " {} {}  {} {tally} ",
        words::shape(Agent::Judge),
        words::name(Agent::Judge),
        state(snapshot.judge.state, look.lang)
    );
    let block = framed(title, Agent::Judge, look);
    let inside = block.inner(area);
    let lane = &snapshot.judge;
    let text = if lane.text.is_empty() {
        &lane.thinking
    } else {
        &lane.text
    };
    let lines: Vec<Line<'_>> =
        wrap::tail(text, usize::from(inside.width), usize::from(inside.height))
            .into_iter()
            .map(Line::from)
            .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn framed(title: String, agent: Agent, look: Look) -> Block<'static> {
    let colour = if look.has_colour {
        colour(agent)
    } else {
        Color::Reset
    };
    Block::new()
        .borders(Borders::ALL)
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(colour))
        .title(Span::styled(title, Style::new().fg(colour).bold()))
}

const fn colour(agent: Agent) -> Color {
    match agent {
        Agent::Sage(Sage::Caspar) => Color::Cyan,
        Agent::Sage(Sage::Balthasar) => Color::Magenta,
        Agent::Sage(Sage::Melchior) => Color::Yellow,
        Agent::Judge => Color::Blue,
    }
}

const fn state(state: LaneState, lang: Lang) -> &'static str {
    match state {
        LaneState::Waiting => lang.pick("waiting", "待機"),
        LaneState::Connecting => lang.pick("connecting", "接続中"),
        LaneState::Thinking => lang.pick("thinking", "思考中"),
        LaneState::Writing => lang.pick("writing", "発言中"),
        LaneState::Retrying => lang.pick("trying again", "再試行"),
        LaneState::Failed => lang.pick("failed", "失敗"),
        LaneState::Done => lang.pick("done", "完了"),
    }
}

#[cfg(test)]
mod tests {
    use magi_event::{
        AgentStart, Body, CouncilInfo, DeliberationId, Delta, Event, Rule, Start, Timestamp,
    };
    use ratatui::backend::TestBackend;

    use super::*;

    fn snapshot() -> Snapshot {
        let id = DeliberationId::new(Timestamp::from_millis(1_795_395_723_004), 1);
        let start = Start {
            protocol: 1,
            trace_id: id,
            question: "本番を金曜に出すべきか？".into(),
            context: None,
            lang: "ja".into(),
            council: CouncilInfo {
                name: "default".into(),
                version: 1,
                rule: Rule::Majority,
                quorum: 2,
                sages: Sage::ALL.to_vec(),
                models: [(Agent::Judge, "rehearsal".to_owned())].into(),
                fallbacks: std::collections::BTreeMap::new(),
                panel: Vec::new(),
            },
            mode: Mode::Rehearsal,
            capabilities: Vec::new(),
            conversation_id: None,
            fork_of: None,
        };
        let attempt = AgentStart {
            attempt: 1,
            provider: "rehearsal".into(),
            model: String::new(),
        };
        let bodies = [
            Body::Start(start),
            Body::AgentStart(Sage::Melchior, attempt),
            Body::AgentChunk(
                Sage::Melchior,
                Delta {
                    text: "検査の結果を見る。".repeat(40),
                },
            ),
            Body::AgentChunk(
                Sage::Melchior,
                Delta {
                    text: "終わり".into(),
                },
            ),
        ];
        let events: Vec<_> = bodies
            .into_iter()
            .enumerate()
            .map(|(at, body)| Event {
                seq: at as u64 + 1,
                timestamp: Timestamp::from_millis(1_795_395_723_004),
                trace_id: id,
                body,
            })
            .collect();
        Snapshot::fold(id, &events)
    }

    #[test]
    fn three_lanes_show_their_newest_text_and_the_rehearsal_mark() {
        let mut backend = Terminal::new(TestBackend::new(90, 24)).unwrap();
        backend
            .draw(|frame| {
                screen(
                    frame,
                    &snapshot(),
                    "footer",
                    Look {
                        lang: Lang::Ja,
                        has_colour: true,
                    },
                );
            })
            .unwrap();
        // A wide letter fills two cells, the second of which holds a space.
        let shown = backend.backend().to_string().replace(' ', "");
        for expected in [
            "CASPAR",
            "BALTHASAR",
            "▲MELCHIOR発言中",
            "終わり",
            "REHEARSAL",
            "footer",
        ] {
            assert!(
                shown.contains(expected),
                "{expected} is missing in\n{shown}"
            );
        }
    }
}
