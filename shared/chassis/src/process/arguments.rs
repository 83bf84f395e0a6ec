//! Reads the command line: one word says what the process is for.

use super::Command;

/// What the command line asks for.
pub(super) enum Choice<'a, C> {
    Serve,
    Help,
    Run(&'a Command<C>, Vec<String>),
}

/// Finds what the first argument names; an error is a sentence.
pub(super) fn choose<C>(
    arguments: Vec<String>,
    commands: &[Command<C>],
) -> Result<Choice<'_, C>, String> {
    let mut arguments = arguments.into_iter();
    let Some(word) = arguments.next() else { return Ok(Choice::Serve) };
    let rest: Vec<_> = arguments.collect();
    match (word.as_str(), rest.first()) {
        ("serve", None) => Ok(Choice::Serve),
        ("--help" | "-h" | "help", _) => Ok(Choice::Help),
        ("serve", Some(more)) => Err(format!("`serve` takes no argument, not `{more}`")),
        (word, _) => commands
            .iter()
            .find(|command| command.name == word)
            .map(|command| Choice::Run(command, rest))
            .ok_or_else(|| format!("there is no command `{word}`")),
    }
}

/// Prints what the command line may say.
pub(super) fn usage<C>(name: &str, commands: &[Command<C>]) -> String {
    let mut lines = vec![
        format!("usage: {name} [command]"),
        String::new(),
        "  serve        runs the service until it is stopped (the default)".to_owned(),
    ];
    lines
        .extend(commands.iter().map(|command| format!("  {:<12} {}", command.name, command.about)));
    lines.push("  --help       says this".to_owned());
    lines.join("\n")
}
