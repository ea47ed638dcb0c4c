//! What a check allocates, and what the cache of verified tokens takes. A program of its own, for it counts all that
//! it allocates.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

mod support;

use rescind_verifier::Verifier;
use rescind_wire::id::Jti;
use rescind_wire::token::Claims;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use std::alloc::System;
use support::Authority;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocated_by(work: impl FnOnce()) -> Stats {
    let region = Region::new(ALLOCATOR);
    work();
    region.change()
}

/// Tokens of one account.
fn tokens(authority: &Authority, count: u32) -> Vec<String> {
    let token = |n: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        authority.sign(&Claims { jti: Jti::from_bytes(id), ..authority.claims(1) })
    };
    (0..count).map(token).collect()
}

fn check_all(verifier: &Verifier, tokens: &[String]) {
    tokens.iter().for_each(|token| drop(verifier.check(token).unwrap()));
}

// One test, for two at once would count each other's.
#[tokio::test]
async fn a_known_token_allocates_nothing_and_the_cache_takes_what_it_may() {
    const MOST: u64 = 4 << 20;
    let authority = Authority::serve().await;
    let verifier = authority.builder().cache_bytes(MOST).build().await.unwrap();
    let known = tokens(&authority, 50);
    check_all(&verifier, &known);
    let again = allocated_by(|| (0..100).for_each(|_| check_all(&verifier, &known)));
    assert_eq!((again.allocations, again.reallocations), (0, 0), "{again:?}");

    let many = tokens(&authority, 4000);
    let taken = allocated_by(|| check_all(&verifier, &many));
    let taken = (taken.bytes_allocated - taken.bytes_deallocated) as u64;
    // What is counted are the bytes that were asked for; an allocator takes some more for each block.
    assert!(taken <= MOST && taken > MOST * 6 / 10, "{taken} of {MOST} bytes");
    assert!(many.iter().any(|token| allocated_by(|| drop(verifier.check(token))).allocations > 0));
}
