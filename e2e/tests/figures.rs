//! How long a revocation takes to reach the posts API, a thousand times over, and what tokens of made-up keys
//! cost the good ones. Prints the figures; what is asserted is only that each answer is the right one.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use http::Method;
use rescind_e2e::demo::Demo;
use rescind_e2e::wait::{Stopwatch, say};
use rescind_testkit::http::Http;
use rescind_wire::b64;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::Mutex;

const ROUNDS: usize = 1000;

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

struct Round<'a> {
    demo: &'a Demo,
    authority: Http,
    api: Http,
}

impl<'a> Round<'a> {
    fn new(demo: &'a Demo) -> Self {
        Self { demo, authority: demo.authority(), api: demo.api() }
    }

    /// Signs in; gives access and refresh token.
    async fn sign_in(&self) -> (String, String) {
        let (name, password) = self.demo.alice();
        let tokens = self.authority.sign_in(name, password).await;
        let text = |member: &str| tokens[member].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    async fn accepted(&self, token: &str) {
        let answer = self.api.get_as("/posts", token).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn refused(&self, token: &str) {
        let answer = self.api.get_as("/posts", token).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    }

    /// Logs out everywhere; gives the entry's position.
    async fn log_out(&self, refresh_token: &str) -> u64 {
        let answer =
            self.authority.send_as(Method::POST, "/logout/everywhere", refresh_token).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["pos"].as_u64().unwrap()
    }

    /// Asks without a pause until the API says that the position is applied.
    async fn applied(&self, pos: u64) {
        let watch = Stopwatch::new();
        while self.api.get("/readyz", &[]).await.json()["applied"].as_u64().unwrap() < pos {
            assert!(watch.elapsed() < Duration::from_secs(10), "not applied");
        }
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at =
        |share: usize| times[(times.len() * share / 1000).min(times.len() - 1)].as_secs_f64() * 1e3;
    let count = times.len();
    let (p50, p99, max) = (at(500), at(990), at(1000));
    say(&format!("{what}: {count} of {count}; p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"));
}

// R-31 R-32
#[tokio::test(flavor = "multi_thread")]
async fn once_a_logout_is_applied_the_first_request_is_refused_each_time() {
    let _alone = ALONE.lock().await;
    let demo = Demo::start();
    let round = Round::new(&demo);
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let (token, refresh_token) = round.sign_in().await;
        round.accepted(&token).await;
        let pos = round.log_out(&refresh_token).await;
        let answered = Stopwatch::new();
        round.applied(pos).await;
        round.refused(&token).await;
        times.push(answered.elapsed());
    }
    print("from the logout's answer to the refusal at the API", times);
}

fn issued_at(token: &str) -> u64 {
    let claims = b64::decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["iat"].as_u64().unwrap()
}

// V07 R-35
#[tokio::test(flavor = "multi_thread")]
async fn a_login_in_the_second_of_a_logout_works_at_once_each_time() {
    let _alone = ALONE.lock().await;
    let demo = Demo::start();
    let round = Round::new(&demo);
    let (mut times, mut same_second) = (Vec::with_capacity(ROUNDS), 0);
    let (mut token, mut refresh_token) = round.sign_in().await;
    for _ in 0..ROUNDS {
        round.accepted(&token).await;
        let pos = round.log_out(&refresh_token).await;
        let answered = Stopwatch::new();
        let next = round.sign_in().await;
        round.accepted(&next.0).await;
        times.push(answered.elapsed());
        same_second += usize::from(issued_at(&next.0) == issued_at(&token));
        round.applied(pos).await;
        round.refused(&token).await;
        round.accepted(&next.0).await;
        (token, refresh_token) = next;
    }
    print("from the logout's answer to the new login's first post", times);
    say(&format!("{same_second} of the old tokens were issued in the same second as the new one"));
    assert!(same_second > 0, "the wall clock could have decided");
}

// K07
#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_ten_thousand_made_up_keys_between_good_ones() {
    let _alone = ALONE.lock().await;
    let demo = Demo::start();
    let round = Round::new(&demo);
    let (token, _) = round.sign_in().await;
    let (_, rest) = token.split_once('.').unwrap();
    let (mut alone, mut among) = (Vec::new(), Vec::new());
    for n in 0..10 * ROUNDS {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"made-up-{n}"}}"#);
        round.refused(&format!("{}.{rest}", b64::encode(header))).await;
        let watch = Stopwatch::new();
        round.accepted(&token).await;
        among.push(watch.elapsed());
        let watch = Stopwatch::new();
        round.accepted(&token).await;
        alone.push(watch.elapsed());
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    };
    let (after_bad, after_good) = (median(&mut among), median(&mut alone));
    let ratio = after_bad / after_good;
    say(&format!("a good token right after a made-up key against one after a good: {ratio:.2}"));
}
