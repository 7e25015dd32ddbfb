//! What is said of a judgment that was judged again in other orders: whether it holds.

use magi_event::{FinalDecision, Snapshot};

use crate::show::words::Lang;

/// The line that stands on stdout: how many of the judgments made agree with the one before, and which do not. A judge
/// who failed made none, so it counts neither way and is named.
/// `n_orders` is how many different orders of the sages they saw: two sages have two, three have six.
pub(crate) fn told(
    before: FinalDecision,
    judged: &[Option<FinalDecision>],
    n_orders: usize,
    lang: Lang,
) -> String {
    let made: Vec<FinalDecision> = judged.iter().flatten().copied().collect();
    let n_same = made.iter().filter(|decision| **decision == before).count();
    let (of, n_failed) = (made.len(), judged.len() - made.len());
    let mut parts = vec![match lang {
        Lang::En if made.is_empty() => "no judgment was made".to_owned(),
        Lang::Ja if made.is_empty() => "裁定なし".to_owned(),
        Lang::En if n_same == of => format!("stable {n_same}/{of}"),
        Lang::Ja if n_same == of => format!("安定 {n_same}/{of}"),
        Lang::En => format!("unstable: {n_same}/{of} as before"),
        Lang::Ja => format!("不安定: 同じ判断 {n_same}/{of}"),
    }];
    for other in [
        FinalDecision::Approved,
        FinalDecision::Rejected,
        FinalDecision::Undecided,
    ] {
        let count = made.iter().filter(|decision| **decision == other).count();
        if other != before && count > 0 {
            parts.push(match lang {
                Lang::En => format!("{count} {other}"),
                Lang::Ja => format!("{other} {count}件"),
            });
        }
    }
    if n_failed > 0 {
        parts.push(match lang {
            Lang::En => format!("{n_failed} failed"),
            Lang::Ja => format!("失敗{n_failed}件"),
        });
    }
    if n_orders < judged.len() {
        parts.push(match lang {
            Lang::En => format!("in {n_orders} different orders: there are no more"),
            Lang::Ja => format!("順序は{n_orders}通り（これ以上はありません）"),
        });
    }
    format!("{before}: {}", parts.join(lang.pick(", ", "、")))
}

/// Why one of them has no judgment.
pub(crate) fn none(snapshot: &Snapshot, lang: Lang) -> String {
    let word = lang.pick("no judgment", "裁定なし");
    let why = snapshot
        .verdict
        .as_ref()
        .map(|verdict| verdict.solomon_judgment.reasoning.trim());
    match why.filter(|why| !why.is_empty()) {
        Some(why) => format!("{word}: {why}"),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Option<FinalDecision> = Some(FinalDecision::Approved);
    const NO: Option<FinalDecision> = Some(FinalDecision::Rejected);

    #[test]
    fn only_judgments_count_and_failures_are_named() {
        for (judged, en, ja) in [
            (
                [YES, YES, YES],
                "APPROVED: stable 3/3",
                "APPROVED: 安定 3/3",
            ),
            (
                [YES, NO, YES],
                "APPROVED: unstable: 2/3 as before, 1 REJECTED",
                "APPROVED: 不安定: 同じ判断 2/3、REJECTED 1件",
            ),
            (
                [YES, None, YES],
                "APPROVED: stable 2/2, 1 failed",
                "APPROVED: 安定 2/2、失敗1件",
            ),
            (
                [None, NO, None],
                "APPROVED: unstable: 0/1 as before, 1 REJECTED, 2 failed",
                "APPROVED: 不安定: 同じ判断 0/1、REJECTED 1件、失敗2件",
            ),
            (
                [None, None, None],
                "APPROVED: no judgment was made, 3 failed",
                "APPROVED: 裁定なし、失敗3件",
            ),
        ] {
            assert_eq!(told(FinalDecision::Approved, &judged, 3, Lang::En), en);
            assert_eq!(told(FinalDecision::Approved, &judged, 3, Lang::Ja), ja);
        }
    }

    #[test]
    fn orders_that_come_again_are_told() {
        let told = |lang| told(FinalDecision::Approved, &[YES, YES, YES], 2, lang);
        assert_eq!(
            told(Lang::En),
            "APPROVED: stable 3/3, in 2 different orders: there are no more"
        );
        assert_eq!(
            told(Lang::Ja),
            "APPROVED: 安定 3/3、順序は2通り（これ以上はありません）"
        );
    }
}
