//! The reference and the default file, both made from the list of settings.

use super::tree::{SECTIONS, Setting};
use std::fmt::Write as _;

/// The configuration file with everything in it, each as it is by default, and switched off.
pub fn default_file() -> String {
    let mut text = String::from(
        "# Configuration of Rescind. Every setting stands here with its default; take the # away to change it.\n",
    );
    for section in SECTIONS {
        text.push_str("\n#");
        text.push_str(&rule(section.prefix));
        comment(&mut text, section.about);
        if let Some(table) = section.prefix.strip_suffix('.') {
            let _ = writeln!(text, "[{table}]");
        }
        for setting in section.settings {
            text.push('\n');
            comment(&mut text, setting.doc);
            comment(&mut text, &format!(" It is {}.", setting.wants()));
            let value = if setting.default.is_empty() { setting.right } else { setting.default };
            let name = setting.key.strip_prefix(section.prefix).unwrap_or(setting.key);
            let unset = if setting.default.is_empty() { "  # not set by default" } else { "" };
            let _ = writeln!(text, "# {name} = {}{unset}", setting.toml(value));
        }
    }
    text
}

fn rule(prefix: &str) -> String {
    format!(" ---- {}\n", prefix.strip_suffix('.').unwrap_or("the authority"))
}

fn comment(text: &mut String, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "#{line}");
    }
}

/// The reference, in Markdown.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "<!-- Made by `rescind config reference`; a test compares it. -->\n\n# Configuration\n\n\
         A setting comes from, later ones winning: its default, the file that `--config FILE` or \
         `RESCIND_CONFIG` names, the lines of `--env-file FILE`, the environment, the flags (`--set \
         tokens.access_life=5m` reaches each of them). No file is read that is not named. What is unknown or \
         wrong stops the start, with its place and with what to write.\n\n\
         `rescind config init` writes a [file with all defaults](rescind.toml), `rescind config check` judges one, \
         `rescind config show` says what is in force and where it comes from. Reasons for the defaults: \
         [defaults.md](../defaults.md).\n",
    );
    for section in SECTIONS {
        let title = section.prefix.strip_suffix('.').map(|name| format!("`[{name}]`"));
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n| Setting | Environment | Default | May be | Meaning |\n|---|---|---|---|---|\n",
            title.as_deref().unwrap_or("At the top"),
            flowing(section.about),
        );
        for setting in section.settings {
            let _ = writeln!(text, "{}", row(setting));
        }
    }
    text
}

fn row(setting: &Setting) -> String {
    let default = match setting.default {
        "" => "not set".to_owned(),
        _ => format!("`{}`", setting.toml(setting.default)),
    };
    format!(
        "| `{}` | `{}` | {default} | {}, like `{}` | {} |",
        setting.key,
        setting.variable(),
        setting.wants(),
        setting.toml(setting.right),
        flowing(setting.doc),
    )
}

fn flowing(lines: &str) -> String {
    lines.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
