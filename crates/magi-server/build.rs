//! Checks that the built page is there. It is committed beside this crate, so that building it never
//! needs Node.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=page");
    let index = Path::new("page/index.html");
    match std::fs::metadata(index) {
        Ok(file) if file.len() > 0 => ExitCode::SUCCESS,
        Ok(_) => missing("is empty"),
        Err(error) => missing(&error.to_string()),
    }
}

fn missing(why: &str) -> ExitCode {
    println!(
        "cargo::error=crates/magi-server/page/index.html: {why}; build the page in web/ and commit \
         its output"
    );
    ExitCode::FAILURE
}
