//! What is printed, and what happens when it cannot be.

use crate::realm::Realm;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::process::Stdio;

/// Outputs that take nothing: a pipe that nobody reads, and a full disk.
fn deaf() -> [Stdio; 2] {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    [writer.into(), full.into()]
}

#[test]
fn what_was_drawn_and_cannot_be_printed_is_not_lost_without_a_word() {
    let realm = Realm::new();
    for (n, output) in (0..).zip(deaf()) {
        let name = format!("bob{n}");
        let said = realm.program(&["user", "add", &name]).stdout(output).output().unwrap();
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.contains(&format!("{name} is made")), "{said}");
        assert!(said.contains(&format!("rescind user delete {name}")), "{said}");
        realm.does(&["user", "delete", &name, "--yes"]);
    }
    for (args, advice) in [
        (&["client", "add", "c", "--audience", "c"][..], "rescind client secret c"),
        (&["client", "secret", "posts-api"], "rescind client secret posts-api"),
        (&["keys", "share", "posts-api", "--yes"], "rescind keys retire "),
    ] {
        let [deaf, _] = deaf();
        let said = realm.program(args).stdout(deaf).output().unwrap();
        assert_eq!(said.status.code(), Some(1), "{args:?}: {said:?}");
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.contains("that nobody has seen") && said.contains(advice), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    assert!(realm.does(&["client", "list"]).contains("\nc "), "it is registered all the same");
}

#[test]
fn an_act_whose_word_is_not_heard_says_that_it_is_done() {
    let realm = Realm::new();
    for output in deaf() {
        let said = realm.program(&["user", "ban", "alice"]).stdout(output).output().unwrap();
        assert_eq!(said.status.code(), Some(1));
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.contains("but it is done: alice is banned"), "{said}");
    }
    for args in [
        &["user", "list"][..],
        &["keys", "list"],
        &["audit", "export"],
        &["doctor"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "check"],
    ] {
        for deaf in deaf() {
            let said = realm.program(args).stdout(deaf).output().unwrap();
            assert_eq!(said.status.code(), Some(1), "{args:?}");
            let said = String::from_utf8(said.stderr).unwrap();
            assert!(said.contains("standard output cannot be written"), "{args:?}: {said}");
            assert!(!said.contains("what was to be written"), "{args:?}: {said}");
        }
    }
}

