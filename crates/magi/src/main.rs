//! MAGI: one question, three sages, one verdict.

mod settings;
mod show;

fn main() {}
