//! The council's tests on its public face, in one binary: votes, the outcome table, and whole
//! deliberations from scripts.

mod corpus;
mod deliberations;
mod fallbacks;
mod faulty;
mod keys;
mod outcomes;
mod panel;
mod phases;
mod recovery;
mod rehearsal;
mod schedules;
mod script;
mod seen;
mod suspension;
mod verbs;
mod votes;
mod votes_bounds;
mod votes_judge;
mod votes_mutants;
mod votes_split;
