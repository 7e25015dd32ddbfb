//! Tests of the whole house.

mod arrows;
mod shape;
