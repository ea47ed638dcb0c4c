//! The configuration, as people and programs write it. The first byte chooses: the rest is a file, a file of
//! variables, or the number of a setting and its text.

use crate::Target;
use rescind_server::config::{Loaded, Setting, Sources, Tree, default_file, load};
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The target.
pub const TARGET: Target = Target { name: "configuration", seeds, holds, short: 15_000 };

/// A value that no problem may show: it may be a secret in the wrong place.
const CANARY: &str = "canary-7f3a";

fn holds(input: &[u8]) {
    match input {
        [b'F', text @ ..] => read(text, |file| Sources { file: Some(file), ..Sources::default() }),
        [b'E', text @ ..] => {
            read(text, |file| Sources { env_file: Some(file), ..Sources::default() });
        }
        [b'V', number, text @ ..] => value(*number, text),
        _ => {}
    }
}

/// A file in a folder of this process.
fn file(name: &str, text: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let path = FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// What is taken can be written anew and means the same; what is refused is named with its place, and no
/// value is shown.
fn read(text: &[u8], sources: impl Fn(PathBuf) -> Sources) {
    let path = file("read", text);
    match load(&sources(path.clone())) {
        Ok(loaded) => {
            usable(&loaded);
            same(&loaded, &again(&loaded));
        }
        Err(problems) => {
            let place = path.display().to_string();
            assert!(problems.lines().all(|line| line.contains(&place)), "{problems}");
            assert!(!problems.contains(CANARY) || names_canary(text), "{problems}");
        }
    }
}

/// The settings that were made, in a file of their own.
fn again(loaded: &Loaded) -> Loaded {
    let made = Setting::all().filter(|setting| loaded.origins.contains_key(setting.key));
    // What was set to nothing is written by leaving it out.
    let shown = made.map(|setting| (setting, setting.show(&loaded.tree)));
    let lines = shown.filter(|(_, text)| !text.is_empty());
    let text: String = lines
        .map(|(setting, text)| format!("{} = {}\n", setting.key, setting.toml(&text)))
        .collect();
    let file = file("again", text.as_bytes());
    load(&Sources { file: Some(file), ..Sources::default() }).unwrap()
}

fn same(one: &Loaded, other: &Loaded) {
    for setting in Setting::all() {
        assert_eq!(setting.show(&one.tree), setting.show(&other.tree), "{}", setting.key);
    }
}

/// Nothing that is made of settings fails, whatever they are.
fn usable(loaded: &Loaded) {
    let tree = &loaded.tree;
    let settings = tree.settings("https://auth.example.com".into());
    assert!(settings.access_life.as_secs() > 0 && tree.limits().connections > 0);
    assert!(loaded.conflicts().iter().all(|problem| problem.contains('.')));
}

/// One setting: what is taken is shown so that it is taken again.
fn value(number: u8, text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let all: Vec<_> = Setting::all().collect();
    let setting = all[usize::from(number) % all.len()];
    let mut loaded = Loaded::default();
    let tree = &mut loaded.tree;
    if !setting.set(tree, text) {
        let unchanged = setting.show(tree) == setting.show(&Tree::default());
        assert!(unchanged, "{} was refused and taken", setting.key);
        return;
    }
    let shown = setting.show(tree);
    usable(&loaded);
    let mut again = Tree::default();
    assert!(setting.set(&mut again, &shown), "{}: {shown}", setting.key);
    assert_eq!(setting.show(&again), shown, "{}", setting.key);
}

/// Whether the canary stands where a name may: names are shown.
fn names_canary(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.match_indices(CANARY).any(|(at, _)| {
        let before = text[..at].rsplit(['\n', '\r']).next().unwrap_or_default();
        !before.contains('=')
    })
}

fn seeds() -> Vec<Vec<u8>> {
    let small = format!(
        "issuer = \"https://auth.example.com\"\ntrusted_proxies = [\"10.0.0.1\", \"::1\"]\n\
         [tokens]\naccess_life = \"6m\"\nalg = \"Ed25519\"\n[limits]\nconnections = 99\n\
         [log]\nfilter = \"warn,rescind_server=debug\"\n# {CANARY}\n"
    );
    let files = [
        default_file(),
        small.clone(),
        small.replace("6m", CANARY),
        small.replace("99", &format!("\"{CANARY}\"")),
        format!("master_key = \"{CANARY}\"\n[tokens]\ntokens.alg = {CANARY}\n"),
        format!("tokens = {{ access_life = \"{CANARY}\" }}\n[tokens]\nacces_life = \"5m\"\n"),
        format!("sessions.idle = \"{CANARY}\nlife = '''"),
        "issuer = 1e400\nlisten = 1979-05-27\n[[tls]]\nkey = [[[[[[[[[[[[".into(),
    ];
    let variables = [
        "RESCIND_ISSUER=https://auth.example.com\nRESCIND_TRUSTED_PROXIES='10.0.0.1, ::1'\n".into(),
        format!(
            "export RESCIND_TOKENS_ACCESS_LIFE=\"5m\" # {CANARY}\nRESCIND_LOG_FILTER={CANARY}=\n"
        ),
        format!("RESCIND_MASTER_KEY={CANARY}\nRESCIND_SESSIONS_IDLE=$HOME'{CANARY}\n"),
        format!("RESCIND_SESSION_IDLE={CANARY}\nX=${{RESCIND_X}}\n=\n"),
    ];
    let mut seeds: Vec<Vec<u8>> = files.iter().map(|file| format!("F{file}").into()).collect();
    seeds.extend(variables.iter().map(|file: &String| format!("E{file}").into_bytes()));
    for (number, setting) in (0..).zip(Setting::all()) {
        for text in
            [setting.default, setting.right].into_iter().chain(setting.range.iter().copied())
        {
            seeds.push([&[b'V', number], text.as_bytes()].concat());
        }
    }
    seeds
}
