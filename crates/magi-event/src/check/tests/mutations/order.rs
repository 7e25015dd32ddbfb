//! What is wrong with an event's place in the log.

use super::*;

pub(super) const TABLE: &[Row] = &[
    (
        "an event is lost",
        Mode::Log,
        Invariant::Order,
        |log, dice| {
            let place = inside(log, dice)?;
            log.remove(place);
            Some(())
        },
    ),
    (
        "an event is doubled",
        Mode::Log,
        Invariant::Order,
        |log, dice| {
            let place = inside(log, dice)?;
            log.insert(place, log[place].clone());
            Some(())
        },
    ),
    (
        "two events change places",
        Mode::Log,
        Invariant::Order,
        |log, dice| {
            let place = inside(log, dice)?;
            log.swap(place, place + 1);
            Some(())
        },
    ),
    (
        "numbers leave a gap",
        Mode::Log,
        Invariant::Order,
        |log, dice| {
            let place = inside(log, dice)?;
            for (cursor, event) in &mut log[place..] {
                cursor.seq += 1;
                event.seq += 1;
            }
            Some(())
        },
    ),
    (
        "id and event disagree about seq",
        Mode::Log,
        Invariant::Order,
        |log, dice| {
            let place = inside(log, dice)?;
            log[place].0.seq += 1;
            Some(())
        },
    ),
    (
        "void deltas are stored",
        Mode::Log,
        Invariant::Order,
        |log, dice| {
            let seen = sample::as_seen(log, dice.roll(1000) as u64);
            (seen.len() > log.len()).then(|| *log = seen)
        },
    ),
    (
        "a reader loses what stands before a rewind",
        Mode::Reader,
        Invariant::Order,
        |log, dice| {
            let place = place(log, dice, |body| matches!(body, Body::Rewind(_)))?;
            let Body::Rewind(rewind) = log[place].1.body else {
                return None;
            };
            let lost = log[..place]
                .iter()
                .rposition(|(_, event)| event.seq == rewind.to)?;
            if matches!(log[lost].1.body, Body::Rewind(_)) {
                return None;
            }
            log.drain(lost..place);
            Some(())
        },
    ),
    (
        "a generation begins without rewind",
        Mode::Log,
        Invariant::Generation,
        |log, dice| {
            let place = inside(log, dice)?;
            log[place].0.generation += 1;
            Some(())
        },
    ),
    (
        "a rewind keeps its generation",
        Mode::Log,
        Invariant::Generation,
        |log, dice| {
            let place = place(log, dice, |body| matches!(body, Body::Rewind(_)))?;
            log[place].0.generation -= 1;
            Some(())
        },
    ),
    (
        "a rewind is lost",
        Mode::Log,
        Invariant::Generation,
        |log, dice| {
            let place = place(log, dice, |body| matches!(body, Body::Rewind(_)))?;
            remove(log, place);
            Some(())
        },
    ),
    (
        "a rewind goes too far",
        Mode::Log,
        Invariant::RewindTo,
        |log, dice| change!(log, dice, Body::Rewind(Rewind { to }) => *to -= 1),
    ),
    (
        "a rewind does not go back",
        Mode::Reader,
        Invariant::RewindTo,
        |log, dice| change!(log, dice, Body::Rewind(Rewind { to }) => *to += 1),
    ),
    (
        "a milestone was seen and taken back",
        Mode::Reader,
        Invariant::RewindTo,
        |log, dice| {
            let place = place(log, dice, |body| matches!(body, Body::Rewind(_)))?;
            let (mut cursor, mut event) = log[place - 1].clone();
            cursor.seq += 1;
            event.seq += 1;
            event.body = Body::Note(Note {
                from: "user".into(),
                to: "all".into(),
                text: String::new(),
            });
            log.insert(place, (cursor, event));
            Some(())
        },
    ),
    (
        "an event of another deliberation",
        Mode::Log,
        Invariant::Identity,
        |log, dice| {
            let place = inside(log, dice)?;
            log[place].1.trace_id = stranger();
            Some(())
        },
    ),
    (
        "an id of another deliberation",
        Mode::Log,
        Invariant::Identity,
        |log, dice| {
            let place = inside(log, dice)?;
            log[place].0.deliberation = stranger();
            Some(())
        },
    ),
    (
        "start says another id",
        Mode::Log,
        Invariant::Identity,
        |log, dice| change!(log, dice, Body::Start(start) => start.trace_id = stranger()),
    ),
    (
        "complete says another id",
        Mode::Log,
        Invariant::Identity,
        |log, dice| change!(log, dice, Body::Complete(complete) => complete.trace_id = stranger()),
    ),
    (
        "something follows the last event",
        Mode::Log,
        Invariant::AfterEnd,
        |log, dice| {
            let body = log[dice.roll(log.len())].1.body.clone();
            insert(log, log.len(), body);
            Some(())
        },
    ),
    ("it ends twice", Mode::Log, Invariant::AfterEnd, |log, _| {
        let body = log.last()?.1.body.clone();
        insert(log, log.len(), body);
        Some(())
    }),
    (
        "the last event is lost",
        Mode::Log,
        Invariant::NoEnd,
        |log, _| log.pop().map(drop),
    ),
    (
        "it starts twice",
        Mode::Log,
        Invariant::StartFirst,
        |log, dice| {
            let (place, body) = (inside(log, dice)?, log[0].1.body.clone());
            insert(log, place, body);
            Some(())
        },
    ),
    (
        "start is lost",
        Mode::Log,
        Invariant::StartFirst,
        |log, _| {
            remove(log, 0);
            Some(())
        },
    ),
    (
        "another protocol",
        Mode::Log,
        Invariant::StartFirst,
        |log, dice| change!(log, dice, Body::Start(start) => start.protocol += 1),
    ),
];
