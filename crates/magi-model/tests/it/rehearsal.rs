//! The rehearsal from outside: what a council hears of it.

use std::time::Duration;

use futures_util::StreamExt;
use magi_event::{Agent, Sage};
use magi_model::rehearsal::{Pace, Rehearsal, scene, scenes};
use magi_model::{
    About, Call, Chunk, Lang, Message, Provider, Purpose, Sampling, Speaker, StopReason, Tool,
};
use serde_json::{Value, json};

fn call(question: &str, agent: Agent, lang: Lang) -> Call {
    Call {
        model: String::new(),
        system: "role".to_owned(),
        messages: vec![Message {
            speaker: Speaker::User,
            text: question.to_owned(),
        }],
        tool: Some(Tool {
            name: "cast_vote".to_owned(),
            description: String::new(),
            parameters: json!({"type": "object"}),
        }),
        schema: None,
        sampling: Sampling::default(),
        about: About {
            agent,
            purpose: Purpose::Answer,
            question: question.to_owned(),
            lang,
            tag: "k3v9x2q8".to_owned(),
            order: Vec::new(),
        },
    }
}

/// What was said: reasoning, text, the tool's arguments, and the last chunk.
struct Said {
    thinking: String,
    text: String,
    tool: String,
    end: Option<Chunk>,
}

async fn play(call: Call) -> Said {
    let chunks: Vec<Chunk> = Rehearsal::new(Pace::instant())
        .stream(call)
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(chunks[0], Chunk::Accepted);
    let usage = chunks.iter().find_map(|chunk| match chunk {
        Chunk::Usage(usage) => Some(*usage),
        _ => None,
    });
    assert!(usage.is_some_and(|usage| usage.estimated && usage.output_tokens > 0));
    let mut said = Said {
        thinking: String::new(),
        text: String::new(),
        tool: String::new(),
        end: chunks.last().cloned(),
    };
    for chunk in chunks {
        match chunk {
            Chunk::Reasoning(text) => said.thinking.push_str(&text),
            Chunk::Text(text) => said.text.push_str(&text),
            Chunk::ToolArguments(text) => said.tool.push_str(&text),
            Chunk::Accepted | Chunk::Usage(_) | Chunk::End(_) => {}
        }
    }
    said
}

/// The judge's call after all sages of a scene have spoken, in this order.
async fn judge_call(question: &str, lang: Lang, order: &[Sage]) -> Call {
    let mut call_of_judge = call(question, Agent::Judge, lang);
    for sage in order {
        let said = play(call(question, Agent::Sage(*sage), lang)).await;
        call_of_judge.messages[0]
            .text
            .push_str(&format!("\n<<data\n{}\ndata>>", said.text));
    }
    call_of_judge.about.order = order.to_vec();
    call_of_judge
}

#[tokio::test]
async fn every_scene_is_played_whole() {
    for scene in scenes() {
        for sage in Sage::ALL {
            let said = play(call(&scene.question, Agent::Sage(sage), scene.lang)).await;
            assert_eq!(said.end, Some(Chunk::End(StopReason::ToolUse)));
            assert!(said.text.contains("\n\n") && !said.text.contains("k3v9x2q8"));
            let vote: Value = serde_json::from_str(&said.tool).unwrap();
            assert_eq!(vote["tag"], "k3v9x2q8");
            assert!(
                ["APPROVED", "REJECTED", "ABSTAINED"].contains(&vote["decision"].as_str().unwrap())
            );
            assert_eq!(
                vote.get("cause"),
                None,
                "a scene's abstention is the sage's own"
            );
            let (reasoning, decision) = (
                said.tool.find("\"reasoning\""),
                said.tool.find("\"decision\""),
            );
            assert!(reasoning < decision, "reasoning comes before decision");
        }
        let order = [Sage::Melchior, Sage::Caspar, Sage::Balthasar];
        let said = play(judge_call(&scene.question, scene.lang, &order).await).await;
        let verdict: Value = serde_json::from_str(&said.tool).unwrap();
        assert_eq!(verdict["tag"], "k3v9x2q8");
        assert_eq!(
            verdict["sage_scores"].as_object().unwrap().len(),
            3,
            "{}",
            scene.name
        );
        assert_eq!(verdict["score_reasons"].as_object().unwrap().len(), 3);
        assert!(!said.text.contains('{'), "{}", said.text);
        assert!(!said.text.to_lowercase().contains("caspar"));
    }
}

