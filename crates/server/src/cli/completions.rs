//! `rescind completions`.

use super::Cli;
use super::failed::Failed;
use super::out::{LOOKED, print};
use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

/// Print what a shell needs to complete the commands.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind completions bash > ~/.local/share/bash-completion/completions/rescind
  rescind completions zsh > ~/.zfunc/_rescind
  rescind completions fish > ~/.config/fish/completions/rescind.fish")]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failed> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "rescind", &mut script);
    print(&String::from_utf8_lossy(&script), LOOKED)
}
