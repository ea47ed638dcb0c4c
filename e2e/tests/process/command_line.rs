//! What the command line says to people.

use rescind_e2e::demo::{Demo, rescind};
use rescind_e2e::program;
use rescind_testkit::http::Http;
use rescind_testkit::process::free_port;
use serde_json::Value;
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// Runs to the end; gives the exit code and what it said on standard error.
fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let output = rescind(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_helps() {
    let (taken, free) = (TcpListener::bind("127.0.0.1:0").unwrap(), free_port().to_string());
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = fails(&["demo", "--port", &port, "--api-port", &free]);
    assert_eq!(code, Some(1));
    assert!(said.contains(&port) && said.contains("rescind demo --port "), "{said}");
    let (code, said) = fails(&["demo", "--port", &free, "--api-port", &port]);
    assert_eq!(code, Some(1));
    assert!(said.contains(&port) && said.contains("--api-port"), "{said}");
    let (code, said) = fails(&["demo", "--port", &free, "--api-port", &free]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot share") && said.contains("--api-port"), "{said}");
}

#[test]
fn the_demo_without_its_api_server_says_where_it_looked() {
    // A link, not a copy: a file that was just written may still be open in a child of another test.
    let there = program("E2E_RESCIND");
    let folder = tempfile::tempdir_in(there.parent().unwrap()).unwrap();
    let alone = folder.path().join("rescind");
    std::fs::hard_link(&there, &alone).unwrap();
    let ports = ["--port", &free_port().to_string(), "--api-port", &free_port().to_string()];
    let mut command = Command::new(&alone);
    command.arg("demo").args(ports).env_remove("CARGO").stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&folder.path().join("posts-api").display().to_string()), "{said}");
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_to_write() {
    for (arguments, hint) in [
        (&["demo", "--ports", "1"][..], "--port"),
        (&["demo", "--port", "http"], "--port"),
        (&["demo", "--port", "0"], "1..=65535"),
        (&["revoke"], "--user"),
        (&["sevre"], "serve"),
        (&[], "Usage"),
    ] {
        let (code, said) = fails(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    let place = ["--data", data.to_str().unwrap(), "--keys", keys.to_str().unwrap()];
    let (code, said) = fails(&[&["serve"][..], &place].concat());
    assert_eq!(code, Some(1));
    assert!(said.contains("--issuer http"), "{said}");
    let open = ["--issuer", "http://localhost:4000", "--listen", "0.0.0.0:0"];
    let (code, said) = fails(&[&["serve"][..], &place, &open].concat());
    assert_eq!(code, Some(1));
    assert!(said.contains("listen on 127.0.0.1"), "{said}");
    let stale = ["--issuer", "http://localhost:4000", "--set", "tokens.staleness=1"];
    let (code, said) = fails(&[&["serve"][..], &place, &stale].concat());
    assert_eq!(code, Some(1));
    assert!(
        said.contains("--set: tokens.staleness must be a time with its unit from 3s to 5m"),
        "{said}"
    );
    assert!(!data.exists(), "a wrong configuration makes no store");
}

#[test]
fn every_command_explains_itself_with_examples() {
    for command in ["demo", "serve", "user", "client", "keys", "revoke", "config"] {
        let output = rescind(&[command, "--help"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        assert!(text.contains("Examples:\n  ") && text.contains(command), "{text}");
    }
}

/// The lines of the block under this heading, without their indentation.
fn block<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.is_empty()).map(str::trim_start).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_that_the_demo_prints_work_as_they_stand() {
    let (demo, text) = Demo::start_for_people();
    for part in [&demo.issuer(), "alice", "bob", "What to click", "kill -9 ", " serve --data "] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let lines = block(&text, "The same by hand");
    let (last, before) = lines.split_last().unwrap();
    assert_eq!(lines.iter().filter(|line| line.contains("curl ")).count(), 4);
    // Pasted into one shell; only before the last line somebody takes a breath.
    let breath = "read breath";
    let script = [before, &[breath, last]].concat().join("\n");
    let mut shell = Command::new("sh");
    let mut shell =
        shell.args(["-ec", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut answers = std::io::BufReader::new(shell.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut answers, &mut line).unwrap();
        line
    };
    let posts: Value = serde_json::from_str(&next()).unwrap();
    assert_eq!(posts[0]["title"], "Hello");
    let done: Value = serde_json::from_str(&next()).unwrap();
    demo.applied(done["pos"].as_u64().unwrap()).await;
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), b"\n").unwrap();
    assert_eq!(next(), "HTTP/1.1 401 Unauthorized\r\n");
    let rest = std::io::read_to_string(answers).unwrap();
    assert!(rest.contains("error=\"invalid_token\""), "{rest}");
    assert!(shell.wait().unwrap().success());
    let page = Http::new(&demo.issuer()).get("/demo", &[]).await;
    assert_eq!(page.header("location"), "/signin?next=/demo");
}