#[tokio::test]
async fn the_judge_knows_sages_by_the_letters_of_its_order() {
    let scene = scene("hiring-screen").unwrap();
    for (order, caspar, balthasar) in [
        ([Sage::Caspar, Sage::Balthasar, Sage::Melchior], "A", "B"),
        ([Sage::Melchior, Sage::Balthasar, Sage::Caspar], "C", "B"),
        ([Sage::Balthasar, Sage::Caspar, Sage::Melchior], "B", "A"),
    ] {
        let said = play(judge_call(&scene.question, scene.lang, &order).await).await;
        let verdict: Value = serde_json::from_str(&said.tool).unwrap();
        assert_eq!(verdict["final_decision"], "REJECTED");
        assert_eq!(verdict["dissent"]["sage"], caspar);
        assert_eq!(verdict["sage_scores"][caspar], 74);
        assert_eq!(verdict["sage_scores"][balthasar], 91);
        assert!(
            said.text
                .contains(&format!("賢者{balthasar}は、問いの核心を突いた"))
        );
        assert!(!said.thinking.is_empty());
    }
}

#[tokio::test]
async fn a_written_judgment_never_falls_on_somebody_elses_arguments() {
    let scene = scene("two-containers").unwrap();
    let mut others = call(&scene.question, Agent::Judge, scene.lang);
    others.about.order = Sage::ALL.to_vec();
    others.messages[0]
        .text
        .push_str("\n<<data\n別のモデルの論拠\ndata>>");
    let two = judge_call(&scene.question, scene.lang, &[Sage::Caspar, Sage::Melchior]).await;
    for call in [others, two] {
        let said = play(call).await;
        let verdict: Value = serde_json::from_str(&said.tool).unwrap();
        assert_eq!(
            (&verdict["decision"], &verdict["cause"]),
            (&json!("ABSTAINED"), &json!("rehearsal"))
        );
        assert!(said.text.contains("OPENAI_API_KEY"));
    }
}

#[tokio::test]
async fn to_a_question_of_ones_own_there_is_no_opinion() {
    for (question, lang) in [
        ("来月から全社員の30％を在宅勤務にすべきか？", Lang::Ja),
        ("Should we open an office in Lisbon next year?", Lang::En),
    ] {
        let mut texts = Vec::new();
        for sage in Sage::ALL {
            let said = play(call(question, Agent::Sage(sage), lang)).await;
            let vote: Value = serde_json::from_str(&said.tool).unwrap();
            assert_eq!(vote["decision"], "ABSTAINED");
            assert_eq!(vote["cause"], "rehearsal");
            assert_eq!(vote.get("confidence"), None);
            assert!(said.text.contains(question), "{}", said.text);
            texts.push(said.text);
        }
        texts.dedup();
        assert_eq!(texts.len(), 3, "each sage has its own checks");
    }
}

#[tokio::test]
async fn without_a_tool_the_vote_is_the_fenced_end_of_the_text() {
    let scene = scene("open-source-tool").unwrap();
    let bare = Call {
        tool: None,
        ..call(&scene.question, Agent::Sage(Sage::Caspar), scene.lang)
    };
    let said = play(bare.clone()).await;
    assert_eq!(
        (said.tool.as_str(), said.end),
        ("", Some(Chunk::End(StopReason::Complete)))
    );
    let block = said
        .text
        .split("```json\n")
        .nth(1)
        .unwrap()
        .strip_suffix("\n```")
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(block).unwrap()["decision"],
        "REJECTED"
    );
    let mut repair = bare;
    repair.about.purpose = Purpose::Repair;
    let said = play(repair).await;
    assert_eq!(
        serde_json::from_str::<Value>(&said.text).unwrap()["decision"],
        "REJECTED"
    );
}

#[tokio::test(start_paused = true)]
async fn it_speaks_at_the_pace_of_a_model() {
    let scene = scene("friday-release").unwrap();
    let begin = tokio::time::Instant::now();
    let mut stream = Rehearsal::new(Pace::model()).stream(call(
        &scene.question,
        Agent::Sage(Sage::Caspar),
        scene.lang,
    ));
    let mut first = None;
    let mut n_tokens = 0u32;
    while let Some(chunk) = stream.next().await {
        if matches!(
            chunk.unwrap(),
            Chunk::Reasoning(_) | Chunk::Text(_) | Chunk::ToolArguments(_)
        ) {
            first.get_or_insert_with(|| begin.elapsed());
            n_tokens += 1;
        }
    }
    let first = first.unwrap();
    assert!(
        (Duration::from_millis(400)..Duration::from_millis(1400)).contains(&first),
        "{first:?}"
    );
    let per_second = f64::from(n_tokens) / (begin.elapsed() - first).as_secs_f64();
    assert!((28.0..64.0).contains(&per_second), "{per_second}");
}

#[tokio::test]
async fn it_lists_no_models() {
    assert_eq!(
        Rehearsal::new(Pace::instant()).models().await.unwrap(),
        Vec::<String>::new()
    );
}
