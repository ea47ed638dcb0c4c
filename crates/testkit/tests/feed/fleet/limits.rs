//! What a wait for the fleet may take, and how long after a change of the bound.

use super::*;

//
#[tokio::test(flavor = "multi_thread")]
async fn after_the_bound_was_lowered_the_longer_one_of_before_is_waited_out() {
    let (mut authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    authority.caught_up(&verifier).await;
    cut_off(&proxy);
    authority.config.settings.staleness = 3 * SECOND;
    // Another restart before that time is over forgets nothing.
    let authority = authority.restart().await.restart().await;
    authority.clock.advance(S - SECOND);
    let call = ending(&device);
    until("a call waits", || authority.app.feed.fleet().waiting() == 1).await;
    assert!(verifier.check(&device.access).is_ok(), "by the bound that it was told");
    assert!(!call.is_finished(), "three times the bound of now is not enough");
    authority.clock.advance(2 * SECOND);
    let enforced = call.await.unwrap();
    assert!(is_stale(&verifier.check(&device.access)));
    assert_eq!(enforced["doubt"], "restarted", "{enforced}");
    let bound =
        || rescind_server::marker::read(&authority.config.keys).unwrap().unwrap().staleness_ms;
    until("only the new one is remembered", || bound() == Some(3_000)).await;
    let authority = authority.restart().await;
    authority.clock.advance(4 * SECOND);
    assert!(authority.app.feed.fleet().is_settled());
}

// R-57 H08
#[tokio::test(flavor = "multi_thread")]
async fn one_person_does_not_take_all_places_of_those_who_wait() {
    let (authority, proxy) = settled().await;
    authority.person("bob").await;
    let _verifier = authority.verifier().await;
    let alice = Device::sign_in(&authority).await;
    known(&authority, 1).await;
    cut_off(&proxy);
    // Which the verifier never hears of.
    crate::revoke_nobodys(&authority, 1).await;
    let end_others = |refresh: &str| {
        let (http, refresh) = (authority.http(), refresh.to_owned());
        let path = "/sessions?wait=fleet";
        tokio::spawn(async move { http.send_as(Method::DELETE, path, &refresh).await })
    };
    let waiting = || authority.app.feed.fleet().waiting();
    let mut calls: Vec<_> = (0..8).map(|_| end_others(&alice.refresh)).collect();
    until("eight calls wait", || waiting() == 8).await;
    let refused = tokio::time::timeout(30 * SECOND, end_others(&alice.refresh));
    let refused = refused.await.expect("a ninth waits, too").unwrap();
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    let bob = authority.http().sign_in("bob", PASSWORD).await;
    calls.push(end_others(bob["refresh_token"].as_str().unwrap()));
    until("another person waits, too", || waiting() == 9).await;
    authority.clock.advance(S + SECOND);
    for call in calls {
        assert_eq!(call.await.unwrap().status, 200);
    }
    // Nobody is known any more, and the places are free again.
    assert_eq!(end_others(&alice.refresh).await.unwrap().status, 200);
}

// R-57 H08
#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_token_of_a_session_that_is_over_takes_no_place_of_its_owner() {
    let (authority, proxy) = settled().await;
    let _verifier = authority.verifier().await;
    let [over, alice] = [Device::sign_in(&authority).await, Device::sign_in(&authority).await];
    known(&authority, 1).await;
    cut_off(&proxy);
    assert_eq!(over.http.send_as(Method::POST, "/logout", &over.refresh).await.status, 204);
    let call = |path: &'static str, refresh: &str| {
        let (http, refresh) = (authority.http(), refresh.to_owned());
        tokio::spawn(async move { http.send_as(Method::POST, path, &refresh).await })
    };
    let waiting = || authority.app.feed.fleet().waiting();
    let mut calls: Vec<_> = (0..8).map(|_| call("/logout?wait=fleet", &over.refresh)).collect();
    until("eight calls wait", || waiting() == 8).await;
    calls.push(call("/logout/everywhere?wait=fleet", &alice.refresh));
    until("the owner's waits, too", || waiting() == 9).await;
    authority.clock.advance(S + SECOND);
    for call in calls {
        assert_eq!(call.await.unwrap().status, 200);
    }
}
