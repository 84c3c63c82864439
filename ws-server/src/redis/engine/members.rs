//! The arguments for changes of recorded members.

use ::redis::Cmd;
use ws_core::log::shared::MemberChange;

/// Changes that one command of Redis makes: Lua passes a few thousand arguments at most.
const MAX_RUN: usize = 1_000;

/// Adds changes in their order, in runs that one command makes: a command for each change would cost
/// several times as much.
pub(super) fn add_changes(command: &mut Cmd, changes: &[MemberChange]) {
    let runs = changes.chunk_by(|one, next| one.value.is_some() == next.value.is_some());
    for run in runs.flat_map(|run| run.chunks(MAX_RUN)) {
        let is_set = run.iter().any(|change| change.value.is_some());
        let (name, parts) = if is_set { ("HSET", 2) } else { ("HDEL", 1) };
        command.arg(name).arg(parts * run.len());
        for MemberChange { key, value, .. } in run {
            command.arg(&key[..]);
            if let Some(value) = value {
                command.arg(&value[..]);
            }
        }
    }
}
