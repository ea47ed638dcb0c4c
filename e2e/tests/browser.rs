//! The pages in a real browser, as a person meets them.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod pages {
    mod demo;
    mod every_page;
    mod other_origins;
    mod plain;
    mod planted;
    mod siblings;
    mod tabs;
}
