//! What the documents say is so: the README's commands are run as they stand, its application is the one
//! that is compiled here, and every test and item that a document links to is there.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken test tool must stop the test"
)]

use rescind_e2e::program;
use rescind_testkit::process::free_port;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fenced block with the comment above it, if it has one.
struct Block {
    mark: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> Vec<Block> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let (mut blocks, mut mark, mut open) = (Vec::new(), String::new(), None::<Block>);
    for line in text.lines() {
        match (&mut open, line.starts_with("```")) {
            (Some(_), true) => blocks.extend(open.take()),
            (Some(block), false) => writeln!(block.text, "{line}").unwrap(),
            (None, true) => {
                open = Some(Block { mark: std::mem::take(&mut mark), text: String::new() });
            }
            (None, false) => {
                let comment = line.strip_prefix("<!-- ").and_then(|l| l.strip_suffix(" -->"));
                mark = comment.unwrap_or("").to_owned();
            }
        }
    }
    blocks
}

fn marked(mark: &str) -> String {
    let found: Vec<String> =
        readme().into_iter().filter(|b| b.mark == mark).map(|b| b.text).collect();
    assert_eq!(found.len(), 1, "one block is marked {mark}");
    found.concat()
}

/// Puts the programs where a reader has them: `rescind` in the checkout's `target/release`. `cargo`
/// builds nothing here and runs the application that was compiled with this test.
fn stage(folder: &Path, ports: [u16; 2]) {
    let release = folder.join("rescind/target/release");
    let tools = folder.join("tools");
    fs::create_dir_all(&release).unwrap();
    fs::create_dir(&tools).unwrap();
    symlink(program("E2E_RESCIND"), release.join("rescind")).unwrap();
    let app = env!("CARGO_BIN_EXE_first-route");
    let cargo = format!(
        "#!/bin/sh\ncase \"$1\" in\n  build) ;;\n  run) exec '{app}' http://localhost:{} 127.0.0.1:{} ;;\n  *) exit 1 ;;\nesac\n",
        ports[0], ports[1]
    );
    fs::write(tools.join("cargo"), cargo).unwrap();
    fs::set_permissions(tools.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// One script of all blocks: those that stay run in the background until the end, and the next begins
/// when their port answers; what each other one prints goes to a file of its own.
fn script(ports: [u16; 2]) -> (String, Vec<(usize, String)>) {
    let with_ports = |text: &str| {
        text.replace(":4000", &format!(":{}", ports[0])).replace(":3000", &format!(":{}", ports[1]))
    };
    let mut script = String::from("set -eu\nkept=\ntrap 'kill $kept; wait' EXIT\n");
    let mut answering = ports.into_iter();
    let (mut count, mut prints) = (0, Vec::new());
    for block in readme() {
        let text = with_ports(&block.text);
        match block.mark.as_str() {
            "run" => {
                count += 1;
                writeln!(script, "{{\n{text}}} > \"$OUT/{count}\"").unwrap();
            }
            "run, stays" => {
                let port = answering.next().expect("a port for each program that stays");
                let line = text.trim_end();
                writeln!(script, "{line} > \"$OUT/{port}\" 2>&1 &\nkept=\"$kept $!\"\ntries=0")
                    .unwrap();
                writeln!(
                    script,
                    "until curl -s -o \"$OUT/answer\" http://127.0.0.1:{port}/; do\n  \
                     tries=$((tries + 1)); [ $tries -lt 600 ]; sleep 0.05\ndone"
                )
                .unwrap();
            }
            "prints" => prints.push((count, text)),
            _ => {}
        }
    }
    (script, prints)
}

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()];
    stage(folder.path(), ports);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let (script, prints) = script(ports);
    assert!(prints.len() >= 2, "the README says what its commands print");

    let path = format!(
        "{}:{}",
        folder.path().join("tools").display(),
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    let done = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path().join("rescind"))
        .env_clear()
        .env("PATH", path)
        .env("OUT", &out)
        .output()
        .unwrap();
    let log = |port: u16| fs::read_to_string(out.join(port.to_string())).unwrap_or_default();
    assert!(
        done.status.success(),
        "{script}\n{}\n{}\n{}",
        String::from_utf8_lossy(&done.stderr),
        log(ports[0]),
        log(ports[1])
    );
    for (block, expected) in prints {
        let printed = fs::read_to_string(out.join(block.to_string())).unwrap();
        assert_eq!(anywhere(&printed), anywhere(&expected), "run block {block}");
    }
}

/// What the README keeps of a secret that is drawn, with a `rescind` that does this; `None` if it stops.
fn kept(lines: &str, rescind: &str) -> Option<String> {
    let script = format!(
        "set -eu\nrescind() {{ {rescind}; }}\n{lines}\nprintf %s \"${{RESCIND_CLIENT_SECRET-}}${{ASKING-}}\""
    );
    let done = Command::new("sh").args(["-c", &script]).env_clear().output().unwrap();
    done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
}

