use super::load::{Loaded, Sources, load};
use super::{SECTIONS, Setting, Tree, default_file, reference};
use rescind_authority::Settings;
use std::path::{Path, PathBuf};

/// For each setting a value that it must refuse, as it would stand in the file, and another one that is right
/// and is not the default.
const TABLE: &[(&str, &str, &str)] = &[
    ("issuer", r#""https://auth.example.com/""#, r#""https://a.example""#),
    ("listen", r#""localhost:4000""#, r#""127.0.0.1:1""#),
    ("data", "7", r#""d""#),
    ("keys", r#""""#, r#""k""#),
    ("master_key_file", "true", r#""m""#),
    ("hosts", r#"["https://a"]"#, r#"["a.internal:4000", "b"]"#),
    ("trusted_proxies", r#"["10.0.0.0/8"]"#, r#"["10.0.0.1", "::1"]"#),
    ("metrics_listen", r#""9400""#, r#""127.0.0.1:2""#),
    ("drain_delay", r#""6m""#, r#""5s""#),
    ("tls.certificate", "[]", r#""c""#),
    ("tls.key", r#""""#, r#""k""#),
    ("log.filter", r#""inof""#, r#""warn""#),
    ("log.format", r#""xml""#, r#""json""#),
    ("tokens.access_life", "300", r#""6m""#),
    ("tokens.alg", r#""HS256""#, r#""RS256""#),
    ("tokens.jwks_max_age", r#""0s""#, r#""2m""#),
    ("tokens.staleness", r#""1s""#, r#""11s""#),
    ("feed.canary", r#""2h""#, r#""20s""#),
    ("sessions.idle", r#""59s""#, r#""2h""#),
    ("sessions.life", r#""31d""#, r#""2d""#),
    ("sessions.remembered_idle", r#""-1d""#, r#""15d""#),
    ("sessions.remembered_life", r#""forever""#, r#""31d""#),
    ("sessions.most", "0", "101"),
    ("sessions.grace", r#""3m""#, r#""31s""#),
    ("sessions.move_after", r#""1""#, r#""16m""#),
    ("passwords.memory_kib", "19455", "19457"),
    ("passwords.passes", "1", "3"),
    ("passwords.lanes", "0", "2"),
    ("passwords.threads", "65", "3"),
    ("passwords.queue", "-1", "65"),
    ("throttle.pair_free", "101", "11"),
    ("throttle.pair_wait", r#""2d""#, r#""16m""#),
    ("throttle.account_free", "1.5", "51"),
    ("throttle.account_wait", r#""soon""#, r#""2m""#),
    ("throttle.many_failures", "101", "99"),
    ("throttle.many_wait", r#""0s""#, r#""16m""#),
    ("throttle.address_free", r#""100""#, "101"),
    ("throttle.address_wait", "60", r#""2m""#),
    ("throttle.network_free", "1000001", "1001"),
    ("throttle.network_wait", "false", r#""2m""#),
    ("throttle.refusals_free", "0", "301"),
    ("throttle.refusals_wait", r#""2h""#, r#""11s""#),
    ("throttle.account_revocations", "0", "101"),
    ("throttle.account_revocations_every", r#""0s""#, r#""2m""#),
    ("throttle.client_revocations", r#""many""#, "1001"),
    ("throttle.client_revocations_every", "10", r#""11s""#),
    ("throttle.forget_after", r#""1s""#, r#""2h""#),
    ("throttle.familiar_for", r#""59m""#, r#""31d""#),
    ("limits.sessions_mib", "0", "65"),
    ("limits.connections", "9", "10001"),
    ("limits.header_time", r#""0s""#, r#""11s""#),
    ("limits.body_time", r#""6m""#, r#""11s""#),
    ("limits.write_time", "{}", r#""31s""#),
];

fn in_file(text: &str) -> (Result<super::Loaded, String>, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rescind.toml");
    std::fs::write(&path, text).unwrap();
    (load(&Sources { file: Some(path.clone()), ..Sources::default() }), path)
}

/// The line of a file that sets this.
fn line(key: &str, value: &str) -> String {
    match key.rsplit_once('.') {
        Some((table, name)) => format!("# a comment\n[{table}]\n{name} = {value}\n"),
        None => format!("# a comment\n{key} = {value}\n"),
    }
}

/// As text, outside a file.
fn bare(value: &str) -> String {
    value.trim_matches(['[', ']']).replace('"', "")
}

#[test]
fn every_setting_stands_in_the_table() {
    let known: Vec<&str> = Setting::all().map(|setting| setting.key).collect();
    let listed: Vec<&str> = TABLE.iter().map(|(key, ..)| *key).collect();
    assert_eq!(known, listed);
}

#[test]
fn a_wrong_value_in_the_file_is_refused_with_key_place_and_a_right_one() {
    for (key, wrong, _) in TABLE {
        let (loaded, path) = in_file(&line(key, wrong));
        let said = loaded.unwrap_err();
        let (row, name) = key.rsplit_once('.').map_or((2, *key), |(_, name)| (3, name));
        let place = format!("{}:{row}:{}: {key} must be ", path.display(), name.len() + 4);
        assert!(said.starts_with(&place), "{key}: {said}");
        let setting = Setting::find(key).unwrap();
        assert!(said.ends_with(&format!("like {}", setting.toml(setting.right))), "{key}: {said}");
        assert_eq!(said.lines().count(), 1, "{key}: {said}");
    }
}

#[test]
fn a_wrong_value_elsewhere_is_refused_with_key_place_and_a_right_one() {
    for setting in Setting::all() {
        let (wrong, right) = ("\u{0}wrong\u{0}", setting.toml(setting.right));
        let name = setting.variable();
        let environment = vec![(name.clone(), wrong.to_owned())];
        let said = load(&Sources { environment, ..Sources::default() }).unwrap_err();
        assert!(
            said.starts_with(&format!("environment ({name}): {} must be ", setting.key)),
            "{said}"
        );
        assert!(said.ends_with(&right) && !said.contains("wrong"), "{said}");
        let flags = vec![(setting.key.to_owned(), wrong.to_owned(), "--set".to_owned())];
        let said = load(&Sources { flags, ..Sources::default() }).unwrap_err();
        assert!(said.starts_with(&format!("--set: {} must be ", setting.key)), "{said}");
    }
}

#[test]
fn a_log_filter_without_a_level_is_refused() {
    for (filter, good) in [("", false), ("info,", false), (",", false), ("warn,a=debug", true)] {
        let environment = vec![("RESCIND_LOG_FILTER".into(), filter.into())];
        let loaded = load(&Sources { environment, ..Sources::default() });
        assert_eq!(loaded.is_ok(), good, "{filter:?}");
    }
}

#[test]
fn the_ends_of_a_range_are_in_it() {
    for setting in Setting::all() {
        for end in setting.range {
            assert!(setting.set(&mut Tree::default(), end), "{} {end}", setting.key);
        }
    }
}

#[test]
fn every_setting_changes_what_is_run() {
    let told = |tree: &Tree| {
        let settings = tree.settings("https://a.example".into());
        let Tree { main, tls, log, feed, .. } = tree;
        let limits = (tree.limits(), tree.session_bytes());
        format!("{settings:?} {limits:?} {main:?} {tls:?} {log:?} {feed:?}")
    };
    for (key, _, other) in TABLE {
        let loaded = in_file(&line(key, other)).0.unwrap();
        assert_ne!(told(&loaded.tree), told(&Tree::default()), "{key}");
        assert!(loaded.origins.contains_key(key), "{key}");
        let setting = Setting::find(key).unwrap();
        assert_eq!(setting.toml(&setting.show(&loaded.tree)), *other, "{key}");
        let environment = vec![(setting.variable(), bare(other))];
        let from = load(&Sources { environment, ..Sources::default() }).unwrap();
        assert_eq!(told(&from.tree), told(&loaded.tree), "{key}");
    }
}

#[test]
fn the_defaults_are_those_of_the_program() {
    let issuer = "https://auth.example.com";
    let (ours, theirs) = (Tree::default().settings(issuer.into()), Settings::new(issuer));
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    assert_eq!(Tree::default().limits(), crate::serve::Limits::default());
    assert_eq!(Tree::default().session_bytes(), crate::store::sqlite::HELD_BYTES);
    assert!(Loaded::default().conflicts().is_empty());
}

#[test]
fn later_sources_win() {
    let folder = tempfile::tempdir().unwrap();
    let (file, env_file) = (folder.path().join("a.toml"), folder.path().join(".env"));
    std::fs::write(
        &file,
        "data = \"file\"\nkeys = \"file\"\nlisten = \"127.0.0.1:1\"\n[sessions]\nmost = 7\n",
    )
    .unwrap();
    std::fs::write(
        &env_file,
        "# a comment\nexport RESCIND_KEYS='lines'\nRESCIND_LISTEN=127.0.0.1:2\nOTHER=x\n",
    )
    .unwrap();
    let mut sources = Sources {
        file: Some(file),
        env_file: Some(env_file.clone()),
        environment: vec![("RESCIND_LISTEN".into(), "127.0.0.1:3".into())],
        flags: Vec::new(),
    };
    let loaded = load(&sources).unwrap();
    let main = &loaded.tree.main;
    assert_eq!((main.data.as_path(), main.keys.as_path()), (Path::new("file"), Path::new("lines")));
    assert_eq!((main.listen.port(), loaded.tree.sessions.most), (3, 7));
    assert_eq!(loaded.origins["keys"], format!("{} (RESCIND_KEYS)", env_file.display()));
    sources.flags.push(("listen".into(), "127.0.0.1:4".into(), "--listen".into()));
    let loaded = load(&sources).unwrap();
    assert_eq!(
        (loaded.tree.main.listen.port(), loaded.origins["listen"].as_str()),
        (4, "--listen")
    );
}

#[test]
fn what_is_not_known_is_refused_with_what_was_perhaps_meant() {
    let (said, path) = in_file("[token]\naccess_life = \"5m\"\n[tokens]\nacces_life = \"5m\"\n");
    let said = said.unwrap_err();
    let at = path.display();
    assert!(said.contains(&format!("{at}:1:2: there is no setting \"token\"")), "{said}");
    let meant = ":4:1: there is no setting \"tokens.acces_life\": did you mean tokens.access_life?";
    assert!(said.contains(meant), "{said}");

    let environment = |name: &str| {
        load(&Sources { environment: vec![(name.into(), "x".into())], ..Sources::default() })
    };
    let said = environment("RESCIND_LISTENN").unwrap_err();
    assert!(said.contains("did you mean RESCIND_LISTEN?"), "{said}");
    assert!(environment("RESCIND_CLIENT_SECRET").is_ok(), "a verifier's own");
    let flags = vec![("lsten".into(), "x".into(), "--set".into())];
    let said = load(&Sources { flags, ..Sources::default() }).unwrap_err();
    assert!(said.contains("did you mean listen?"), "{said}");
}

#[test]
fn what_is_wrong_in_a_file_is_told_line_by_line() {
    let text = "listne = 1\ndata = 7\n[tls]\nkey = 1\n[sessions]\nmost = 0\nlife = 1\n[log]\nfromat = 1\n\
                filter = 1\n[nothing]\n";
    let (said, path) = in_file(text);
    let said = said.unwrap_err();
    let prefix = format!("{}:", path.display());
    let lines = said.lines().map(|line| {
        let place = line.strip_prefix(&prefix).unwrap();
        place.split(':').next().unwrap().parse::<u32>().unwrap()
    });
    assert_eq!(lines.collect::<Vec<_>>(), [1, 2, 4, 6, 7, 9, 10, 11], "{said}");
}

#[test]
fn the_master_key_is_no_setting_wherever_it_is_named() {
    let flags = vec![("master_key".into(), "x".into(), "--set".into())];
    let said = load(&Sources { flags, ..Sources::default() }).unwrap_err();
    assert!(said.starts_with("--set: ") && said.contains("master_key_file"), "{said}");
    assert!(!said.contains("this file"), "{said}");
}

#[test]
fn a_file_that_may_not_be_read_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = Some(folder.path().to_owned());
    let said = load(&Sources { file, ..Sources::default() }).unwrap_err();
    assert!(said.contains("--config") && !said.contains("config init"), "{said}");
    let denied = std::io::ErrorKind::PermissionDenied.into();
    let said = super::load::cannot_read(Path::new("/etc/rescind.toml"), &denied);
    assert!(said.contains("/etc/rescind.toml") && said.contains("chmod 640"), "{said}");
    assert!(!said.contains("config init"), "there is one: {said}");
}

#[test]
fn what_is_not_set_is_null_and_a_list_is_an_array() {
    let json = |key: &str, text| Setting::find(key).unwrap().json(text);
    assert_eq!(json("tls.key", ""), serde_json::Value::Null);
    assert_eq!(json("hosts", ""), serde_json::json!([]));
    assert_eq!(json("trusted_proxies", "10.0.0.1, ::1"), serde_json::json!(["10.0.0.1", "::1"]));
    assert_eq!(json("sessions.most", "7"), serde_json::json!(7));
    assert_eq!(json("tokens.access_life", "5m"), serde_json::json!("5m"));
}

// G02
#[test]
fn a_secret_in_the_wrong_place_is_refused_and_not_shown() {
    let canary = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE=";
    for text in [
        format!("master_key = \"{canary}\"\n"),
        format!("listen = \"{canary}\"\n"),
        format!("[tokens]\nalg = \"{canary}\"\n"),
        format!("data = \"{canary}\n"),
        format!("data = {canary}\n"),
    ] {
        let said = in_file(&text).0.unwrap_err();
        assert!(!said.contains(canary), "{said}");
    }
    assert!(in_file("master_key = \"x\"").0.unwrap_err().contains("name that by master_key_file"));
    let folder = tempfile::tempdir().unwrap();
    let env_file = folder.path().join(".env");
    std::fs::write(&env_file, format!("RESCIND_MASTER_KEY='{canary}\n")).unwrap();
    let said = load(&Sources { env_file: Some(env_file), ..Sources::default() }).unwrap_err();
    assert!(!said.contains(canary), "{said}");
    let environment = vec![("RESCIND_MASTER_KEY".into(), canary.into())];
    let loaded = load(&Sources { environment, ..Sources::default() }).unwrap();
    assert_eq!(loaded.master_key.as_ref().unwrap().as_str(), canary);
    assert!(!format!("{loaded:?}").contains(canary));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (lines, says) in [
        ("[sessions]\nidle = \"2d\"", "sessions.idle"),
        ("[sessions]\nremembered_idle = \"31d\"", "sessions.remembered_idle"),
        ("[sessions]\nmove_after = \"59s\"", "sessions.move_after"),
        ("[throttle]\nforget_after = \"15m\"", "throttle.forget_after"),
        ("[throttle]\nmany_failures = 49", "throttle.many_failures"),
        ("[limits]\nbody_time = \"30s\"", "limits.write_time"),
        ("[tls]\nkey = \"k\"", "tls.certificate and tls.key"),
    ] {
        let (loaded, path) = in_file(lines);
        let conflicts = loaded.unwrap().conflicts();
        assert_eq!(conflicts.len(), 1, "{lines}: {conflicts:?}");
        let place = format!("{}:2:", path.display());
        assert!(conflicts[0].starts_with(&place) && conflicts[0].contains(says), "{conflicts:?}");
    }
    let flag = |key: &str| (key.to_owned(), "2d".to_owned(), "--set".to_owned());
    let flags = vec![flag("sessions.idle"), flag("sessions.life")];
    assert!(load(&Sources { flags, ..Sources::default() }).unwrap().conflicts().is_empty());
    let environment = vec![("RESCIND_SESSIONS_LIFE".into(), "1d".into())];
    let flags = vec![flag("sessions.idle")];
    let both = load(&Sources { environment, flags, ..Sources::default() }).unwrap().conflicts();
    let places = "--set and environment (RESCIND_SESSIONS_LIFE): sessions.idle is longer";
    assert!(both[0].starts_with(places), "{both:?}");
}

#[test]
fn a_file_that_is_missing_or_broken_is_refused_with_its_place() {
    let file = Some(PathBuf::from("/nowhere/rescind.toml"));
    let said = load(&Sources { file, ..Sources::default() }).unwrap_err();
    assert!(said.contains("/nowhere/rescind.toml") && said.contains("config init"), "{said}");
    let (said, path) = in_file("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n");
    let said = said.unwrap_err();
    assert!(said.starts_with(&format!("{}:2:", path.display())), "{said}");
}

#[test]
fn the_default_file_says_what_is_so_without_it() {
    let text = default_file();
    assert!(in_file(&text).0.unwrap().origins.is_empty());
    let written: String = text
        .lines()
        .filter(|line| !line.ends_with("not set by default"))
        .map(|line| match line.strip_prefix("# ") {
            Some(setting)
                if setting.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) =>
            {
                setting
            }
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let loaded = in_file(&written).0.unwrap();
    let set = Setting::all().filter(|setting| !setting.default.is_empty()).count();
    assert_eq!(loaded.origins.len(), set);
    assert_eq!(format!("{:?}", loaded.tree), format!("{:?}", Tree::default()));
}

#[test]
fn the_documents_are_those_of_this_program() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (file, made) in [("configuration.md", reference()), ("rescind.toml", default_file())] {
        let kept = std::fs::read_to_string(docs.join("generated").join(file)).unwrap();
        assert!(kept == made, "docs/generated/{file}: make it anew (CONTRIBUTING.md says how)");
    }
    let reasons = std::fs::read_to_string(docs.join("defaults.md")).unwrap();
    for setting in SECTIONS.iter().flat_map(|section| section.settings) {
        assert!(reasons.contains(&format!("`{}`", setting.key)), "defaults.md: {}", setting.key);
    }
}
