use super::*;

/// Counts votes as approved, rejected, abstained.
fn votes(scene: &Scene) -> [usize; 3] {
    let count = |word| {
        scene
            .sages
            .values()
            .filter(|sage| sage.decided.decision == word)
            .count()
    };
    [count("APPROVED"), count("REJECTED"), count("ABSTAINED")]
}

#[test]
fn every_file_is_a_scene() {
    for text in FILES {
        serde_json::from_str::<Scene>(text).unwrap_or_else(|error| panic!("{error}\n{text:.80}"));
    }
    assert_eq!(scenes().len(), FILES.len());
    let n_japanese = scenes()
        .iter()
        .filter(|scene| scene.lang == Lang::Ja)
        .count();
    assert_eq!(n_japanese * 2, scenes().len());
}

#[test]
fn names_and_questions_are_their_own() {
    for (place, one) in scenes().iter().enumerate() {
        assert!(
            one.name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        );
        assert_eq!(scene(&one.name), Some(one));
        assert_eq!(
            scene_for(&one.question).map(|found| &found.name),
            Some(&one.name)
        );
        for other in &scenes()[place + 1..] {
            assert_ne!((&one.name, &one.question), (&other.name, &other.question));
        }
    }
}

#[test]
fn questions_are_equal_when_trimmed_and_composed() {
    let question = &scene("two-containers").unwrap().question;
    let decomposed: String = question.nfd().collect();
    assert_ne!(&decomposed, question);
    for form in [decomposed, format!(" \n{question}\u{3000}\n")] {
        assert_eq!(
            scene_for(&form).map(|scene| scene.name.as_str()),
            Some("two-containers")
        );
    }
    assert_eq!(scene_for(&question.replace('？', "?")), None);
    assert_eq!(scene_for(""), None);
}

/// The kinds of outcome that a newcomer should be able to see, each by hand.
#[test]
fn together_they_show_every_kind_of_outcome() {
    for (name, preset, votes_wanted, verdict) in [
        ("two-containers", "default", [1, 2, 0], "REJECTED"),
        ("two-containers-cost", "default", [0, 2, 1], "REJECTED"),
        ("friday-release", "strict", [0, 3, 0], "REJECTED"),
        ("four-day-week", "brainstorm", [2, 1, 0], "APPROVED"),
        // Overruled: two for, and the judge, who decides here, against.
        ("hiring-screen", "classic", [2, 1, 0], "REJECTED"),
        ("record-retention", "strict", [3, 0, 0], "APPROVED"),
        ("neighbourhood-circular", "default", [2, 0, 1], "APPROVED"),
        ("open-source-tool", "default", [2, 1, 0], "APPROVED"),
    ] {
        let scene = scene(name).unwrap();
        assert_eq!(scene.preset, preset, "{name}");
        assert_eq!(votes(scene), votes_wanted, "{name}");
        assert_eq!(scene.judge.decided.decision, verdict, "{name}");
    }
}

#[test]
fn every_part_is_whole_and_worth_its_length() {
    for scene in scenes() {
        let name = &scene.name;
        let length = |prose: &[String]| match scene.lang {
            Lang::Ja => prose.iter().map(|text| text.chars().count()).sum::<usize>() / 2,
            Lang::En => prose
                .iter()
                .map(|text| text.split_whitespace().count())
                .sum(),
        };
        assert_eq!(scene.sages.len(), 3, "{name}");
        for (sage, speech) in &scene.sages {
            assert!(
                (120..=250).contains(&length(&speech.prose)),
                "{name} {sage}"
            );
            let vote = &speech.decided;
            assert!(
                !vote.reasoning.is_empty() && !vote.would_change.is_empty(),
                "{name} {sage}"
            );
            assert_eq!(
                vote.confidence.is_none(),
                vote.decision == "ABSTAINED",
                "{name} {sage}"
            );
            assert!(
                vote.confidence
                    .is_none_or(|sure| (0.0..=1.0).contains(&sure))
            );
        }
        let judge = &scene.judge;
        assert!((120..=250).contains(&length(&judge.prose)), "{name}");
        assert_eq!(judge.decided.scores.len(), 3, "{name}");
        for (points, line) in judge.decided.scores.values() {
            assert!(
                *points <= 100 && !line.is_empty() && !line.contains('\n'),
                "{name}"
            );
        }
        assert!(!judge.decided.conditions.is_empty() && !judge.decided.dissent.1.is_empty());
        for sage in Sage::ALL {
            assert!(
                judge.prose.concat().contains(&format!("{{{sage}}}")),
                "{name} forgets {sage}"
            );
        }
    }
}

/// The page leads from the dissent to the place where it was said, which it finds by its words.
#[test]
fn every_dissent_is_a_sentence_of_its_sage_word_for_word() {
    for scene in scenes() {
        let (sage, text) = &scene.judge.decided.dissent;
        let said = &scene.sages[sage].prose;
        assert!(
            said.iter().any(|paragraph| paragraph.contains(text)),
            "{}: {text}",
            scene.name
        );
        assert!(text.ends_with(['.', '。']), "{}: {text}", scene.name);
    }
}

/// The written Japanese is of one style: である, with full-width punctuation.
#[test]
fn japanese_is_of_one_style() {
    for scene in scenes().iter().filter(|scene| scene.lang == Lang::Ja) {
        let sages = scene.sages.values().flat_map(|speech| &speech.prose);
        for text in sages.chain(&scene.judge.prose) {
            for polite in ["です。", "ます。", "ません。", "ください", "でしょう"]
            {
                assert!(!text.contains(polite), "{}: {text}", scene.name);
            }
            assert!(
                !text.contains([',', '?', '!', '(', ')']),
                "{}: {text}",
                scene.name
            );
        }
    }
}
