//! Tests of the whole house.

#![cfg(test)]

mod arrows;
mod shape;
