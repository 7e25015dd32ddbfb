//! What a deliberation has spent, and the budget it must keep to.

use std::sync::{Mutex, MutexGuard, PoisonError};

use magi_event::Usage;
use magi_model::{ModelName, Prices};
use tokio_util::sync::CancellationToken;

use crate::Budget;
use crate::setup::{REHEARSAL, Spent};

/// The sum of all calls of one deliberation, those under way estimated.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Budget,
    prices: Prices,
    /// What was spent of the budget before this deliberation.
    before: Spent,
    /// A plain mutex: it is held to add up a handful of numbers, never across an await.
    charges: Mutex<Vec<Charge>>,
    over: CancellationToken,
}

#[derive(Clone, Debug)]
struct Charge {
    model: ModelName,
    usage: Usage,
}

impl Charge {
    fn is_free(&self) -> bool {
        self.model.provider == REHEARSAL
    }
}

impl Meter {
    pub(crate) fn new(budget: Budget, prices: Prices, before: Option<Spent>) -> Self {
        let nothing = Spent {
            usage: Usage::default(),
            cost_usd: None,
        };
        Meter {
            budget,
            prices,
            before: before.unwrap_or(nothing),
            charges: Mutex::default(),
            over: CancellationToken::new(),
        }
    }

    fn charges(&self) -> MutexGuard<'_, Vec<Charge>> {
        self.charges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the tab of one call whose prompt has so many bytes.
    pub(crate) fn open(&self, model: &ModelName, bytes: usize) -> Tab<'_> {
        let mut charges = self.charges();
        charges.push(Charge {
            model: model.clone(),
            usage: Usage::default(),
        });
        Tab {
            meter: self,
            index: charges.len() - 1,
            prompt_bytes: bytes as u64,
            written_bytes: 0,
            told: None,
            was_accepted: false,
        }
    }

    fn cost(&self, charge: &Charge) -> Option<f64> {
        if charge.is_free() {
            return Some(0.0);
        }
        self.prices.cost(&charge.model, &charge.usage)
    }

    /// Returns all tokens and, where every price is known, what they cost.
    pub(crate) fn total(&self) -> (Usage, Option<f64>) {
        let charges = self.charges();
        let spent: Vec<&Charge> = charges
            .iter()
            .filter(|charge| charge.usage != Usage::default())
            .collect();
        let usage = spent
            .iter()
            .fold(Usage::default(), |sum, charge| sum + charge.usage);
        let costs: Option<Vec<f64>> = spent.iter().map(|charge| self.cost(charge)).collect();
        let cost = costs.filter(|costs| !costs.is_empty());
        (usage, cost.map(|costs| costs.iter().sum()))
    }

    /// Resolves when the budget is spent.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub(crate) async fn spent(&self) {
        self.over.cancelled().await;
    }

    /// Says what was spent of which budget.
    pub(crate) fn account(&self) -> String {
        let (used, cost) = self.of_budget();
        match (self.budget.tokens, self.budget.usd, cost) {
            (Some(limit), _, _) if used >= limit => format!("{used} of {limit} tokens"),
            (_, Some(limit), Some(cost)) => format!("{cost:.4} of {limit} USD"),
            _ => format!("{used} tokens"),
        }
    }

    /// Returns the tokens and the money that count against the budget.
    fn of_budget(&self) -> (u64, Option<f64>) {
        let (usage, cost) = self.total();
        let usage = usage + self.before.usage;
        let cost = match (cost, self.before.cost_usd) {
            (None, before) => before,
            (Some(cost), before) => Some(cost + before.unwrap_or(0.0)),
        };
        (usage.input_tokens.saturating_add(usage.output_tokens), cost)
    }

    fn set(&self, index: usize, usage: Usage) {
        if let Some(charge) = self.charges().get_mut(index) {
            charge.usage = usage;
        }
        if self.budget == Budget::default() {
            return;
        }
        let (used, cost) = self.of_budget();
        let is_over = self.budget.tokens.is_some_and(|limit| used >= limit)
            || self
                .budget
                .usd
                .zip(cost)
                .is_some_and(|(limit, cost)| cost >= limit);
        if is_over {
            self.over.cancel();
        }
    }
}

/// What one call has used so far. However it ends, a tab is charged with all of it: a call that was
/// stopped was paid for too.
#[derive(Debug)]
pub(crate) struct Tab<'a> {
    meter: &'a Meter,
    index: usize,
    prompt_bytes: u64,
    written_bytes: u64,
    told: Option<Usage>,
    was_accepted: bool,
}

/// Bytes per token where the vendor does not tell.
const BYTES_PER_TOKEN: u64 = 4;

/// How many bytes are written between two looks at the budget.
const LOOK_EVERY: u64 = 256;

