//! Why, in a plugin's own words. They come into the hub here, and nowhere else: cut to what a log line, a fault and an answer may
//! hold, and without control characters.

use openhub_model::Fault;

use crate::answer::Reason;
use crate::bindings::types::types::{Fault as PluginFault, Reason as PluginReason};
use crate::capabilities::log::escape;
use crate::fault::{CallFault, FaultKind};

/// Bytes of a code, and of an argument's name.
const CODE: usize = 64;
/// Bytes of a message, of an argument, and of a pointer.
const MESSAGE: usize = 1_000;
const ARGS: usize = 20;
/// Faults of one record or change.
const FAULTS: usize = 100;

impl From<PluginReason> for Reason {
    fn from(reason: PluginReason) -> Reason {
        let args = reason.args.into_iter().take(ARGS);
        Reason {
            code: line(&reason.code, CODE),
            message: line(&reason.message, MESSAGE),
            args: args.map(|(name, value)| (line(&name, CODE), line(&value, MESSAGE))).collect(),
        }
    }
}

/// As one line: where it was broken, there is a space.
fn line(text: &str, at_most: usize) -> String {
    let end = text.floor_char_boundary(at_most + 4);
    escape(&text[..end].replace(['\n', '\r', '\t'], " "), at_most)
}

/// A call that a plugin refused as a whole.
pub(crate) fn refused(reason: PluginReason) -> CallFault {
    let Reason { code, message, .. } = reason.into();
    CallFault::new(FaultKind::Refused, format!("{code}: {message}"))
}

/// What a plugin finds wrong with a record, or with a change.
pub(crate) fn faults(faults: Vec<PluginFault>) -> Vec<Fault> {
    let told = faults.into_iter().take(FAULTS).map(|PluginFault { pointer, reason }| {
        let Reason { code, message, .. } = reason.into();
        Fault::new(line(&pointer, MESSAGE), code, message)
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_what_a_plugin_says_is_cut_and_has_no_control_characters() {
        let said = || PluginReason {
            code: "e".repeat(3_000),
            message: format!("\u{1b}[31m\n{}", "\u{202e}é".repeat(2_000)),
            args: vec![("n".repeat(100), "v\0".repeat(2_000)); 30],
        };
        let reason = Reason::from(said());
        assert!(reason.code.len() < CODE + 4, "{}", reason.code.len());
        assert!(reason.message.starts_with("\\u{1b}[31m \\u{202e}é") && reason.message.len() < MESSAGE + 16);
        assert_eq!(reason.args.len(), ARGS);
        let (name, value) = &reason.args[0];
        assert!(name.len() < CODE + 4 && value.len() < MESSAGE + 16 && value.starts_with("v\\u{0}"));
        assert!(refused(said()).message.len() < CODE + MESSAGE + 32);
        let fault = || PluginFault { pointer: format!("/{}", "p\n".repeat(2_000)), reason: said() };
        let told = faults((0..101).map(|_| fault()).collect());
        assert_eq!(told.len(), FAULTS);
        assert!(told[0].pointer.len() < MESSAGE + 16 && told[0].code.len() < CODE + 4);
        assert!(told[0].message.len() < MESSAGE + 16 && !told[0].message.contains('\u{1b}'));
        // What is short and plain stays as it is.
        let plain =
            PluginReason { code: "no-key".into(), message: "Set `key`.".into(), args: vec![("a".into(), "b".into())] };
        let told = Reason { code: "no-key".into(), message: "Set `key`.".into(), args: vec![("a".into(), "b".into())] };
        assert_eq!(Reason::from(plain), told);
    }
}
