//! Relative links in Markdown: the file must be there, and so must the heading.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

/// The dead relative links of one file, `name` being its path from the root.
pub(crate) fn dead(root: &Path, name: &str, text: &str) -> Vec<String> {
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    for (number, target) in targets(text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let own = file.is_empty();
        let path = if own { PathBuf::from(name) } else { tidy(&folder.join(file)) };
        let mut say = |what: &str| problems.push(format!("{name}:{number}: {target}: {what}"));
        if !own && !root.join(&path).exists() {
            say("there is no such file");
        } else if !anchor.is_empty() && path.extension().is_some_and(|end| end == "md") {
            let read =
                if own { Ok(text.to_owned()) } else { std::fs::read_to_string(root.join(path)) };
            if !read.is_ok_and(|text| anchors(&text).contains(anchor)) {
                say("there is no such heading");
            }
        }
    }
    problems
}

/// The path without `.` and `..`; one that leaves the root keeps nothing that exists.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if !tidy.pop() => return PathBuf::from("\u{0}outside"),
            Component::Normal(part) => tidy.push(part),
            _ => {}
        }
    }
    tidy
}

/// Targets of `[text](target)` and `[name]: target` outside code, with their line numbers.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            found.extend(target.split_whitespace().next().map(|t| (number, t.to_owned())));
        }
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            found.extend(target.split_whitespace().next().map(|t| (number, t.to_owned())));
        }
    }
    found
}

/// Numbered lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// The line without what stands in backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The anchors of a file's headings, as the usual hosts make them, and those written as HTML ids.
fn anchors(text: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    for (_, line) in prose(text) {
        if let Some((_, rest)) = line.split_once(" id=\"") {
            found.extend(rest.split('"').next().map(String::from));
        }
        let title = line.trim_start_matches('#');
        if title.len() < line.len() && title.starts_with(' ') {
            let slug = slug(title.trim());
            let numbered = (1..).map(|n| format!("{slug}-{n}"));
            let free = std::iter::once(slug.clone()).chain(numbered).find(|s| !found.contains(s));
            found.extend(free);
        }
    }
    found
}

fn slug(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("docs")).unwrap();
        std::fs::write(root.path().join("docs/b.md"), "# One `two`, three\n## One two three\n")
            .unwrap();
        dead(root.path(), "docs/a.md", text)
    }

    #[test]
    fn living_links_are_no_problem() {
        let text = "# Top\n[b](b.md) [h](b.md#one-two-three) [again](./b.md#one-two-three-1) \
                    [own](#top) [up](../docs/b.md) [web](https://example.com/x.md)\n[r]: b.md\n";
        assert_eq!(check(text), [""; 0]);
    }

    #[test]
    fn dead_links_are_named_with_their_line() {
        assert_eq!(check("x\n[b](c.md)"), ["docs/a.md:2: c.md: there is no such file"]);
        assert_eq!(check("[b](b.md#four)"), ["docs/a.md:1: b.md#four: there is no such heading"]);
        assert_eq!(check("[b](../../etc)").len(), 1);
        assert_eq!(check("[b]: c.md").len(), 1);
    }

    #[test]
    fn code_holds_no_links() {
        assert_eq!(check("`[b](c.md)`\n```\n[b](c.md)\n```\n"), [""; 0]);
    }
}
