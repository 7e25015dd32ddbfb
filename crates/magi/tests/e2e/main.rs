//! Whole processes over real sockets: the binary, fake vendors, cuts, kills.

#![cfg(test)]

/// Prints a line also where the test passes: the test runner would keep the seed and figures of a passing one to itself.
macro_rules! told {
    ($($text:tt)*) => {
        ::std::io::Write::write_fmt(
            &mut ::std::io::stdout().lock(),
            format_args!("{}\n", format_args!($($text)*)),
        )
        .unwrap()
    };
}

mod at_server;
#[cfg(feature = "bedrock")]
mod bedrock;
mod chaos;
mod cli;
#[cfg(feature = "bedrock")]
mod cloud;
#[cfg(target_os = "linux")]
mod crowd;
mod cuts;
#[cfg(feature = "bedrock")]
mod direct;
#[cfg(feature = "bedrock")]
mod doctor;
#[cfg(feature = "bedrock")]
mod doctor_on_the_way;
mod doors;
#[cfg(target_os = "linux")]
mod failures;
#[cfg(feature = "bedrock")]
mod front_end;
#[cfg(feature = "bedrock")]
mod gateway;
#[cfg(feature = "bedrock")]
mod hops;
mod kill;
mod languages;
mod lockstep;
#[cfg(feature = "bedrock")]
mod meddler;
mod original;
mod readme;
#[cfg(feature = "bedrock")]
mod runtime;
mod stop;
mod support;
#[cfg(feature = "bedrock")]
mod tls;
#[cfg(feature = "bedrock")]
mod topologies;
mod upkeep;
#[cfg(target_os = "linux")]
mod upset;
#[cfg(feature = "bedrock")]
mod ways;