#[test]
fn the_steps_that_keep_a_secret_can_be_run_again_and_never_keep_nothing() {
    let shown = "echo 'for hello'; echo 'client secret (shown this once): rsc_cs_x'";
    let blocks = readme().into_iter().filter(|b| b.mark == "run" && b.text.contains("$(rescind"));
    let mut seen = 0;
    for block in blocks {
        let of_secret = |line: &&str| line.contains("SHOWN") || line.contains("$(rescind");
        let lines: Vec<&str> = block.text.lines().filter(of_secret).collect();
        let lines = lines.join("\n");
        assert_eq!(kept(&lines, shown).as_deref(), Some("rsc_cs_x"), "{lines}");
        let again = format!("if [ \"$2\" = add ]; then return 1; fi; {shown}");
        assert_eq!(kept(&lines, &again).as_deref(), Some("rsc_cs_x"), "it is there: {lines}");
        assert_eq!(kept(&lines, "return 1"), None, "{lines}");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

/// Canaries move the log while an API server follows: which position it is does not matter.
fn anywhere(printed: &str) -> String {
    let lines = printed.lines().map(|line| match line.split_once("; durable at position ") {
        Some((what, pos)) if pos.parse::<u64>().is_ok() => format!("{what}; durable at a position"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_application_of_the_readme_is_the_one_that_is_compiled() {
    let compiled = include_str!("../src/bin/first-route.rs");
    let begin = compiled.find("use axum").unwrap();
    let end = compiled.find("\n// README: end").unwrap();
    let compiled = compiled[begin..end]
        .replace("argument(1)", "\"http://localhost:4000\"")
        .replace("argument(2)", "\"127.0.0.1:3000\"");
    let shown = marked("file: src/main.rs");
    assert_eq!(shown, compiled);

    let indented: String =
        marked("part of src/main.rs").lines().map(|line| format!("    {line}\n")).collect();
    assert!(shown.contains(&indented));
}

#[test]
fn the_application_of_the_readme_says_in_words_why_it_does_not_start() {
    let start = |secret: Option<&str>, issuer: &str| {
        let mut app = Command::new(env!("CARGO_BIN_EXE_first-route"));
        app.args([issuer, "127.0.0.1:0"]).env_clear();
        app.envs(secret.map(|secret| ("RESCIND_CLIENT_SECRET", secret)));
        let done = app.output().unwrap();
        assert!(!done.status.success());
        String::from_utf8(done.stderr).unwrap()
    };
    for (said, hint) in [
        (start(None, "http://localhost:1"), "which `rescind client add` prints once"),
        (start(Some(" "), "http://localhost:1"), "RESCIND_CLIENT_SECRET is empty"),
        (start(Some("x"), "http://auth.example.com"), "https, or http to this machine"),
    ] {
        assert!(said.starts_with("Error: the ") && said.contains(hint), "{said}");
    }
}

#[test]
fn every_command_of_the_readme_is_run_somewhere() {
    let by_ci = ["cargo run --release -- demo", "cargo xtask test"];
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    assert_eq!(text.matches("```sh").count(), readme().iter().filter(|b| is_shell(b)).count());
    for block in readme().iter().filter(|b| is_shell(b) && !b.mark.starts_with("run")) {
        for line in block.text.lines() {
            let command = line.split('#').next().unwrap().trim();
            assert!(by_ci.contains(&command), "nobody runs: {command}");
        }
    }
}

/// Blocks of commands are those that begin with a program's name.
fn is_shell(block: &Block) -> bool {
    let first = block.text.split_whitespace().next().unwrap_or("");
    block.mark.starts_with("run") || first == "cargo"
}

/// Links of the form `` [`name`](path.rs) `` in a document.
fn code_links(text: &str) -> Vec<(String, String)> {
    let parts = text.split("[`").skip(1);
    let link = |part: &str| {
        let (name, rest) = part.split_once("`](")?;
        let path = rest.split(')').next()?;
        (path.ends_with(".rs") && !name.contains('`')).then(|| (name.to_owned(), path.to_owned()))
    };
    parts.filter_map(link).collect()
}

fn documents() -> Vec<PathBuf> {
    let mut all = vec![root().join("README.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        all.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    all
}

#[test]
fn what_the_documents_link_to_in_the_code_is_there() {
    let (mut seen, mut missing) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (name, path) in code_links(&text) {
            seen += 1;
            let code = fs::read_to_string(document.parent().unwrap().join(&path));
            let item = name.rsplit("::").next().unwrap().trim_end_matches("()");
            let there = |code: String| {
                let is_test = item.matches('_').count() >= 3;
                code.contains(&if is_test { format!("fn {item}(") } else { item.to_owned() })
            };
            if !code.is_ok_and(there) {
                missing.push(format!("{}: {name} in {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 20, "the documents name the code: {seen}");
}
