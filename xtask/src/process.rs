//! Running other programs: always shown, never with a standard input.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

/// Runs to the end on this terminal; an error names the command and how it ended.
pub(crate) fn passes(command: &mut Command) -> Result<(), String> {
    show(command);
    let status = command.stdin(Stdio::null()).status().map_err(|e| unstartable(command, &e))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", text(command))) }
}

/// Runs silently and gives the standard output; an error carries the standard error.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| unstartable(command, &e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` ended with {}: {}", text(command), output.status, why.trim()))
}

/// Runs with its standard error on this terminal and gives the standard output.
pub(crate) fn captured(command: &mut Command) -> Result<String, String> {
    show(command);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|e| unstartable(command, &e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`{}` ended with {}", text(command), output.status))
}

/// Runs with both outputs joined in the order of writing; every line is printed at once and given
/// to `each`. `Ok(true)` if the program ended with success.
pub(crate) fn streamed(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool, String> {
    show(command);
    let (reader, writer) = std::io::pipe().map_err(|e| unstartable(command, &e))?;
    let second = writer.try_clone().map_err(|e| unstartable(command, &e))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(second);
    let child = command.spawn();
    // The command keeps its ends of the pipe open; without them the reader sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.map_err(|e| unstartable(command, &e))?;
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                let mut terminal = std::io::stdout().lock();
                // A closed terminal must not end the run: the exit code still counts.
                let _ = terminal.write_all(&line).and_then(|()| terminal.flush());
                each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
            }
        }
    }
    let status = child.wait().map_err(|e| unstartable(command, &e))?;
    Ok(status.success())
}

/// The program and its arguments as a person would type them.
pub(crate) fn text(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy()));
    words.join(" ")
}

fn show(command: &Command) {
    println!("$ {}", text(command));
}

fn unstartable(command: &Command, error: &std::io::Error) -> String {
    format!("`{}` does not start: {error}", text(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_arrive_in_the_order_of_writing() {
        let mut lines = Vec::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; echo two >&2; echo three; exit 3"]);
        let ok = streamed(&mut shell, |line| lines.push(line.to_owned())).unwrap();
        assert!(!ok);
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn a_program_that_fails_is_named() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo why >&2; exit 3"]);
        let error = output(&mut shell).unwrap_err();
        assert!(error.contains("exit 3") && error.contains("why"), "{error}");
        assert!(passes(&mut Command::new("no-such-program-here")).is_err());
    }
}