impl Tab<'_> {
    /// The vendor began its answer: from now on the prompt counts.
    pub(crate) fn accepted(&mut self) {
        if !self.was_accepted {
            self.was_accepted = true;
            self.charge();
        }
    }

    /// The model wrote so many bytes more.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        let before = self.written_bytes / LOOK_EVERY;
        self.written_bytes += bytes as u64;
        if !self.was_accepted {
            self.accepted();
        } else if self.written_bytes / LOOK_EVERY != before {
            self.charge();
        }
    }

    /// The vendor told what the call used.
    pub(crate) fn told(&mut self, usage: Usage) {
        self.told = Some(usage);
        self.charge();
    }

    /// Charges all of it and returns what the call used and cost, as far as that is known.
    pub(crate) fn settle(&self) -> (Option<Usage>, Option<f64>) {
        self.charge();
        let Some(usage) = self.usage() else {
            return (None, None);
        };
        let charges = self.meter.charges();
        let cost = charges
            .get(self.index)
            .and_then(|charge| self.meter.cost(charge));
        (Some(usage), cost)
    }

    fn charge(&self) {
        if let Some(usage) = self.usage() {
            self.meter.set(self.index, usage);
        }
    }

    /// Returns what the vendor told, else an estimate; nothing for a call that was never accepted.
    fn usage(&self) -> Option<Usage> {
        let estimate = self.was_accepted.then(|| Usage {
            input_tokens: self.prompt_bytes / BYTES_PER_TOKEN,
            output_tokens: self.written_bytes / BYTES_PER_TOKEN,
            estimated: true,
            ..Usage::default()
        });
        self.told.or(estimate)
    }
}

impl Drop for Tab<'_> {
    fn drop(&mut self) {
        self.charge();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(budget: Budget) -> Meter {
        let price = magi_model::Price {
            input: 1.0,
            output: 10.0,
            cache_read: Some(0.1),
            cache_write: None,
        };
        Meter::new(budget, Prices::default().with(&model(), price), None)
    }

    fn model() -> ModelName {
        "openai:x".parse().unwrap()
    }

    #[test]
    fn what_the_vendor_told_replaces_the_estimate() {
        let meter = meter(Budget::default());
        let mut tab = meter.open(&model(), 400);
        assert_eq!(meter.total(), (Usage::default(), None));
        tab.wrote(40);
        let (estimate, _) = meter.total();
        assert!(estimate.estimated && estimate.input_tokens == 100);
        let told = Usage {
            input_tokens: 1000,
            output_tokens: 100,
            cache_read_tokens: Some(500),
            ..Usage::default()
        };
        tab.told(told);
        let (usage, cost) = tab.settle();
        assert_eq!(usage, Some(told));
        assert!((cost.unwrap() - 0.001_55).abs() < 1e-12);
        assert_eq!(meter.total().0, told);
    }

    #[test]
    fn a_call_that_was_never_accepted_is_not_billed() {
        let meter = meter(Budget::default());
        let tab = meter.open(&model(), 4000);
        assert_eq!(tab.settle(), (None, None));
    }

    #[test]
    fn a_call_that_was_stopped_is_billed_to_its_last_byte() {
        let meter = meter(Budget::default());
        let mut tab = meter.open(&model(), 400);
        for _ in 0..25 {
            tab.wrote(10);
        }
        drop(tab);
        let (usage, _) = meter.total();
        assert_eq!((usage.input_tokens, usage.output_tokens), (100, 62));
        assert!(usage.estimated);
    }

    #[test]
    fn one_unknown_price_makes_the_sum_unknown() {
        let meter = meter(Budget::default());
        meter.open(&model(), 40).wrote(1);
        assert!(meter.total().1.is_some());
        meter.open(&"openai:y".parse().unwrap(), 40).wrote(1);
        assert_eq!(meter.total().1, None);
    }

    #[test]
    fn a_rehearsal_that_was_stopped_is_estimated_like_one_that_ended_and_costs_nothing() {
        let meter = meter(Budget::default());
        meter.open(&"rehearsal".parse().unwrap(), 40).wrote(8_000);
        let (usage, cost) = meter.total();
        assert_eq!((usage.output_tokens, usage.estimated), (2_000, true));
        assert_eq!(cost, Some(0.0));
    }

    #[tokio::test]
    async fn a_spent_budget_is_noticed_while_the_model_writes() {
        let budget = Budget {
            tokens: Some(200),
            usd: None,
        };
        let meter = meter(budget);
        let mut tab = meter.open(&model(), 400);
        tab.wrote(300);
        assert!(!meter.over.is_cancelled());
        tab.wrote(300);
        meter.spent().await;
        assert_eq!(meter.account(), "250 of 200 tokens");
    }
}
