//! What the command line of this program offers.

use super::{Answer, Commands, arguments::Arguments};
use crate::arguments;
use clap::{Arg, ArgAction, CommandFactory as _};
use qmp::{Error, Value, json};

/// An option of `vmm run`, whose one parameter is its value.
fn option(name: &str, arg: &Arg) -> Value {
    let kind = match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => "boolean",
        _ => "string",
    };
    let mut parameter = json!({ "name": name, "type": kind });
    if let Some(help) = arg.get_help() {
        parameter["help"] = help.to_string().into();
    }
    json!({ "option": name, "parameters": [parameter] })
}

/// `query-command-line-options`: those of `vmm run`, or one of them.
pub(super) fn query(_: &mut Commands, mut arguments: Arguments) -> Answer {
    let wanted = arguments.string("option")?;
    arguments.end()?;
    let command = arguments::Arguments::command();
    let run = command.find_subcommand("run").into_iter().flat_map(clap::Command::get_arguments);
    let named = run.filter_map(|arg| Some((arg.get_long()?, arg)));
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let options: Vec<Value> = named.filter(|(name, _)| is_wanted(name)).map(|(name, arg)| option(name, arg)).collect();
    match wanted {
        Some(wanted) if options.is_empty() => Err(Error::generic(format!("there is no option '{wanted}'"))),
        _ => Ok(options.into()),
    }
}