#[test]
fn the_configuration_is_shown_in_columns_and_as_values_of_their_kind() {
    let realm = Realm::bare();
    let set = ["--set", "trusted_proxies=10.0.0.1,::1", "--set", "sessions.most=7"];
    let table = realm.does(&[&["config", "show"][..], &set].concat());
    let column = |line: &str, word: &str| {
        line.find(word).map(|at| line[..at].chars().count()).unwrap_or_else(|| panic!("{line}"))
    };
    let heading = table.lines().next().unwrap();
    for (line, value, from) in [
        ("throttle.account_revocations_every ", "\"1m\"", "default"),
        ("trusted_proxies ", "[\"10.0.0.1\", \"::1\"]", "--set"),
        ("tls.key ", "(not set)", "default"),
    ] {
        let line = table.lines().find(|found| found.starts_with(line)).unwrap();
        assert_eq!(column(line, value), column(heading, "VALUE"), "{line}");
        assert_eq!(column(line, from), column(heading, "FROM"), "{line}");
    }
    let shown = realm.json(&[&["config", "show"][..], &set].concat());
    for (key, value) in [
        ("tls.key", serde_json::json!(null)),
        ("hosts", serde_json::json!([])),
        ("trusted_proxies", serde_json::json!(["10.0.0.1", "::1"])),
        ("sessions.most", serde_json::json!(7)),
        ("tokens.access_life", serde_json::json!("5m")),
    ] {
        assert_eq!(shown[key]["value"], value, "{key}");
    }
    assert_eq!(shown["sessions.most"]["from"], "--set");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_tables_for_people_and_json_for_programs() {
    let realm = Realm::new();
    let process = realm.start().await;
    realm.sign_in().await;
    for (args, heading, cell) in [
        (&["user", "list"][..], "NAME", "alice"),
        (&["session", "list", "alice"], "ID", "first-party"),
        (&["user", "sessions", "alice"], "ID", "first-party"),
        (&["client", "list"], "ID", "posts-api"),
        (&["keys", "list"], "PURPOSE", "token"),
        (&["audit", "list"], "AT", "client_made"),
    ] {
        let table = realm.does(args);
        assert!(table.starts_with(heading) && table.contains(cell), "{args:?}: {table}");
        let list = realm.json(args);
        assert!(list.as_array().is_some_and(|list| !list.is_empty()), "{args:?}: {list}");
    }
    let sid = realm.json(&["session", "list", "alice"])[0]["id"].as_str().unwrap().to_owned();
    let shown = realm.json(&["session", "show", &sid]);
    assert_eq!((&shown["username"], &shown["state"]), (&"alice".into(), &"live".into()));
    let done = realm.json(&["session", "end", &sid]);
    assert!(done["pos"].as_u64() >= Some(1), "{done}");
    let shown = realm.does(&["session", "show", &sid]);
    assert!(shown.contains("administrator"), "{shown}");
    drop(process);
    // The same without an authority.
    assert_eq!(realm.json(&["session", "list", "alice"]), serde_json::json!([]));
    let made = realm.json(&["user", "add", "bob"]);
    assert_eq!(made["password"].as_str().map(str::len), Some(20), "{made}");
    let roles = realm.does(&["user", "roles", "bob", "--role", "editor", "--role", "owner"]);
    assert!(roles.starts_with("bob has the roles editor, owner; durable at "), "{roles}");
}

#[test]
fn a_refusal_names_the_next_step() {
    let realm = Realm::new();
    let (no_id, long) = ("AAAAAAAAAAAAAAAAAAAAAA", "a".repeat(256));
    for (args, step) in [
        (&["user", "ban", "nobody"][..], "rescind user list"),
        (&["user", "delete", "nobody"], "rescind user list"),
        (&["session", "list", "nobody"], "rescind user list"),
        (&["session", "end", no_id], "rescind session list"),
        (&["session", "show", no_id], "rescind session list"),
        (&["session", "show", "x"], "22 base64url characters"),
        (&["client", "secret", "nope"], "rescind client list"),
        (&["client", "remove", "nope"], "rescind client list"),
        (&["revoke", "--audience", "nope"], "rescind client list"),
        (&["keys", "retire", "nope", "--compromised"], "rescind keys list"),
        (&["keys", "share", "nope"], "rescind client list"),
        (&["audit", "list", "--user", "nobody"], "rescind user list"),
        (&["audit", "list", "--user", "deleted"], "--sub"),
        (&["user", "add", "alice"], "rescind user list"),
        (&["user", "add", &long], "at most 255 bytes"),
    ] {
        let said = realm.fails(args, 1);
        assert!(said.contains(step), "{args:?}: {said}");
    }
    for args in [&["audit", "list", "--action", "sleep"][..], &["audit", "list", "--since", "now"]]
    {
        realm.fails(args, 2);
    }
}

#[test]
fn an_address_that_is_taken_is_named_with_the_setting_that_names_another() {
    let realm = Realm::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let metrics = format!("metrics_listen={address}");
    for (args, setting) in [
        (["--listen", &address, "--log", "off"], "--listen"),
        (["--listen=127.0.0.1:0", "--log=off", "--set", &metrics], "metrics_listen"),
    ] {
        let said = realm.fails(&[&["serve"][..], &args].concat(), 1);
        for part in [address.as_str(), "another program listens there", setting] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn a_place_that_holds_no_store_is_called_by_its_name() {
    let realm = Realm::new();
    let database = realm.at("data").join("rescind.db");
    let kept = realm.at("kept");
    std::fs::rename(&database, &kept).unwrap();
    assert!(realm.fails(&["user", "list"], 1).contains("--issuer"), "nothing is there yet");
    std::fs::write(&database, "").unwrap();
    let said = realm.fails(&["user", "list"], 1);
    assert!(said.contains("is empty") && !said.contains("--issuer"), "{said}");
    std::fs::write(&database, "damaged beyond a doubt, but not empty".repeat(100)).unwrap();
    let said = realm.fails(&["user", "list"], 1);
    assert!(said.contains("is damaged") && said.contains("backup"), "{said}");
    std::fs::remove_dir_all(realm.at("data")).unwrap();
    std::fs::write(realm.at("data"), "a file").unwrap();
    let said = realm.fails(&["user", "list"], 1);
    assert!(said.contains("--data names the folder") && !said.contains("--issuer"), "{said}");
}
