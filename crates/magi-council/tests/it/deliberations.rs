//! Whole deliberations, each a script with its events committed beside it.

#![cfg(test)]

use crate::script::check;

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                check(stringify!($name)).await;
            }
        )*
    };
}

scripts! {
    happy_en
    happy_ja
}
