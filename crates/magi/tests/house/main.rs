//! Tests of the whole house.

#![cfg(test)]

mod arrows;
mod failures;
mod shape;
mod words;
